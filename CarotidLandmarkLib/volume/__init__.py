"""A CT in world millimetres: read, orient, sample at any point and spacing."""
