"""Reports as others read them: highdicom, pydicom alone, Slicer's plugin, and three validators."""

from __future__ import annotations

import io
import sys
from dataclasses import replace

import numpy as np
import pytest

from CarotidLandmarkLib.errors import BadInputError, CannotRunError
from CarotidLandmarkLib.exchange import dicom_sr
from CarotidLandmarkLib.exchange.dicom_source import read_source
from CarotidLandmarkLib.exchange.dicom_sr import make_report
from CarotidLandmarkLib.landmarks.reading import Reading
from Testing.lib.exchange.reports import (
    FRAME,
    KINDS,
    KOREAN,
    complaints,
    detected,
    highdicom,
    make_source,
    pydicom,
    template_complaints,
)

from pydicom.sr.codedict import codes  # isort: skip (without it all of this is skipped)
from Testing.lib.volume.test_dicom_faults import store  # isort: skip

MOVED = np.array([3.125, 30.0, -21.0])


@pytest.fixture
def write(tmp_path):
    """write(kind, right, readings): a report about a detection in a series of KINDS; returns its file and these."""

    def write(kind="plain", right="review", readings=None):
        volume = make_source(tmp_path, kind)
        detection, file = detected(volume, right), tmp_path / "case.sr.dcm"
        file.write_bytes(make_report(detection, read_source(volume.files), readings, "AB"))
        return file, detection, volume

    return write


def planar_groups(report):
    """As Slicer's plugin for TID 1500 asks for points."""
    kinds = {"graphic_type": highdicom.sr.GraphicTypeValues3D.POINT, "reference_type": codes.DCM.ImageRegion}
    return report.content.get_planar_roi_measurement_groups(**kinds)


def measured(group):
    """Code to value and unit."""
    return {found.name.value: (found.value, found.unit.value) for found in group.get_measurements()}


def items(dataset, kind):
    """All content items of a value type, at any depth."""
    for item in dataset.get("ContentSequence", ()):
        yield from [item] * (item.ValueType == kind)
        yield from items(item, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_others_read_the_points_where_they_are(write, kind):
    file, detection, volume = write(kind)
    groups = {group.tracking_identifier: group for group in planar_groups(highdicom.sr.srread(file))}
    plain = pydicom.dcmread(file)
    points = [item for item in items(plain, "SCOORD3D") if item.GraphicType == "POINT"]
    for label, side, code, point in zip("LR", ("left", "right"), ("7771000", "24028007"), points):
        at = detection.landmark(side).position_lps_mm
        assert np.abs(groups[label].roi.value[0] - at).max() < 1e-3
        assert np.abs(np.array(point.GraphicData) - at).max() < 1e-3
        assert groups[label].roi.frame_of_reference_uid == point.ReferencedFrameOfReferenceUID == FRAME
        (site,) = groups[label].finding_sites
        assert (site.value.value, site.value.scheme_designator) == ("80272002", "SCT")
        assert (site.laterality.value, site.laterality.scheme_designator) == (code, "SCT")
    of = {pydicom.dcmread(name, stop_before_pixels=True).SOPInstanceUID for name in volume.files}
    (study,) = plain.CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    assert (study.StudyInstanceUID, series.SeriesInstanceUID) == (plain.StudyInstanceUID, "1.2.3") == ("1.2", "1.2.3")
    assert {image.ReferencedSOPInstanceUID for image in series.ReferencedSOPSequence} == of
    assert len(of) == (1 if kind == "enhanced" else 12)
    assert complaints("dsrdump", file) == [] and complaints("dciodvfy", file) == []


@pytest.mark.parametrize("stored", [b"7", b"1\\2", b"-9001", b"A12", b"3.0", b"", b"2147483647"])
def test_what_is_no_series_number_is_no_reason_to_write_no_report(tmp_path, stored):
    volume = make_source(tmp_path)
    for file in volume.files:
        store(file, "SeriesNumber", stored)
    report = pydicom.dcmread(io.BytesIO(make_report(detected(volume), read_source(volume.files))))
    assert report.SeriesNumber == (9007 if stored == b"7" else 9000)


def test_the_plugin_of_slicer_finds_all_that_it_shows(write):
    report = highdicom.sr.srread(write()[0])
    assert report.SeriesNumber == 9004 and report.SeriesDescription == "Carotid bifurcations, detected"
    assert len(report.SeriesDate) == 8 and len(report.SeriesTime) == 6, "it parses both as one"
    everything = report.content.get_planar_roi_measurement_groups()
    assert {group.reference_type for group in everything} == {codes.DCM.ImageRegion}
    columns = []
    for group in planar_groups(report):
        assert group.finding_type.CodeMeaning == "Carotid bifurcation"
        found = highdicom.sr.utils.find_content_items(group[0], relationship_type="CONTAINS", value_type="CODE")
        columns.append([(item.name.CodeMeaning, bool(item.value.CodeMeaning)) for item in found])
    assert len(columns) == 2 and columns[0] == columns[1], "its table has the columns of the first point"


def test_the_region_holds_the_point_and_has_its_radii(write):
    file, detection, _ = write()
    group = highdicom.sr.srread(file).content.get_volumetric_roi_measurement_groups()[0]
    landmark = detection.landmark("left")
    (surface,) = items(group[0], "SCOORD3D")
    ends = np.reshape(surface.GraphicData, (3, 2, 3))
    assert group.tracking_identifier == "L 90 %" and surface.GraphicType == "ELLIPSOID"
    assert np.abs(ends.mean(axis=1) - landmark.position_lps_mm).max() < 1e-4
    lengths = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1) / 2
    assert lengths == pytest.approx(landmark.confidence_radii_mm, abs=1e-4)
    told = measured(group)
    assert told["radius_1"] == (pytest.approx(landmark.confidence_radii_mm[0], abs=1e-5), "mm")
    assert told["118565006"] == (pytest.approx(landmark.confidence_volume_mm3, abs=1e-3), "mm3")


