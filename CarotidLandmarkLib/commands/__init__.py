"""`carotid-landmark COMMAND`: a file a command, arguments to calls."""

from ..model import MORE_NETWORKS

MORE_NETWORKS.append("CarotidLandmarkLib.study.methods")  # weights of every method can be used by every command
