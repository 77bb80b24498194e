"""Corrections of a CT that the application has from DICOM: what of the patient gets into an export."""

import os
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.corrections import read_correction
from CarotidLandmarkLib.landmarks.detection import Detection
from Testing.host.mrmlHost import slicer
from Testing.host.samples import sampleDetection
from Testing.mrml.correctionsHelp import DRAGGED, allText, decisions, readDataset

SECRETS = {
    "PatientName": "Roe^Jane Quarterly",
    "PatientID": "MRN-4711-0815",
    "PatientBirthDate": "19560312",
    "StudyDate": "20190704",
    "SeriesDate": "20190705",
    "ContentTime": "101112.131415",
    "AccessionNumber": "ACC99887766",
    "InstitutionName": "Mercy Hospital Springfield",
    "ReferringPhysicianName": "Hibbert^Julius",
    "SeriesDescription": "Neck CTA of Mrs Roe",
}
SERIES_UID = "1.2.840.113619.2.55.20190704.1956"


class TestDicom:
    @pytest.fixture
    def dicom(self, host, tmp_path):
        """A CT series that names its patient everywhere, as the application has it after an import."""
        folder = tmp_path / "Roe_Jane_19560312" / "20190704"
        writeSeries(folder)
        node = slicer.util.loadVolume(str(folder / "slice00.dcm"), properties={"name": "4: Neck CTA of Mrs Roe"})
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(host.scene)
        patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), SECRETS["PatientName"])
        hierarchy.SetItemAttribute(patient, "DICOM.PatientID", SECRETS["PatientID"])
        study = hierarchy.CreateStudyItem(patient, SECRETS["StudyDate"])
        series = hierarchy.CreateItem(study, node)
        uidName = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMUIDName()
        hierarchy.SetItemUID(series, uidName, SERIES_UID)
        node.SetAttribute("DICOM.instanceUIDs", " ".join(f"{SERIES_UID}.{i}" for i in range(40)))
        return node

    @pytest.fixture
    def reviewedDicom(self, landmarkScene, dicom):
        detection = sampleDetection()
        storage = dicom.GetStorageNode()
        detection["case"] = dicom.GetName()
        detection["volume"].update(path=storage.GetFileName(), series_uid=SERIES_UID)
        detection["warnings"] = [f"2 CT series in the folder: read '{SECRETS['SeriesDescription']}' ({SERIES_UID})."]
        detection["model"]["path"] = "/home/jane.roe/weights.safetensors"
        node = landmarkScene.applyDetection(dicom, detection)
        landmarkScene.place(node, "left", DRAGGED * [-1, -1, 1])
        landmarkScene.markMissing(node, "right")
        return node

    def testAnonymisedHoldsNothingOfThePatient(self, exporter, landmarkScene, reviewedDicom, dicom, tmp_path):
        for _ in range(2):
            exporter.export(reviewedDicom, str(tmp_path / "out"), "AB")
            landmarkScene.accept(reviewedDicom, "left")
        text = allText(tmp_path / "out")
        words = {part for value in SECRETS.values() for part in re.split(r"[\^ ]", value) if len(part) > 3}
        words |= {*SECRETS.values(), SERIES_UID, "Roe", "jane", dicom.GetName(), str(tmp_path)}
        assert [word for word in words if word.lower() in text.lower()] == []
        headers = "".join(path.read_text() for path in (tmp_path / "out").rglob("*.json"))
        assert not re.search(r"\b(19|20)\d\d-?[01]\d-?[0-3]\d\b", headers)
        (sample,) = readDataset(tmp_path / "out")
        assert sample.points["left"] == pytest.approx(DRAGGED, abs=0.01)

    def testTheSecretsAreThereToBeFound(self, exporter, reviewedDicom, tmp_path):
        exporter.export(reviewedDicom, str(tmp_path / "out"), "AB", anonymise=False)
        text = allText(tmp_path / "out")
        assert SERIES_UID in text and "Roe_Jane_19560312" in text

    def testNotAnonymisedRefersToTheSeries(self, exporter, reviewedDicom, tmp_path):
        shutil.copytree(tmp_path / "Roe_Jane_19560312", tmp_path / "copy")
        correction = read_correction(exporter.export(reviewedDicom, str(tmp_path / "out"), "AB", anonymise=False))
        assert correction.volume_path == tmp_path / "Roe_Jane_19560312" / "20190704"
        assert correction.series == SERIES_UID
        (sample,) = readDataset(tmp_path / "out")
        assert sample.series == SERIES_UID

    def testAReportGoesWithAnExportThatNamesThePatient(self, exporter, reviewedDicom, dicom, tmp_path):
        pytest.importorskip("highdicom", reason="highdicom is not installed")
        from CarotidLandmarkLib.exchange.dicom_sr_reading import read_report

        folder = exporter.export(reviewedDicom, str(tmp_path / "out"), "AB", anonymise=False, report=True)
        report = read_report(os.path.join(folder, "correction.sr.dcm"))
        assert report.reader == "AB" and report.series == (SERIES_UID,) and report.frame_of_reference == "1.2.4"
        assert report.points["left"].position == pytest.approx(DRAGGED, abs=1e-3)
        assert report.points["right"] == (None, "missing")
        folder = exporter.export(reviewedDicom, str(tmp_path / "hidden"), "AB", report=True)
        assert not os.path.exists(os.path.join(folder, "correction.sr.dcm"))

    def testAReportOfAnEnhancedImageNamesItAndHasThePoints(self, exporter, landmarkScene, tmp_path):
        pytest.importorskip("highdicom", reason="highdicom is not installed")
        from CarotidLandmarkLib.exchange.dicom_sr_reading import read_report
        from Testing.lib.exchange.reports import FRAME, detected, make_source

        ct = make_source(tmp_path / "source", "enhanced")
        detection = detected(ct).to_dict()
        volume = slicer.util.loadVolume(str(tmp_path / "source" / "ct" / "ct.dcm"))
        node = landmarkScene.applyDetection(volume, detection)
        landmarkScene.accept(node, "left")
        folder = exporter.export(node, str(tmp_path / "out"), "AB", anonymise=False, report=True)
        report = read_report(os.path.join(folder, "correction.sr.dcm"))
        assert report.series == (ct.series_uid,) and report.frame_of_reference == FRAME
        expected = detection["landmarks"][0]["position_lps_mm"]
        assert report.points["left"].position == pytest.approx(expected, abs=1e-3)

    def testThereIsNoReportOfAVolumeThatIsNotWhereItsFilesSay(self, exporter, reviewedDicom, dicom, volume, tmp_path):
        matrix = slicer.util.vtkMatrixFromArray(np.diag([-1.0, -1.0, 1.0, 1.0]))
        matrix.SetElement(0, 3, 0.5)
        dicom.ApplyTransformMatrix(matrix)
        with pytest.raises(BadInputError, match="does not lie where its DICOM files say"):
            exporter.export(reviewedDicom, str(tmp_path / "out"), "AB", anonymise=False, report=True)
        assert not list((tmp_path / "out").glob("*"))

    def testAReportComesBackAsDecisions(self, exporter, landmarkScene, reviewedDicom, dicom, tmp_path):
        pytest.importorskip("highdicom", reason="highdicom is not installed")
        folder = exporter.export(reviewedDicom, str(tmp_path / "out"), "AB", anonymise=False, report=True)
        path = os.path.join(folder, "correction.sr.dcm")
        for side in ("left", "right"):
            landmarkScene.restorePrediction(reviewedDicom, side)
        exporter.importCorrections(reviewedDicom, path)
        assert decisions(landmarkScene, reviewedDicom) == {"left": "moved", "right": "missing"}
        assert landmarkScene.reviews(reviewedDicom)["left"].lps == pytest.approx(DRAGGED, abs=1e-3)
        moved = Path(path).read_bytes().replace(b"1.2.4", b"1.2.5")
        Path(path).write_bytes(moved)
        with pytest.raises(BadInputError, match="another frame of reference"):
            exporter.importCorrections(reviewedDicom, path)

    @pytest.mark.parametrize("isInDatabase", [True, False])
    def testAReportOfAVolumeOfASavedScene(
        self, isInDatabase, exporter, landmarkScene, reviewedDicom, host, tmp_path, monkeypatch
    ):
        """The volume is stored in the scene then; only the application's database knows where the series is."""
        pytest.importorskip("highdicom", reason="highdicom is not installed")
        files = {f"{SERIES_UID}.{i}": str(tmp_path / f"Roe_Jane_19560312/20190704/slice{i:02d}.dcm") for i in range(40)}
        folder = exporter.export(reviewedDicom, str(tmp_path / "out"), "AB", anonymise=False, report=True)
        path = os.path.join(folder, "correction.sr.dcm")
        slicer.util.saveScene(str(tmp_path / "scene.mrb"))
        host.reset()
        slicer.util.loadScene(str(tmp_path / "scene.mrb"))
        (node,) = landmarkScene.landmarkNodes()
        if isInDatabase:
            monkeypatch.setattr(slicer, "dicomDatabase", SimpleNamespace(fileForInstance=files.get), raising=False)
            again = exporter.export(node, str(tmp_path / "out"), "AB", anonymise=False, report=True)
            assert os.path.exists(os.path.join(again, "correction.sr.dcm"))
            assert exporter.importCorrections(node, path) == ""
        else:
            assert "nothing tells whether the report is about it" in exporter.importCorrections(node, path)
        Path(path).write_bytes(Path(path).read_bytes().replace(b"1.2.4", b"1.2.5"))
        if isInDatabase:
            with pytest.raises(BadInputError, match="another frame of reference"):
                exporter.importCorrections(node, path)

    def testAReportOfTheEngineIsNoDecision(self, exporter, landmarkScene, reviewedDicom, dicom, tmp_path):
        pytest.importorskip("highdicom", reason="highdicom is not installed")
        from CarotidLandmarkLib.exchange.dicom_source import read_source
        from CarotidLandmarkLib.exchange.dicom_sr import make_report

        storage = dicom.GetStorageNode()
        files = [storage.GetNthFileName(number) for number in range(storage.GetNumberOfFileNames())]
        told = Detection.from_dict(landmarkScene.source(reviewedDicom)[1])
        (tmp_path / "a.sr.dcm").write_bytes(make_report(told, read_source(files)))
        for side in ("left", "right"):
            landmarkScene.restorePrediction(reviewedDicom, side)
        with pytest.raises(BadInputError, match="nothing was decided there"):
            exporter.importCorrections(reviewedDicom, str(tmp_path / "a.sr.dcm"))
        assert decisions(landmarkScene, reviewedDicom) == {"left": "unreviewed", "right": "unreviewed"}

    def testAReportIsNotTakenForAVolumeThatWasMoved(self, exporter, landmarkScene, reviewedDicom, dicom, tmp_path):
        pytest.importorskip("highdicom", reason="highdicom is not installed")
        folder = exporter.export(reviewedDicom, str(tmp_path / "out"), "AB", anonymise=False, report=True)
        for side in ("left", "right"):
            landmarkScene.restorePrediction(reviewedDicom, side)
        dicom.SetOrigin(*(np.array(dicom.GetOrigin()) + [0.0, 0.0, 8.0]))
        with pytest.raises(BadInputError, match="load the series as it is"):
            exporter.importCorrections(reviewedDicom, os.path.join(folder, "correction.sr.dcm"))
        assert decisions(landmarkScene, reviewedDicom) == {"left": "unreviewed", "right": "unreviewed"}

    def testThereIsNoReportOfAVolumeWithoutFiles(self, exporter, landmarkScene, landmarks, tmp_path):
        landmarkScene.accept(landmarks, "left")
        with pytest.raises(BadInputError, match="no DICOM series"):
            exporter.export(landmarks, str(tmp_path / "out"), "AB", anonymise=False, report=True)


