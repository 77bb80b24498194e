"""`carotid-landmark COMMAND`: a file a command, arguments to calls."""
