"""Reports read back: ours whole, others' points, and what is no report."""

from __future__ import annotations

import numpy as np
import pytest

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.exchange.dicom_source import read_source
from CarotidLandmarkLib.exchange.dicom_sr import make_report
from CarotidLandmarkLib.exchange.dicom_sr_reading import find_reports, read_report
from CarotidLandmarkLib.landmarks.reading import Reading
from CarotidLandmarkLib.study.cases import read_cases
from CarotidLandmarkLib.study.report.methods import read_detections
from Testing.lib.exchange.reports import FRAME, detected, make_source, pydicom

from pydicom.dataset import Dataset, FileMetaDataset  # isort: skip (without it all of this is skipped)
from pydicom.uid import Comprehensive3DSRStorage, ExplicitVRLittleEndian, generate_uid  # isort: skip

REGION = ("111030", "DCM")
MOVED = np.array([13.125, 30.0, -21.0])


@pytest.fixture
def volume(tmp_path):
    return make_source(tmp_path / "case")


@pytest.fixture
def save(tmp_path, volume):
    """save(name, right, readings): writes a report about the volume to ``case``/name; returns file and detection."""

    def save(name="ct.sr.dcm", right="review", readings=None):
        detection, file = detected(volume, right), tmp_path / "case" / name
        file.write_bytes(make_report(detection, read_source(volume.files), readings, "AB"))
        return file, detection

    return save


def code(value, scheme):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, value
    return [item]


def content(kind, name, relation="CONTAINS", children=(), **values):
    item = Dataset()
    item.ValueType, item.RelationshipType, item.ConceptNameCodeSequence = kind, relation, code(*name)
    for key, value in values.items():
        setattr(item, key, value)
    if children:
        item.ContentSequence = list(children)
    return item


def point(at, tracking="", laterality=None, site="T-45160", kind="POINT"):
    """A measurement group of somebody else's, in the codes of before 2019."""
    side = [content("CODE", ("G-C171", "SRT"), "HAS CONCEPT MOD", ConceptCodeSequence=code(laterality, "SRT"))]
    return content(
        "CONTAINER",
        ("125007", "DCM"),
        children=[
            content("TEXT", ("112039", "DCM"), "HAS OBS CONTEXT", TextValue=tracking),
            content(
                "CODE",
                ("G-C0E3", "SRT"),
                "HAS CONCEPT MOD",
                side if laterality else (),
                ConceptCodeSequence=code(site, "SRT"),
            ),
            content("SCOORD3D", REGION, GraphicType=kind, GraphicData=at, ReferencedFrameOfReferenceUID="1.2.4"),
        ],
    )


def theirs(path, *groups):
    report = Dataset()
    report.file_meta = FileMetaDataset()
    report.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    report.SOPClassUID, report.SOPInstanceUID, report.Modality = Comprehensive3DSRStorage, generate_uid(), "SR"
    report.StudyInstanceUID = report.SeriesInstanceUID = generate_uid()
    report.ContentSequence = [content("CONTAINER", ("126010", "DCM"), children=groups)]
    report.save_as(path, enforce_file_format=True)
    return path


def test_ours_comes_back_with_statuses_and_covariances(save):
    file, detection = save(right="review")
    report = read_report(file)
    assert report.reader == "" and report.series == ("1.2.3",)
    for told, landmark in zip(report.detection.landmarks, detection.landmarks):
        assert (told.side, told.status, told.reasons) == (landmark.side, landmark.status, landmark.reasons)
        assert told.presence == pytest.approx(landmark.presence, abs=1e-6)
        assert told.position_lps_mm == pytest.approx(landmark.position_lps_mm, abs=1e-4)
        assert told.covariance_mm2 == pytest.approx(landmark.covariance_mm2, abs=1e-4)
        assert told.confidence_radii_mm == pytest.approx(landmark.confidence_radii_mm, abs=1e-5)
    assert (report.detection.model, report.detection.settings) == (detection.model, detection.settings)
    assert report.detection.case == "ct" and report.detection.software == detection.software