def test_measures_and_the_algorithm_are_told_with_units(write):
    group = planar_groups(highdicom.sr.srread(write()[0]))[1]
    told = measured(group)
    assert told.pop("presence") == (pytest.approx(97.0), "%")
    units = {"bulb": "mm", "area_ratio": "1", "angle": "deg", "nascet": "%", "calcium": "mm3"}
    assert {name: unit for name, (_, unit) in told.items()} == units
    assert told["bulb"][0] == pytest.approx(8.1234, abs=1e-3)
    texts = {item.TextValue for item in items(group[0], "TEXT")}
    weights = f'weights_sha256="{"1" * 64}"'
    assert {"default", "0.6.0", weights, "The region's largest radius is 5.1 mm: look twice."} <= texts


def test_no_path_goes_into_a_report(tmp_path):
    volume = make_source(tmp_path)
    detection = detected(volume)
    told = replace(detection, settings={**detection.settings, "structures": "/home/mueller/Roe^Jane"})
    assert b"mueller" not in make_report(told, read_source(volume.files))
    assert "structures" in told.settings


def test_an_absent_landmark_is_a_statement_without_a_region(write):
    report = highdicom.sr.srread(write(right="absent")[0])
    assert [group.tracking_identifier for group in planar_groups(report)] == ["L"]
    (group,) = report.content.get_image_measurement_groups()
    told = {evaluation.name.value: evaluation.value.value for evaluation in group.get_qualitative_evaluations()}
    assert group.tracking_identifier == "R" and told["121052"] == "272519000" and told["status"] == "absent"
    assert group.finding_sites[0].laterality.value == "24028007"
    assert measured(group) == {"presence": (pytest.approx(4.0), "%")}


