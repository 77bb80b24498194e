"""What is on disk is what is installed, and that works by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOT_INSTALLED = {"CMakeLists.txt"}


def on_disk(folder: Path) -> set[str]:
    """The files below a folder, relative to it, but for hidden ones and what Python and CMake leave there."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {
        path.as_posix()
        for path in paths
        if path.name not in NOT_INSTALLED and not any(part.startswith((".", "__pycache__")) for part in path.parts)
    }


def test_every_file_on_disk_is_installed_and_nothing_else(installed: Path) -> None:
    library = {f"CarotidLandmarkLib/{name}" for name in on_disk(ROOT / "CarotidLandmarkLib")}
    expected = library | on_disk(ROOT / "CarotidLandmark")
    found = on_disk(installed)
    assert expected - found == set(), "CMakeLists.txt does not list these"
    assert found - expected == set(), "CMakeLists.txt lists these, which are no longer there"


def test_the_self_test_is_registered(build: Path) -> None:
    assert (build / "unittests.txt").read_text().split() == ["CarotidLandmark.py"]


CHECK = """
import importlib, pkgutil, sys
import CarotidLandmarkLib
for module in pkgutil.walk_packages(CarotidLandmarkLib.__path__, "CarotidLandmarkLib."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
from CarotidLandmarkLib.model.weights import load_weights
model, header = load_weights()
print(CarotidLandmarkLib.__file__)
print(header["path"])
print({"slicer", "vtk", "qt", "ctk"} & set(sys.modules))
"""


@pytest.mark.torch
def test_the_installed_library_works_without_slicer(installed: Path, tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    done = subprocess.run(
        [sys.executable, "-c", CHECK],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    library, weights, slicer = done.stdout.splitlines()
    assert Path(library).parent == installed / "CarotidLandmarkLib"
    assert Path(weights) == installed / "CarotidLandmarkLib" / "weights" / "default.safetensors"
    assert slicer == "set()"
