"""What readers made of detections, as a table."""
