"""Series that arrive in a folder from a DICOM receiver, each answered once."""
