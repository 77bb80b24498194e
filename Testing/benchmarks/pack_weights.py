"""Writes weights in half precision, which is a few MB: pack_weights.py WEIGHTS OUT, or pack_weights.py WEIGHTS --default.

With --default they become those of the package, under the package's version, and its manifest is written again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file

from CarotidLandmarkLib import __version__
from CarotidLandmarkLib.model.header import DEFAULT, METADATA_KEY
from CarotidLandmarkLib.model.weights import write_manifest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    out = parser.add_mutually_exclusive_group(required=True)
    out.add_argument("out", type=Path, nargs="?")
    out.add_argument("--default", action="store_true")
    args = parser.parse_args()
    with safe_open(args.weights, "pt") as file:
        tensors = {name: file.get_tensor(name).half() for name in file.keys()}
        header = json.loads(file.metadata()[METADATA_KEY])
    if args.default:
        header.update(name="default", version=__version__)
    save_file(tensors, DEFAULT if args.default else args.out, {METADATA_KEY: json.dumps(header)})
    if args.default:
        write_manifest()


if __name__ == "__main__":
    main()
