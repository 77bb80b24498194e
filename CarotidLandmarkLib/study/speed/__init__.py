"""How long a detection takes, in which stage, and beside what: `carotid-landmark benchmark speed`."""

ENGINES = ("openvino/float32", "openvino/bfloat16", "torch/float32", "torch/bfloat16")  # backend/precision
PEERS = {
    "paper": "the paper's method, {samples} whole passes",
    "paper-last-scale": "the paper's method, its last scale {samples} times",
    "sliding-window": "MONAI's U-Net, a sliding window of 96 voxels at 1 mm",
}
