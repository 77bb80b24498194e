"""What a report takes from the CT that it is about: whose it is, and which images they were."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import BadInputError, CannotRunError
from ..volume.folders import dicom_files
from ..volume.headers import CT_IMAGES, peek

if TYPE_CHECKING:
    from pydicom import Dataset

UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
TEXTS = ("PatientName", "PatientID", "StudyID", "AccessionNumber", "ReferringPhysicianName")  # type 2 of PS3.3
DATES = {"PatientBirthDate": r"\d{8}", "StudyDate": r"\d{8}", "StudyTime": r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?"}
REMOVED, METHOD, METHODS = "PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence"
OPTIONAL = ("IssuerOfPatientID", "PatientAge", "StudyDescription", REMOVED, METHOD, METHODS)
PLACE, NUMBER = "ImagePositionPatient", "SeriesNumber"
NEEDED = (*UIDS, *TEXTS, *DATES, *OPTIONAL, PLACE, NUMBER, "PatientSex", "SpecificCharacterSet")

NO_SERIES = "{path} is no DICOM series, and a DICOM SR is about one: give the folder of its files, or make no report."


class Source(NamedTuple):
    """A CT series. ``images``: a header for each file, all of one study, series and frame of reference, with every
    attribute of patient and study that a report must have, "" where the CT has none or none that can be.
    ``series_number`` is 0 where it has none that is one whole number from 0 on."""

    images: list[Dataset]
    series: str
    frame_of_reference: str
    series_number: int


def read_source(files: Iterable[str]) -> Source:
    """What the CT images in these files say.

    Raises BadInputError where there are none, one cannot be read, lacks an identifier or is of another series, and
    CannotRunError where pydicom is not installed.
    """
    try:
        import pydicom
    except ImportError as error:
        raise missing(error) from error
    images = []
    for file in files:
        with quiet():
            try:
                header = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=list(NEEDED))
                images.append(_cleaned(header))
            except Exception as error:  # of a damaged file pydicom raises whatever its parts do
                raise BadInputError(f"'{file}' has a damaged DICOM header: export the series again.") from error
        if lacking := [name for name in UIDS if not images[-1].get(name)]:
            raise BadInputError(f"'{file}' has no {lacking[0]}, which a DICOM SR refers to: export the series again.")
        for name in UIDS[2:]:
            if images[-1][name].value != images[0][name].value:
                raise BadInputError(f"'{file}' has another {name} than its series: a DICOM SR is about one series.")
    if not images:
        raise BadInputError(NO_SERIES.format(path="This volume"))
    first = images[0]
    return Source(images, str(first.SeriesInstanceUID), str(first.FrameOfReferenceUID), int(first[NUMBER].value))


def frames_of_reference(folder: Path, series: str | None) -> set[str]:
    """UIDs of those of the CT images in ``folder``, of this series alone unless it is None.

    Raises BadInputError and CannotRunError as read_source, for damaged headers.
    """
    frames: dict[str, str] = {}  # by series: one image says it of all
    for file in dicom_files(folder):
        told = peek(file)
        if told["class"] in CT_IMAGES and told["series"] not in frames and series in (None, told["series"]):
            frames[told["series"]] = read_source([str(file)]).frame_of_reference
    return set(frames.values())


def missing(error: ImportError) -> CannotRunError:
    """The sentence for a package of the extra that cannot be imported."""
    return CannotRunError(
        f"DICOM SR needs highdicom and pydicom ({error}): pip install 'carotid-landmark[dicom]', or in the Python "
        "console of Slicer slicer.util.pip_install('highdicom')."
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Without what pydicom and highdicom say on stderr of values that are not as the standard wants them."""
    loggers = [logging.getLogger(name) for name in ("pydicom", "highdicom")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
            yield
        finally:
            for logger, level in zip(loggers, levels):
                logger.setLevel(level)


def _cleaned(header: Dataset) -> Dataset:
    """The header with what a report needs of it, decoded, and nothing else."""
    from pydicom import Dataset

    out = Dataset()
    for name in (*UIDS, *TEXTS, *OPTIONAL, PLACE):
        if header.get(name):
            setattr(out, name, header[name].value if name not in TEXTS else str(header[name].value))
    for name in TEXTS:
        setattr(out, name, out.get(name, ""))
    for name, pattern in DATES.items():
        value = str(header.get(name) or "")
        setattr(out, name, value if re.fullmatch(pattern, value) else "")
    number = header.get_item(NUMBER)  # as stored: pydicom raises an error for what is no number
    stored = (number and number.value or b"").strip(b" \0")
    out.SeriesNumber = int(stored) if re.fullmatch(rb"\d{1,9}", stored) else 0
    sex = str(header.get("PatientSex") or "")
    out.PatientSex = sex if sex in ("M", "F", "O") else ""
    if out.get(REMOVED) == "YES" and not (out.get(METHOD) or out.get(METHODS)):
        out.DeidentificationMethod = "not told by the source"
    return out
