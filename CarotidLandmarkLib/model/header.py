"""What a weights file says of itself, read without torch: its header, and the checksums in a manifest beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FORMAT = "carotid-landmark/weights/1"
METADATA_KEY = "carotid-landmark"
PACKAGED = Path(__file__).resolve().parent.parent / "weights"
DEFAULT = PACKAGED / "default.safetensors"


def read_header(data: bytes) -> dict[str, Any] | None:
    """Our header inside that of a safetensors file (8 bytes of length, then JSON), or None where there is none."""
    try:
        metadata = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
        header = json.loads(metadata[METADATA_KEY])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return header if isinstance(header, dict) else None


def checksums(folder: Path) -> dict[str, str]:
    """The sha256 of weights by name, as the manifest.json in `folder` lists them; none where there is none."""
    try:
        listed = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return listed if isinstance(listed, dict) else {}