def test_ours_comes_back_with_an_absent_side(save):
    landmark = read_report(save(right="absent")[0]).detection.landmark("right")
    assert landmark.status == "absent" and landmark.position_lps_mm is None and landmark.presence == pytest.approx(0.04)
    assert landmark.reasons == ["Nothing like a bifurcation was found."]


def test_a_correction_comes_back_with_its_reader_and_only_with_what_was_reviewed(save):
    report = read_report(save(readings={"left": Reading("moved", MOVED), "right": Reading("unreviewed")})[0])
    assert report.reader == "AB" and report.detection is None and list(report.points) == ["left"]
    assert report.points["left"].position == pytest.approx(MOVED) and report.points["left"].description == "moved"
    missing = read_report(save(readings={"left": Reading("moved", MOVED), "right": Reading("missing")})[0])
    assert missing.points["right"] == (None, "missing")


def test_points_of_others_by_older_codes_or_by_their_labels(tmp_path):
    groups = point([1, 2, 3], "1", "G-A101"), point([4, 5, 6], "Right carotid"), point([7, 8, 9], "node 3")
    report = read_report(theirs(tmp_path / "theirs.dcm", *groups, point([0, 0, 0], "left", site="T-B6000")))
    assert {side: of.position.tolist() for side, of in report.points.items()} == {"left": [1, 2, 3], "right": [4, 5, 6]}
    assert report.detection is None and report.reader == ""


@pytest.mark.parametrize(
    ("groups", "sentence"),
    [
        ([point([1, 2, 3], "R", "G-A101")], "both sides"),
        ([point([1, 2, 3], "L"), point([4, 5, 6], "left")], "more than one left"),
        ([point([1, 2, 3], "A")], "no point in space"),
        ([point([1, 2, 3, 4, 5, 6], "L", kind="POLYLINE")], "no point in space"),
        ([point([1, 2], "L")], "damaged"),
        ([], "no point in space"),
    ],
)
def test_reports_that_name_no_point_are_refused_in_words(tmp_path, groups, sentence):
    path = theirs(tmp_path / "theirs.dcm", *groups)
    with pytest.raises(BadInputError, match=sentence) as refused:
        read_report(path)
    assert str(path) in str(refused.value)


