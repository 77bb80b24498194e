"""A phantom that comes with the package, and where its carinas are; Resources/make_sample_data.py has made both."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent
VOLUME = _FOLDER / "CarotidCTAPhantom.nrrd"
POINTS = _FOLDER / "CarotidCTAPhantom.mrk.json"
