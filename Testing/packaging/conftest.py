from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STANDIN = Path(__file__).parent / "standin"


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extension as CMake has configured and installed it against the stand-in for Slicer: the build folder."""
    cmake = shutil.which("cmake", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if cmake is None:
        pytest.skip("CMake is not installed (pip install carotid-landmark[test])")
    folder = tmp_path_factory.mktemp("build")
    given = {"Slicer_DIR": STANDIN, "CMAKE_TOOLCHAIN_FILE": STANDIN / "toolchain.cmake", "CMAKE_MAKE_PROGRAM": cmake}
    configure = [cmake, "-G", "Unix Makefiles", "-S", ROOT, "-B", folder, *(f"-D{k}={v}" for k, v in given.items())]
    for command in (configure, [cmake, "--install", folder, "--prefix", folder / "installed"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def installed(build: Path) -> Path:
    """The folder of the scripted modules in the installed extension."""
    return build / "installed" / "lib" / "Slicer-5.10" / "qt-scripted-modules"


@pytest.fixture(scope="session")
def metadata(build: Path) -> dict[str, str]:
    """The EXTENSION_ variables, without that prefix, and PROJECT."""
    return dict(line.split("=", 1) for line in (build / "metadata.txt").read_text(encoding="utf-8").splitlines())
