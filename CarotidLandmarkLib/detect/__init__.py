"""From a CT to two landmarks, each with its uncertainty."""

DEVICES = ("auto", "cpu", "cuda", "mps")
BACKENDS = ("auto", "openvino", "torch")
LARGEST_SEED = 2**53 - 1  # up to here all readers of JSON agree on whole numbers
