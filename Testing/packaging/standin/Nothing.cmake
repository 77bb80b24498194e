# Slicer does more here; nothing of it concerns which files are installed.
