"""Points out of DICOM structured reports, ours and others', by pydicom alone.

A point is a measurement group (PS3.16, TID 1410 or like it) with one SCOORD3D POINT. Its side is the laterality of its
finding site, by SNOMED CT in either coding, or else what its tracking identifier says. A group without a region whose
property is absent says that there is none. Where a report has points of carotid bifurcations its others are left out.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import BadInputError
from ..landmarks.detection import ADDED, SOFTWARE, Detection, LandmarkDetection, chi2_quantile
from ..landmarks.files import NamedPoint
from ..landmarks.points import SIDES, as_position, side_of_label
from ..volume.folders import STORAGE, dicom_files
from ..volume.headers import is_dicom, peek
from . import dicom_codes as codes
from .dicom_source import missing, quiet

if TYPE_CHECKING:
    from pydicom import Dataset

SR = f"{STORAGE}88."
INSTEAD = "a DICOM SR with points in space (TID 1500, SCOORD3D)"
GROUP, TRACKING, SITE, FINDING, LATERALITY = (
    {("125007", "DCM")},
    {("112039", "DCM")},
    {("363698007", "SCT"), ("G-C0E3", "SRT")},
    {("121071", "DCM")},
    {("272741003", "SCT"), ("G-C171", "SRT")},
)
PERSON, ALGORITHM, VERSION, PARAMETERS = ((value, "DCM") for value in ("121008", "111001", "111003", "111002"))
BIFURCATION = {codes.BIFURCATION[:2], ("T-45160", "SRT")}
ANY_PLACE = re.compile(  # findings that tell of no other
    r"(?<!internal )(?<!external )(?<!common )carotid|landmark|structure|point|cent(er|re)", re.IGNORECASE
)
SIDE_OF = {("7771000", "SCT"): "left", ("G-A101", "SRT"): "left"}
SIDE_OF |= {("24028007", "SCT"): "right", ("G-A100", "SRT"): "right"}


class Report(NamedTuple):
    """What an SR says. ``points``: side to its point, described by a status or decision where the report is ours.
    ``reader``: the person who observed, "" where none did. ``series``: UIDs of those that it refers to.
    ``frame_of_reference``: UID of that of its points, "" where it has none. ``written``: when, to be compared.
    ``detection``: that which our report is about, without what was measured at the forks; None for all others.
    ``elsewhere``: whether points were left out that are said to be at another place of the body."""

    path: Path
    points: dict[str, NamedPoint]
    reader: str
    series: tuple[str, ...]
    frame_of_reference: str
    written: str
    detection: Detection | None
    elsewhere: bool


def is_report(path: str | os.PathLike[str]) -> bool:
    """Whether the file is a DICOM structured report."""
    return os.path.isfile(path) and is_dicom(Path(path)) and peek(Path(path))["class"].startswith(SR)


def find_reports(folder: str | os.PathLike[str]) -> list[Report]:
    """The reports in ``folder`` and below that have points, the newest first; less those that are said to be at another
    place of the body than a carotid bifurcation, since such a folder may hold reports about anything.

    Raises BadInputError for one that cannot be read or contradicts itself, and CannotRunError as read_report.
    """
    reports = [_load(path, anywhere=False) for path in dicom_files(Path(folder)) if is_report(path)]
    with_points = (report for report in reports if report.points or report.elsewhere)
    return sorted(with_points, key=lambda report: report.written, reverse=True)


def read_report(path: str | os.PathLike[str]) -> Report:
    """The landmarks in a structured report.

    Raises BadInputError for a file that is none, that has no point of a known side or two of one, and CannotRunError
    where pydicom is not installed.
    """
    report = _load(Path(path))
    if not report.points:
        raise BadInputError(f"{path} has no point in space of a left or right landmark; give {INSTEAD}.")
    return report


def _load(path: Path, anywhere: bool = True) -> Report:
    try:
        import pydicom
    except ImportError as error:
        raise missing(error) from error
    if not path.is_file():
        raise BadInputError(f"Cannot read {path} (no such file); give {INSTEAD}.")
    with quiet():
        try:
            return _read(path, pydicom.dcmread(path, force=True), anywhere)
        except BadInputError:
            raise
        except Exception as error:  # of a damaged file pydicom raises whatever its parts do
            raise BadInputError(f"{path} is cut off, damaged or no DICOM; give {INSTEAD}.") from error


def _read(path: Path, report: Dataset, anywhere: bool) -> Report:
    tags = report.keys()
    stored = [report.get_item(tag) for tag in tags]  # as they are in the file
    if any(isinstance(item.value, bytes) and len(item.value) < getattr(item, "length", 0) for item in stored):
        raise ValueError("the file ends in the middle of an element")
    if not str(report.get("SOPClassUID", "")).startswith(SR):
        raise BadInputError(f"{path} is no structured report; give {INSTEAD}.")
    groups = [_Group(item) for item in _walk(report) if _name(item) in GROUP]
    every = [group for group in groups if group.sides and (group.points or group.absent)]
    told = [of for of in every if of.bifurcation] or [of for of in every if anywhere or not of.elsewhere]
    by_side: dict[str, _Group] = {}
    for group in told:
        if len(group.sides) > 1:
            raise BadInputError(f"{path} has a point of both sides ({group.name or 'unnamed'}): one is wrong.")
        if group.side in by_side or len(group.points) > 1:
            raise BadInputError(f"{path} has more than one {group.side} point; leave one.")
        by_side[group.side] = group
    frames = {frame for group in told for _, frame in group.points}
    if len(frames) > 1:
        raise BadInputError(f"{path} has points in {len(frames)} frames of reference; give a report of one series.")
    points = {
        side: NamedPoint(group.points[0][0] if group.points else None, group.status) for side, group in by_side.items()
    }
    detected = report.get("Manufacturer") == codes.DEVICE and set(by_side) == set(SIDES)
    return Report(
        path,
        points,
        next((str(item.PersonName).rstrip("^") for item in _walk(report) if _name(item) == PERSON), ""),
        tuple(dict.fromkeys(_series(report))),
        next(iter(frames), ""),
        f"{report.get('ContentDate', '')}{report.get('ContentTime', '')}",
        _detection(path, report, by_side, groups) if detected else None,
        len(told) < len(every),
    )


class _Group:
    """What one measurement group says."""

    def __init__(self, group: Dataset) -> None:
        items = list(group.get("ContentSequence", ()))
        self.items = items
        sites, findings = ([item for item in items if _name(item) in names] for names in (SITE, FINDING))
        names = [_text(item) for item in items if _name(item) in TRACKING]
        lateral = [SIDE_OF.get(_answer(item)) for item in _laterality(items)]
        self.name = ", ".join(names)
        self.sides = {side for side in (*lateral, *map(side_of_label, names)) if side}
        self.side: str = next(iter(self.sides), "")
        self.bifurcation = any(_answer(item) in BIFURCATION for item in sites + findings)
        told = [item for item in findings if not ANY_PLACE.search(_meaning(item))] + sites
        self.elsewhere = not self.bifurcation and any(_answer(item) != ("", "") for item in told)
        self.points = [
            (as_position(item.GraphicData), str(item.ReferencedFrameOfReferenceUID))
            for item in items
            if item.get("ValueType") == "SCOORD3D" and item.GraphicType == "POINT"
        ]
        self.ellipsoids = [np.array(item.GraphicData, float).reshape(3, 2, 3) for item in items if _is_ellipsoid(item)]
        coded = {_name(item): _answer(item) for item in items}
        self.absent = not self.points and coded.get(codes.PRESENCE[:2]) == codes.ABSENT[:2]
        self.status = coded.get(codes.STATUS[:2], ("", ""))[0]
        self.numbers = {
            _name(item): float(item.MeasuredValueSequence[0].NumericValue)
            for item in items
            if item.get("ValueType") == "NUM" and item.get("MeasuredValueSequence")
        }


def _detection(path: Path, report: Dataset, by_side: dict[str, _Group], groups: list[_Group]) -> Detection | None:
    """The detection that our report is about; None where a reader has decided."""
    if any(group.status not in ("found", "review", "absent") for group in by_side.values()):
        return None
    texts = [(_name(item), _text(item)) for item in _walk(report) if item.get("ValueType") == "TEXT"]
    told = dict(texts)
    parameters = [text.partition("=") for name, text in texts if name == PARAMETERS]
    settings = {name: json.loads(value) for name, _, value in parameters}
    model = {"name": told[ALGORITHM], "version": told[VERSION], "sha256": settings.pop(codes.WEIGHTS)}
    made_by = settings.pop(codes.MADE_BY)
    landmarks = []
    for side in SIDES:
        group = by_side[side]
        region = next((other for other in groups if other.side == side and other.ellipsoids), None)
        reasons = [_text(item) for item in group.items if _name(item) == codes.COMMENT[:2]]
        presence = group.numbers[codes.PROBABILITY[:2]] / 100
        at = group.points[0][0] if group.points else None
        shape = _shape(region, settings["confidence"]) if region else {}
        landmarks.append(LandmarkDetection(side, group.status, reasons, presence, at, **{**ADDED, **shape}))
    volume = {**dict.fromkeys(("path", "sha256", "size", "spacing_mm")), "series_uid": next(_series(report), None)}
    software = {**SOFTWARE, "version": made_by.split()[-1]} if made_by else None
    return Detection(path.name.split(".sr.dcm")[0], volume, model, settings, landmarks, software=software)


def _shape(region: _Group, confidence: float) -> dict[str, Any]:
    """Covariance, radii, axes and volume of a confidence region; the radii are those of the measurements, since
    coordinates have 24 bits."""
    (ends,) = region.ellipsoids
    axes = ends[:, 1] - ends[:, 0]
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    radii = np.array([region.numbers[name[:2]] for name in codes.RADII])
    covariance = axes.T @ np.diag(radii**2 / chi2_quantile(confidence)) @ axes
    return {
        "covariance_mm2": covariance,
        "confidence_radii_mm": radii,
        "confidence_axes_lps": axes,
        "confidence_volume_mm3": region.numbers[codes.VOLUME[:2]],
    }


def _walk(item: Dataset) -> Iterator[Dataset]:
    for child in item.get("ContentSequence", ()):
        yield child
        yield from _walk(child)


def _laterality(items: list[Dataset]) -> Iterator[Dataset]:
    """The content items that say which side a group is about: of its site, or its own."""
    for item in items:
        if _name(item) in LATERALITY:
            yield item
        elif _name(item) in SITE | FINDING:
            yield from (one for one in _walk(item) if _name(one) in LATERALITY)


def _series(report: Dataset) -> Iterator[str]:
    for study in report.get("CurrentRequestedProcedureEvidenceSequence", ()):
        yield from (str(series.SeriesInstanceUID) for series in study.ReferencedSeriesSequence)


def _name(item: Dataset) -> tuple[str, str]:
    """Value and scheme of what a content item is called, empty where nothing says it."""
    return _code(item.get("ConceptNameCodeSequence"))


def _answer(item: Dataset) -> tuple[str, str]:
    """Those of the code that it holds."""
    return _code(item.get("ConceptCodeSequence"))


def _meaning(item: Dataset) -> str:
    sequence = item.get("ConceptCodeSequence")
    return str(sequence[0].get("CodeMeaning", "")) if sequence else ""


def _code(sequence: Any) -> tuple[str, str]:
    code = sequence[0] if sequence else {}
    return str(code.get("CodeValue", "")), str(code.get("CodingSchemeDesignator", ""))


def _text(item: Dataset) -> str:
    return str(item.get("TextValue", ""))


def _is_ellipsoid(item: Dataset) -> bool:
    return item.get("ValueType") == "SCOORD3D" and item.GraphicType == "ELLIPSOID" and len(item.GraphicData) == 18
