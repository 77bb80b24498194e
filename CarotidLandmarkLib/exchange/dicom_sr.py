"""A detection, or what a reader made of it, as a DICOM structured report beside the CT.

A Comprehensive 3D SR with the template TID 1500 (PS3.16), made by highdicom. For each landmark with a position:

    a planar group, TID 1410: Tracking Identifier L or R, Finding and Finding Site the carotid bifurcation with its
        laterality, Image Region a SCOORD3D POINT, whether it is there, its status, what the lumen shows, how
        probable the landmark is, and what was measured at the fork;
    a volumetric group, TID 1411: Volume Surface a SCOORD3D ELLIPSOID, which holds the landmark with the confidence
        that was asked for (TID 1410 has room for one region), its radii and volume. A point that a reader placed has
        none.

A landmark that is absent, or missing to the reader, is a group without a region, TID 1501, whose property is Absent. Of
a side that the reader has not reviewed nothing is said.
Sources: PS3.3 A.35.13 and C.18.9, and what the TID 1500 plugins of Slicer and QuantitativeReporting look for.
"""

from __future__ import annotations

import datetime
import io
import uuid
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..atomic import as_json
from ..detect.results import SR_DESCRIPTION
from ..landmarks.detection import Detection, LandmarkDetection
from ..landmarks.points import LABELS, SIDES
from ..landmarks.reading import UNREAD, Reading
from . import dicom_codes as codes
from .dicom_source import Source, missing, quiet

if TYPE_CHECKING:
    from highdicom.sr import AlgorithmIdentification, Measurement

CORRECTED = "Carotid bifurcations, corrected"
SERIES_NUMBER = 9000  # above those of scanners; the CT's own number is added
LONGEST_TEXT = 1024  # letters that every archive takes
_ROOT = uuid.UUID("6f0f34c4-2f35-5d0c-9a1e-0f6e5c1d7b52")


def require_highdicom() -> None:
    """Raise CannotRunError where reports cannot be written."""
    try:
        import highdicom.sr  # noqa: F401
    except ImportError as error:
        raise missing(error) from error


def make_report(
    detection: Detection, source: Source, readings: Mapping[str, Reading] | None = None, reader: str = ""
) -> bytes:
    """The file of a report about ``detection`` in the CT ``source``, unverified.

    ``readings``: side to what the reader with the initials ``reader`` decided, of whom then the report is. Raises
    CannotRunError where highdicom is not installed, ValueError where readings review nothing.
    """
    require_highdicom()
    with quiet():
        return _Report(detection, source, readings, reader).to_bytes()


