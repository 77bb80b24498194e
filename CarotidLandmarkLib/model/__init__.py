"""Networks: U-Net, centre of mass, Loc-Net and the multi-scale Loc-Net, with their weights."""

import os

# Packages with a `make_known()` that adds networks: whoever has more of them names them here, since a detection needs
# none of them.
MORE_NETWORKS: list[str] = []

# Some virtual machines announce AMX without having it; oneDNN, as in torch 2.13, then ends the process by an illegal
# instruction (uxlfoundation/oneDNN#5689). Without AMX nothing is lost but speed.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")