def test_a_correction_is_the_readers(write):
    readings = {"left": Reading("moved", MOVED), "right": Reading("missing")}
    file, detection, _ = write(readings=readings)
    report = highdicom.sr.srread(file)
    (group,) = planar_groups(report)
    assert group.tracking_identifier == "L" and group.roi.value[0] == pytest.approx(MOVED)
    assert [measurement.name.value for measurement in group.get_measurements()] == []
    assert report.content.get_volumetric_roi_measurement_groups() == []
    (absent,) = report.content.get_image_measurement_groups()
    assert absent.tracking_identifier == "R" and absent.get_measurements() == []
    people = report.content.get_observer_contexts(observer_type=codes.DCM.Person)
    assert [str(person.observer_identifying_attributes.name) for person in people] == ["AB^"]
    assert report.SeriesDescription == "Carotid bifurcations, corrected" and report.VerificationFlag == "UNVERIFIED"


def test_nothing_is_said_of_a_side_that_nobody_reviewed(write):
    file, detection, _ = write(right="absent")
    readings = {"left": Reading("accepted", detection.landmark("left").position_lps_mm), "right": Reading("unreviewed")}
    file.write_bytes(make_report(detection, read_source(detection.files), readings, "AB"))
    report = highdicom.sr.srread(file)
    assert [group.tracking_identifier for group in planar_groups(report)] == ["L"]
    assert report.content.get_image_measurement_groups() == []
    assert len(report.content.get_volumetric_roi_measurement_groups()) == 1


@pytest.mark.parametrize("kind", ["detection", "correction"])
def test_the_templates_are_kept(write, kind):
    readings = {"left": Reading("moved", MOVED), "right": Reading("missing")} if kind == "correction" else None
    file, _, _ = write("no birth date", "absent" if kind == "detection" else "review", readings)
    assert template_complaints(file) == []


def test_whose_it_is_comes_from_the_series(write):
    report = pydicom.dcmread(write("other letters")[0])
    assert str(report.PatientName) == KOREAN and report.SpecificCharacterSet == "ISO_IR 192"
    assert (report.StudyDate, report.StudyID) == ("20190704", "7")


def test_what_cannot_be_a_value_is_left_empty(write, capfd):
    report = pydicom.dcmread(write("bad values")[0])
    assert (report.PatientBirthDate, report.StudyTime, report.PatientSex) == ("", "", "")
    assert report.PatientName == "Doe, J."
    assert capfd.readouterr() == ("", "")


def test_the_method_of_an_anonymised_series_is_not_left_empty(write):
    report = pydicom.dcmread(write("anonymised")[0])
    assert report.PatientIdentityRemoved == "YES" and report.DeidentificationMethod == "not told by the source"


def test_the_same_landmark_is_tracked_by_the_same_uid(write):
    file, detection, _ = write()
    corrected = {"left": Reading("moved", MOVED)}
    again = make_report(detection, read_source(detection.files), corrected, "AB")
    first = {group.tracking_identifier: group.tracking_uid for group in planar_groups(highdicom.sr.srread(file))}
    (second,) = planar_groups(highdicom.sr.Comprehensive3DSR.from_dataset(pydicom.dcmread(io.BytesIO(again))))
    assert second.tracking_uid == first["L"] != first["R"]


@pytest.mark.parametrize(
    ("tag", "value"), [("FrameOfReferenceUID", ""), ("StudyInstanceUID", "1.9"), ("SOPInstanceUID", "")]
)
def test_a_series_that_a_report_cannot_refer_to_is_refused_in_words(tmp_path, tag, value):
    files = make_source(tmp_path).files
    spoiled = pydicom.dcmread(files[3])
    spoiled[tag].value = value
    spoiled.save_as(files[3])
    with pytest.raises(BadInputError, match=tag):
        read_source(files)


def test_a_series_with_a_damaged_header_is_refused_in_words(tmp_path):
    files = make_source(tmp_path).files
    with open(files[2], "r+b") as file:
        file.truncate(300)
    with pytest.raises(BadInputError, match="damaged|has no"):
        read_source(files)


def test_a_volume_of_no_series_has_no_report():
    with pytest.raises(BadInputError, match="no DICOM series"):
        read_source([])


def test_without_highdicom_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "highdicom.sr", None)
    with pytest.raises(CannotRunError, match=r"carotid-landmark\[dicom\]"):
        dicom_sr.require_highdicom()
