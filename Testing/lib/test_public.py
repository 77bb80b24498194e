"""What the package offers under its own name."""

from __future__ import annotations

import subprocess
import sys

import pytest

import CarotidLandmarkLib
from CarotidLandmarkLib.detect.detector import Detector


def test_every_public_name_is_there():
    for name in CarotidLandmarkLib.__all__:
        assert getattr(CarotidLandmarkLib, name).__name__ == name and name in dir(CarotidLandmarkLib)
    assert CarotidLandmarkLib.Detector is Detector
    with pytest.raises(AttributeError, match="no attribute 'Detectors'"):
        CarotidLandmarkLib.Detectors  # noqa: B018


def test_importing_the_package_loads_nothing_of_it():
    script = (
        "import sys, CarotidLandmarkLib\n"
        "assert not {'numpy', 'torch', 'SimpleITK'} & set(sys.modules)\n"
        "from CarotidLandmarkLib import Detection\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
