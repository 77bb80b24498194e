"""A detector that looks at nothing, series to give it, and `carotid-landmark` with it as a program of its own:

    python -m Testing.lib.intake.still watch IN OUT …

STILL_SECONDS in the environment: how long it thinks. STILL_SIGNALS: the numbers of signals that come to it meanwhile.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from CarotidLandmarkLib.cli import main
from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.landmarks.detection import Detection, LandmarkDetection, ellipsoid

PERSON = {"PatientName": "Quixote^Dulcinea", "PatientID": "MRN-0815-4711", "PatientBirthDate": "19380203"}
ORDER = {"AccessionNumber": "ACC998877", "StudyDate": "20190704", "StudyID": "7", "FrameOfReferenceUID": "1.2.4.77"}
SECRETS = ("Quixote", "Dulcinea", "MRN-0815", "19380203", "ACC998877", "20190704")
SLICES = 12


class StillDetector:
    """Both landmarks in the middle of every volume."""

    header = {"name": "still", "version": "1", "sha256": "2" * 64}
    backend = SimpleNamespace(device="cpu")

    def detect(self, volume, samples, confidence, seed, case, progress, cancelled, fork):
        time.sleep(float(os.environ.get("STILL_SECONDS", 0)))
        for number in os.environ.get("STILL_SIGNALS", "").split():
            os.kill(os.getpid(), int(number))
        at, spread = volume.grid.index_to_world((np.array(volume.grid.size) - 1) / 2), np.eye(3)
        both = [
            LandmarkDetection(side, "found", [], 0.9, at, spread, *ellipsoid(spread, confidence))
            for side in ("left", "right")
        ]
        told = {"path": volume.path, "sha256": volume.sha256, "series_uid": volume.series_uid}
        settings = {"samples": samples, "confidence": confidence, "seed": seed, "fork": fork}
        return Detection(case, told, dict(self.header), settings, both, {"total": 0.0}, files=volume.files)


def use_still_detector(monkeypatch) -> None:
    monkeypatch.setattr(Detector, "from_weights", lambda *words: StillDetector())


def write_series(folder: Path, uid: str, slices: int = SLICES, first: int = 0, **tags) -> Path:
    """Axial slices of a CT series in ``folder``, from number ``first`` on, each with the UID of its place in it."""
    from Testing.lib.volume.dicom_series import stack, write_slice

    folder.mkdir(parents=True, exist_ok=True)
    places = stack(np.arange(first, slices) * 1.25)
    for number, place in enumerate(places, first + 1):
        told = {**PERSON, **ORDER, "SOPInstanceUID": f"{uid}.{number}", **tags}
        write_slice(folder / f"{uid}.{number}.dcm", place, number=number, series=uid, **told)
    return folder


def do_all(watch) -> list[str]:
    """Let a watch do all that there is; return the names of the series that were answered, or tried, in order."""
    while watch.step():
        pass
    return watch.seen


def results(tmp_path: Path) -> list[str]:
    """The names of the series of which there are results in ``out``."""
    return sorted(path.name.partition(".")[0] for path in (tmp_path / "out").glob("*.detection.json"))


if __name__ == "__main__":
    Detector.from_weights = classmethod(lambda *words: StillDetector())
    sys.exit(main())
