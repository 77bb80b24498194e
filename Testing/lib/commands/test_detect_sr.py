from __future__ import annotations

import sys

import numpy as np
import pytest

from CarotidLandmarkLib.landmarks.detection import read_detection


@pytest.fixture
def neck_series(tmp_path, make_neck):
    """The neck as a DICOM series."""
    dicom_series = pytest.importorskip("Testing.lib.volume.dicom_series")
    neck, folder = make_neck(), tmp_path / "series"
    folder.mkdir()
    shape = {"Columns": neck.grid.size[0], "Rows": neck.grid.size[1], "FrameOfReferenceUID": "1.2.4"}
    shape["PixelSpacing"] = [neck.grid.spacing[1], neck.grid.spacing[0]]
    for k, image in enumerate(neck.array):
        place = neck.grid.index_to_world(np.array([0, 0, k]))
        dicom_series.write_slice(folder / f"{k:03d}.dcm", place, number=k + 1, image=image, **shape)
    return folder


def test_a_dicom_sr_of_each_series_is_written_where_it_is_wanted(detect, cases, neck_series, balls, tmp_path, capsys):
    pytest.importorskip("highdicom", reason="needs highdicom, of the extra [dicom]")
    from CarotidLandmarkLib.exchange.dicom_sr_reading import read_report

    assert detect(neck_series, cases / "a.nrrd", "--sr") == 2
    said = capsys.readouterr()
    assert "a.nrrd is no DICOM series" in said.err and "series.sr.dcm" in said.out
    assert not list((tmp_path / "out").glob("a.*")), "it was not searched first"
    report = read_report(tmp_path / "out" / "series.sr.dcm")
    for side, point in report.points.items():
        assert np.linalg.norm(point.position - balls[side]) < 0.3
    written = read_detection(tmp_path / "out" / "series.detection.json").landmark("left")
    assert report.detection.landmark("left").covariance_mm2 == pytest.approx(written.covariance_mm2, abs=1e-4)


def test_a_report_that_detect_did_not_write_is_not_replaced(detect, neck_series, tmp_path, capsys):
    pytest.importorskip("highdicom", reason="needs highdicom, of the extra [dicom]")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "series.sr.dcm").write_bytes(b"of a reader")
    assert detect(neck_series, "--sr") == 2
    assert "series.sr.dcm exists and is no report of detect" in capsys.readouterr().err
    assert (tmp_path / "out" / "series.sr.dcm").read_bytes() == b"of a reader"


def test_without_highdicom_nothing_is_begun(detect, cases, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "highdicom.sr", None)
    assert detect(cases, "--sr") == 3
    assert "carotid-landmark[dicom]" in capsys.readouterr().err and not (tmp_path / "out").exists()