def test_what_is_no_report_is_refused_in_words(tmp_path, volume, save):
    file, _ = save()
    whole = file.read_bytes()
    damaged = {"text": b"no DICOM", "empty": b"", "cut": whole[:200]}
    damaged |= {f"cut {part}": whole[: len(whole) * part // 16] for part in range(3, 16)}
    for name, data in damaged.items():
        (tmp_path / name).write_bytes(data)
    for path in (*(tmp_path / name for name in damaged), volume.files[0], tmp_path, tmp_path / "none"):
        with pytest.raises(BadInputError, match="give a DICOM SR"):
            read_report(path)


def test_a_data_set_takes_its_points_from_a_readers_report_beside_or_in_the_series(tmp_path, volume, save):
    for place in ("ct.sr.dcm", "ct/IM0007"):
        file, _ = save(place, readings={"left": Reading("moved", MOVED), "right": Reading("missing")})
        (case,) = read_cases(tmp_path / "case")
        assert case.points["left"] == pytest.approx(MOVED) and case.points["right"] is None
        assert case.unreviewed == () and case.series == "1.2.3"
        file.unlink()


def test_of_several_reports_in_a_series_the_readers_newest_is_the_truth(tmp_path, volume, save, capsys):
    save("ct/IM1", readings={"left": Reading("missing"), "right": Reading("moved", -MOVED)})
    newer, _ = save("ct/IM2", readings={"left": Reading("moved", MOVED), "right": Reading("missing")})
    dated = pydicom.dcmread(newer)
    dated.ContentDate = "20990101"
    dated.save_as(newer)
    save("ct/IM3")
    assert [report.path.name for report in find_reports(tmp_path / "case" / "ct")][0] == "IM2"
    (case,) = read_cases(tmp_path / "case")
    assert case.points["left"] == pytest.approx(MOVED)


def test_a_report_of_another_place_of_the_body_in_the_series_is_no_truth_and_in_nobodys_way(tmp_path, volume, save):
    save("ct/IM1", readings={"left": Reading("moved", MOVED), "right": Reading("missing")})
    thyroid, lungs = (point([1, 2, 3], name, "G-A101", site="T-B6000") for name in ("thyroid", "lungs"))
    del lungs.ContentSequence[2]  # no point
    lungs.ContentSequence.append(point([1, 2, 3], laterality="G-A100").ContentSequence[1])
    others = [thyroid], [thyroid, point([4, 5, 6], "another", "G-A101", site="T-B6000")], [lungs], [thyroid, lungs]
    for number, groups in enumerate(others):
        theirs(tmp_path / "case" / "ct" / f"IM_{number}", *groups)
    (case,) = read_cases(tmp_path / "case")
    assert case.points["left"] == pytest.approx(MOVED) and case.points["right"] is None and case.unreviewed == ()
    with pytest.raises(BadInputError, match="no point in space"):
        read_report(theirs(tmp_path / "lungs", lungs))


def finding(at, tracking, meaning):
    group = point(at, tracking)
    told = code("1", "99X")
    told[0].CodeMeaning = meaning
    group.ContentSequence[1] = content("CODE", ("121071", "DCM"), ConceptCodeSequence=told)
    return group


@pytest.mark.parametrize("meaning", ["Landmark", "Center", "Carotid artery", "Anatomical Structure"])
def test_a_report_that_says_no_place_is_the_truth_of_the_series_that_it_lies_in(tmp_path, volume, meaning):
    groups = [finding(list(map(float, MOVED + [0, 0, dz])), side, meaning) for side, dz in (("L", 0.0), ("R", 1.0))]
    theirs(tmp_path / "case" / "ct" / "IM1", *groups)
    (report,) = find_reports(tmp_path / "case")
    assert report.points["left"].position == pytest.approx(MOVED) and not report.elsewhere


@pytest.mark.parametrize("meaning", ["Nodule", "Internal carotid artery"])
def test_a_series_whose_reports_are_all_about_other_places_names_one(tmp_path, volume, meaning):
    file = theirs(tmp_path / "case" / "ct" / "IM1", finding([1, 2, 3], "L", meaning))
    with pytest.raises(BadInputError, match=f"those of {file} are not said to be at a carotid bifurcation"):
        read_cases(tmp_path / "case")


def test_points_in_another_frame_of_reference_are_no_truth(tmp_path, volume, save):
    file, _ = save("ct/IM1", readings={"left": Reading("moved", MOVED), "right": Reading("missing")})
    data = file.read_bytes()
    assert data.count(FRAME.encode()) > 0
    file.write_bytes(data.replace(FRAME.encode(), FRAME[:-1].encode() + b"9"))
    with pytest.raises(BadInputError, match="another frame of reference"):
        read_cases(tmp_path / "case")


def test_what_detect_reported_is_no_truth(tmp_path, volume, save):
    save()
    with pytest.raises(BadInputError, match="what detect found, which is no truth"):
        read_cases(tmp_path / "case")


def test_a_report_stands_in_for_a_detection_that_is_measured(tmp_path, volume, save):
    save("ct/IM7", readings={"left": Reading("moved", MOVED), "right": Reading("missing")})
    (case,) = read_cases(tmp_path / "case")
    file, detection = save("ct.sr.dcm")
    detections, failed = read_detections(tmp_path / "case", {case.name: case})
    assert failed == {} and detections["ct"].landmark("left").status == "found"
    save("ct.sr.dcm", readings={"left": Reading("moved", MOVED)})
    assert "no report of what CarotidLandmark detected" in read_detections(tmp_path / "case", {"ct": case})[1]["ct"]
