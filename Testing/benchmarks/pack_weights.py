"""Writes weights in half precision, which is a few MB: pack_weights.py WEIGHTS OUT, or WEIGHTS --default.

With --default they become those of the package, under the package's version, and its manifest is written again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from safetensors.torch import load_file, save_file

from CarotidLandmarkLib import __version__
from CarotidLandmarkLib.model.header import DEFAULT, METADATA_KEY, read_header
from CarotidLandmarkLib.model.weights import write_manifest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    out = parser.add_mutually_exclusive_group(required=True)
    out.add_argument("out", type=Path, nargs="?")
    out.add_argument("--default", action="store_true")
    args = parser.parse_args()
    tensors = {name: tensor.half() for name, tensor in load_file(args.weights).items()}
    header = read_header(args.weights.read_bytes())
    if args.default:
        header.update(name="default", version=__version__)
    save_file(tensors, DEFAULT if args.default else args.out, {METADATA_KEY: json.dumps(header)})
    if args.default:
        write_manifest()


if __name__ == "__main__":
    main()
