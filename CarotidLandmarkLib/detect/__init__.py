"""From a CT to two landmarks, each with its uncertainty."""

DEVICES = ("auto", "cpu", "cuda", "mps")
BACKENDS = ("auto", "openvino", "torch")
# Passes of the finest scale. More change the answer by less than a tenth of what it is off, see
# Testing/benchmarks/results/2026-11-27-samples.md.
SAMPLES = 25
LARGEST_SEED = 2**53 - 1  # up to here all readers of JSON agree on whole numbers
