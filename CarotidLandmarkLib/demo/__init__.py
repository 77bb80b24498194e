"""A phantom, what the engine finds in it, and a picture of both."""