def writeSeries(folder):
    pydicom = pytest.importorskip("pydicom", minversion="3.0", reason="pydicom 3 is not installed")
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(40):
        ds = pydicom.dataset.Dataset()
        ds.file_meta = pydicom.dataset.FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{SERIES_UID}.{number}"
        ds.SeriesInstanceUID, ds.StudyInstanceUID, ds.FrameOfReferenceUID = SERIES_UID, "1.2.3", "1.2.4"
        ds.Modality, ds.ImageType, ds.SeriesNumber = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"], 4
        for name, value in SECRETS.items():
            setattr(ds, name, value)
        ds.Columns, ds.Rows, ds.SamplesPerPixel, ds.PhotometricInterpretation = 60, 50, 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
        ds.ImagePositionPatient, ds.ImageOrientationPatient = [-60.0, -60.0, 2.0 * number], [1, 0, 0, 0, 1, 0]
        ds.PixelSpacing, ds.SliceThickness, ds.InstanceNumber = [2.0, 2.0], 2.0, number + 1
        ds.RescaleSlope, ds.RescaleIntercept = 1, 0
        pixels = rng.normal(40, 60, (50, 60)).astype("<i2")
        pixels[:5] = -1000
        ds.PixelData = pixels.tobytes()
        ds.save_as(folder / f"slice{number:02d}.dcm", enforce_file_format=True)
