"""DICOM series as sources of reports, detections in them, and the validators that the machine has."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom", minversion="3.0", reason="needs pydicom 3, of the extra [dicom]")
highdicom = pytest.importorskip("highdicom", reason="needs highdicom, of the extra [dicom]")

from CarotidLandmarkLib.landmarks.detection import Detection, LandmarkDetection, ellipsoid  # noqa: E402
from CarotidLandmarkLib.landmarks.forks import ForkResult, Measure  # noqa: E402
from CarotidLandmarkLib.volume.ct import CTVolume  # noqa: E402
from CarotidLandmarkLib.volume.read import read_volume  # noqa: E402
from Testing.lib.volume.dicom_series import AXIAL, OBLIQUE, stack, write_series  # noqa: E402
from Testing.lib.volume.test_dicom_enhanced import write_enhanced  # noqa: E402

FRAME, SLICES = "1.2.4.77", 12
PERSON = {"PatientName": "Doe^Jane", "PatientID": "4711", "PatientBirthDate": "19560312", "PatientSex": "F"}
STUDY = {"StudyDate": "20190704", "StudyTime": "101112", "StudyID": "7", "AccessionNumber": "99", "SeriesNumber": 4}
KOREAN = "Hong^Gildong=洪^吉洞=홍^길동"
KINDS = {
    "plain": {**PERSON, **STUDY},
    "no birth date": {"PatientName": "Doe^Jane"},
    "anonymised": {"PatientName": "", "PatientID": "", "PatientIdentityRemoved": "YES", "DeidentificationMethod": ""},
    "oblique": {**PERSON, **STUDY},
    "enhanced": {**PERSON, **STUDY},
    "two series": {**PERSON, **STUDY},
    "other letters": {"SpecificCharacterSet": ["", "ISO 2022 IR 149"], "PatientName": KOREAN, **STUDY},
    "bad values": {"PatientBirthDate": "unknown", "StudyTime": "25h", "PatientSex": "female", "PatientName": "Doe, J."},
}
COVARIANCE = np.array([[1.2, 0.3, 0.1], [0.3, 0.8, 0.0], [0.1, 0.0, 2.5]])
PLACES = {"left": (35.25, 12.5, 5.125), "right": (4.75, 13.0, 6.875)}  # index; 30 mm apart


def make_source(folder: Path, kind: str = "plain") -> CTVolume:
    """A series of KINDS in ``folder``/ct, read."""
    series = folder / "ct"
    folder.mkdir(exist_ok=True)
    tags = {"FrameOfReferenceUID": FRAME, **KINDS[kind]}
    orientation = OBLIQUE if kind == "oblique" else AXIAL
    positions = stack(np.arange(SLICES) * 1.25, orientation)
    if kind == "enhanced":
        write_enhanced(series / "ct.dcm", positions)
        file = pydicom.dcmread(series / "ct.dcm")
        file.update(tags)
        file.save_as(series / "ct.dcm")
    else:
        write_series(series, positions, orientation, **tags)
    if kind == "two series":
        write_series(series, positions[::2], orientation, series="1.2.9", **tags)
    return read_volume(series, "1.2.3")


def detected(volume: CTVolume, right: str = "review") -> Detection:
    """The left landmark found, the right one with the status ``right``."""
    landmarks = [_landmark(side, status, volume) for side, status in (("left", "found"), ("right", right))]
    return Detection(
        case="case",
        volume={"path": volume.path, "sha256": volume.sha256, "series_uid": volume.series_uid},
        model={"name": "default", "version": "0.6.0", "sha256": "1" * 64},
        settings={"samples": 50, "confidence": 0.9, "device": "cpu", "seed": 0, "fork": True},
        landmarks=landmarks,
        files=volume.files,
        software={"name": "carotid-landmark", "version": "0.6.1"},
    )


def _landmark(side: str, status: str, volume: CTVolume) -> LandmarkDetection:
    if status == "absent":
        return LandmarkDetection(side, "absent", ["Nothing like a bifurcation was found."], 0.04)
    told = {"bulb_mm": Measure(8.12345, 0.3, "mm"), "area_ratio": Measure(1.1), "nascet_percent": Measure(12, 3, "%")}
    told |= {"angle_deg": Measure(40.0, 2.0, "deg"), "calcium_mm3": Measure(0.0, 0.0, "mm3")}
    told |= {"internal_20_mm": Measure(None, reason="Too short.")} if side == "right" else {}
    fork = ForkResult("verified" if status == "found" else "unclear", measures=told)
    reasons = ["The region's largest radius is 5.1 mm: look twice."] if status == "review" else []
    at = volume.grid.index_to_world(np.array(PLACES[side]))
    return LandmarkDetection(side, status, reasons, 0.97, at, COVARIANCE, *ellipsoid(COVARIANCE, 0.9), fork=fork)


def complaints(program: str, file: Path) -> list[str]:
    """The errors that dcmtk's or dicom3tools' program finds in a file; the test is skipped where it is missing."""
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}: apt-get install {'dcmtk' if program == 'dsrdump' else 'dicom3tools'}")
    done = subprocess.run([program, str(file)], capture_output=True, text=True, check=False, timeout=120)
    said = (done.stdout + done.stderr).splitlines()
    assert done.returncode == 0 and len(said) > 3, said
    return [line for line in said if line.startswith(("E:", "F:", "Error"))]


def template_complaints(file: Path) -> list[str]:
    """The errors that PixelMed's DicomSRValidator finds in a file, which knows the templates."""
    libraries = [
        Path("/usr/share/java", f"{name}.jar")
        for name in ("pixelmed", "slf4j-api", "slf4j-nop", "commons-codec", "vecmath", "jaxb-api")
    ]
    if shutil.which("java") is None or not libraries[0].is_file():
        pytest.skip("needs PixelMed: apt-get install libpixelmed-java default-jre-headless")
    limits = [f"-Djdk.xml.xpath{limit}Limit=0" for limit in ("TotalOp", "ExprOp", "ExprGrp")]
    fast = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    words = ["java", *fast, *limits, "-cp", ":".join(map(str, libraries)), "com.pixelmed.validate.DicomSRValidator"]
    done = subprocess.run([*words, str(file)], capture_output=True, text=True, check=False, timeout=300)
    said = (done.stdout + done.stderr).splitlines()
    assert "Root Template Validation Complete" in said and "IOD validation complete" in said, said
    return [line for line in said if line.startswith("Error")]
