"""How good the detections are: the protocol's numbers and tables."""
