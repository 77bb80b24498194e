"""CarotidLandmark: both carotid bifurcations in a neck CT, each with its uncertainty."""

__version__ = "0.5.0"