def derived_uid(*parts: str) -> str:
    """The UID that always stands for these texts (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid5(_ROOT, '/'.join(parts)).int}"


class _Report:
    def __init__(
        self, detection: Detection, source: Source, readings: Mapping[str, Reading] | None, reader: str
    ) -> None:
        self.detection, self.source, self.readings, self.reader = detection, source, readings, reader

    def to_bytes(self) -> bytes:
        from highdicom import UID
        from highdicom.coding_schemes import CodingSchemeIdentificationItem
        from highdicom.sr import Comprehensive3DSR, MeasurementReport
        from pydicom import dcmwrite

        now = datetime.datetime.now().replace(microsecond=0)
        corrected = self.readings is not None
        content = MeasurementReport(
            self._context(), _code(codes.CT), [group for side in SIDES for group in self._groups(side)]
        )
        report = Comprehensive3DSR(
            evidence=self.source.images,
            content=content[0],
            series_instance_uid=UID(),
            series_number=SERIES_NUMBER + self.source.series_number,
            sop_instance_uid=UID(),
            instance_number=1,
            manufacturer=codes.DEVICE,
            manufacturer_model_name=codes.DEVICE,
            software_versions=__version__,
            device_serial_number=str(self.detection.model.get("sha256") or "none")[:64],
            series_description=CORRECTED if corrected else SR_DESCRIPTION,
            series_date=now.date(),
            series_time=now.time(),
            content_date=now.date(),
            content_time=now.time(),
            is_complete=True,
            is_final=corrected,
            specific_character_set="ISO_IR 192",
            coding_schemes=[CodingSchemeIdentificationItem(codes.SCHEME, codes.SCHEME_NAME)],
        )
        file = io.BytesIO()
        dcmwrite(file, report, enforce_file_format=True)
        return file.getvalue()

    def _context(self) -> Any:
        from highdicom.sr import (
            DeviceObserverIdentifyingAttributes,
            ObservationContext,
            ObserverContext,
            PersonObserverIdentifyingAttributes,
        )
        from pydicom.sr.codedict import codes as dictionary

        model = self.detection.model
        device = DeviceObserverIdentifyingAttributes(
            uid=derived_uid("device", *map(str, model.values())),
            name=codes.DEVICE,
            manufacturer_name=codes.DEVICE,
            model_name=" ".join(str(model[key]) for key in ("name", "version") if model.get(key)) or None,
        )
        person = None
        if self.readings is not None:
            name = PersonObserverIdentifyingAttributes(name=f"{self.reader}^")
            person = ObserverContext(dictionary.DCM.Person, name)
        return ObservationContext(person, ObserverContext(dictionary.DCM.Device, device))

    def _groups(self, side: str) -> Iterator[Any]:
        """What is said of a side, in one or two groups, or in none."""
        from highdicom import sr

        landmark = self.detection.landmark(side)
        status, position = landmark.status, landmark.position_lps_mm
        if self.readings is not None:
            reading = self.readings.get(side, UNREAD)
            if reading.decision == "unreviewed":
                return
            status, position = reading.decision, reading.position_lps_mm
        detected = status not in ("moved", "missing")  # else it is the reader's alone
        told = {codes.PRESENCE: codes.ABSENT if position is None else codes.PRESENT}
        told[codes.STATUS] = codes.STATUSES[status]
        told[codes.LUMEN] = codes.CHECKS[landmark.fork.check if landmark.fork and detected else "unasked"]
        of: dict[str, Any] = {
            "finding_type": _code(codes.BIFURCATION),
            "finding_sites": [sr.FindingSite(_code(codes.BIFURCATION), laterality=_code(codes.LATERALITY[side]))],
            "algorithm_id": self._algorithm() if detected else None,
        }
        said: dict[str, Any] = {
            "qualitative_evaluations": [sr.QualitativeEvaluation(*map(_code, pair)) for pair in told.items()],
            "measurements": _measurements(landmark, position is not None) if detected else [],
        }
        if position is None:
            group: Any = sr.MeasurementsAndQualitativeEvaluations(self._tracking(side), **of, **said)
        else:
            point = sr.ImageRegion3D("POINT", position[None], self.source.frame_of_reference)
            group = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
                self._tracking(side), referenced_region=point, **of, **said
            )
        yield _with_comments(group, landmark.reasons if detected else [])
        if position is not None and detected and landmark.confidence_radii_mm is not None:
            yield self._region(landmark, {**of, "finding_type": _code(codes.REGION)})

    def _region(self, landmark: LandmarkDetection, of: dict[str, Any]) -> Any:
        from highdicom import sr

        radii, axes, at = landmark.confidence_radii_mm, landmark.confidence_axes_lps, landmark.position_lps_mm
        assert radii is not None and axes is not None and at is not None
        ends = np.stack([at - radii[:, None] * axes, at + radii[:, None] * axes], axis=1)  # (axis, end, xyz)
        surface = sr.VolumeSurface(
            "ELLIPSOID",
            ends.reshape(6, 3),
            self.source.frame_of_reference,
            source_series=sr.SourceSeriesForSegmentation(self.source.series),
        )
        sizes = [_measurement(name, radius, "mm", 6) for name, radius in zip(codes.RADII, radii)]
        if landmark.confidence_volume_mm3 is not None:
            sizes.append(_measurement(codes.VOLUME, landmark.confidence_volume_mm3, "mm3"))
        share = f"{100 * self.detection.settings.get('confidence', 0.9):g} %"
        return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
            self._tracking(landmark.side, share), referenced_volume_surface=surface, measurements=sizes, **of
        )

    def _tracking(self, side: str, what: str = "") -> Any:
        """L or R; its UID stands for this landmark of this CT in every report about it."""
        from highdicom.sr import TrackingIdentifier

        uid = derived_uid("landmark", self.source.series, side, what)
        return TrackingIdentifier(uid, f"{LABELS[side]} {what}".strip())

    def _algorithm(self) -> AlgorithmIdentification:
        from highdicom.sr import AlgorithmIdentification

        model, settings = self.detection.model, dict(self.detection.settings)
        settings.pop("structures", None)  # a path, and who knows of whom
        made_by = self.detection.software
        software = made_by and f"{codes.DEVICE} {made_by.get('version')}"
        parameters = {codes.MADE_BY: software, codes.WEIGHTS: model.get("sha256"), **settings}
        texts = [f"{name}={as_json(value)}"[:LONGEST_TEXT] for name, value in parameters.items()]
        name, version = (str(model.get(key) or "unknown")[:LONGEST_TEXT] for key in ("name", "version"))
        return AlgorithmIdentification(name, version, texts)


def _measurements(landmark: LandmarkDetection, found: bool) -> list[Measurement]:
    """How probable it is that the landmark is there and, where it was found, what was measured at its fork."""
    known = landmark.fork.measures if landmark.fork is not None and found else {}
    values = [(name, known[name]) for name in codes.MEASURES if name in known]
    return [
        _measurement(codes.PROBABILITY, 100 * landmark.presence, "%"),
        *(_measurement(codes.MEASURES[name], of.value, of.unit) for name, of in values if of.value is not None),
    ]


def _measurement(name: codes.Concept, value: float, unit: str, digits: int = 4) -> Measurement:
    from highdicom.sr import Measurement

    return Measurement(_code(name), round(float(value), digits), _code(codes.UNITS[unit]))


def _with_comments(group: Any, comments: list[str]) -> Any:
    from highdicom.sr import RelationshipTypeValues, TextContentItem

    for comment in comments:
        text = TextContentItem(_code(codes.COMMENT), comment[:LONGEST_TEXT], RelationshipTypeValues.CONTAINS)
        group[0].ContentSequence.append(text)
    return group


def _code(concept: codes.Concept) -> Any:
    from highdicom.sr import CodedConcept

    return CodedConcept(concept.value, concept.scheme, concept.meaning)
