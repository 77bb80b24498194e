"""From storescp over watch to storescu, by the commands of the guide, with the package's weights."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom", minversion="3.0", reason="needs pydicom 3, of the extra [dicom]")
pytest.importorskip("highdicom", reason="needs highdicom, of the extra [dicom]")

from CarotidLandmarkLib.exchange.dicom_sr_reading import read_report  # noqa: E402
from CarotidLandmarkLib.landmarks.files import read_points  # noqa: E402
from CarotidLandmarkLib.sample_data import POINTS, VOLUME  # noqa: E402
from CarotidLandmarkLib.volume.read import read_volume  # noqa: E402
from Testing.lib.intake.still import ORDER, PERSON, SECRETS  # noqa: E402
from Testing.lib.volume.dicom_series import write_slice  # noqa: E402

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "Resources" / "Guide" / "In-the-hospital.md"
PATIENCE_S = 240


@pytest.fixture
def commands() -> list[str]:
    """The guide's five; the test is skipped where dcmtk is not installed."""
    for program in ("storescp", "storescu"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}: apt-get install dcmtk")
    (lines,) = (block for block in re.findall(r"```sh\n(.*?)```", GUIDE.read_text(), re.DOTALL) if "storescp" in block)
    return lines.splitlines()


@pytest.fixture
def run(tmp_path):
    """Runs a line of shell in a folder of its own, one that ends in & beside the others; those are ended by the test's
    end at the latest."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "carotid-landmark").write_text(f'#!/bin/sh\nexec {sys.executable} -m CarotidLandmarkLib "$@"\n')
    (programs / "carotid-landmark").chmod(0o755)
    env = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "HOME": "/nowhere"}
    beside = []

    def run(line):
        told = {"cwd": tmp_path, "env": env, "text": True}
        if line.endswith("&"):
            beside.append(subprocess.Popen(["bash", "-c", f"exec {line[:-1]}"], **told, stderr=subprocess.PIPE))
            return beside[-1]
        done = subprocess.run(["bash", "-c", line], **told, capture_output=True, timeout=PATIENCE_S)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    yield run
    for process in beside:
        process.kill()
        process.communicate()


def free_port() -> str:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return str(server.getsockname()[1])


def wait_for(condition) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, "nothing came"
        time.sleep(0.1)


def listens(port: str) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", int(port))) == 0


def write_phantom(folder: Path) -> None:
    """The package's phantom as a CT series of an invented person."""
    folder.mkdir()
    volume = read_volume(VOLUME)
    axes, (x, y, _) = volume.grid.direction, volume.grid.spacing
    shape = {"Columns": volume.grid.size[0], "Rows": volume.grid.size[1], "PixelSpacing": [y, x]}
    for k, image in enumerate(volume.array):
        place = volume.grid.index_to_world(np.array([0, 0, k]))
        tags = {**PERSON, **ORDER, **shape, "SeriesInstanceUID": "1.2.826.5", "StudyInstanceUID": "1.2.826.4"}
        orientation = [*axes[:, 0], *axes[:, 1]]
        write_slice(folder / f"{k:03}.dcm", place, orientation, number=k + 1, image=image, **tags)


def test_a_series_that_is_received_is_answered_and_its_report_arrives(commands, run, tmp_path):
    make, receive, watch, send, tell = commands
    received, archive = free_port(), free_port()
    write_phantom(tmp_path / "scanner")
    run(make)
    run(receive.replace("11112", received))
    (tmp_path / "archive").mkdir()
    run(f"storescp --output-directory archive {archive} &")
    wait_for(lambda: listens(received) and listens(archive))
    run(f"storescu +sd 127.0.0.1 {received} scanner")
    watching = run(watch.replace("OUT", "OUT --quiet-for 1 --every 0.2 --samples 1 --no-fork"))
    wait_for(lambda: list((tmp_path / "OUT").glob("*.sr.dcm")) or watching.poll() is not None)
    watching.send_signal(signal.SIGTERM)
    said = watching.communicate(timeout=PATIENCE_S)[1]
    assert watching.returncode == 0, said
    run(send.replace("pacs.example 104", f"127.0.0.1 {archive}"))
    (arrived,) = (tmp_path / "archive").iterdir()
    report, truth = read_report(arrived), read_points(POINTS).points
    for side, point in report.points.items():
        assert np.linalg.norm(point.position - truth[side]) < 2.5
    header = pydicom.dcmread(arrived)
    assert header.PatientName == PERSON["PatientName"] and header.StudyInstanceUID == "1.2.826.4"
    assert len(list((tmp_path / "OUT").glob("*.sr.dcm.done"))) == 1
    assert run(tell).endswith(": done\n")
    told = [file.read_text() for file in (tmp_path / "OUT" / ".watch").rglob("*") if file.is_file()]
    assert not [secret for secret in (*SECRETS, "1.2.826") for text in [*told, said] if secret in text]
