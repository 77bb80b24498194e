"""From a CT to two landmarks, each with its uncertainty."""

DEVICES = ("auto", "cpu", "cuda", "mps")
