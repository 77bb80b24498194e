"""Sides, points and detections, and the files that hold them."""
