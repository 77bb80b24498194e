"""Everything that trains and measures: cases with their truth, methods, training, scores, reports."""
