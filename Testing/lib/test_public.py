"""What the package offers under its own name, and the README's example of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import CarotidLandmarkLib
from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.volume.ct import write_volume

README = Path(__file__).parents[2] / "README.md"


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


def test_the_example_of_the_readme_runs(detector, volume, balls, tmp_path, monkeypatch, capsys):
    block = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    if block is None:
        pytest.skip("README shows no Python")
    file = re.search(r'read_volume\("([^"]+)"', block[1])
    assert file, "the example reads a volume"
    write_volume(volume, tmp_path / file[1], compress=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Detector, "from_weights", lambda *words: detector)
    namespace: dict = {}
    exec(block[1], namespace)
    for landmark in namespace["detection"].landmarks:
        assert np.linalg.norm(landmark.position_lps_mm - balls[landmark.side]) < 0.3
    out = capsys.readouterr().out
    assert "left found" in out and "right found" in out
