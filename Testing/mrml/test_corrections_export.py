import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from CarotidLandmarkLib.errors import BadInputError, CannotRunError
from CarotidLandmarkLib.landmarks.corrections import read_correction
from CarotidLandmarkLib.landmarks.files import write_fcsv, write_markups
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.volume.read import read_volume
from Testing.host.mrmlHost import slicer
from Testing.host.pythonQt import installQtHost
from Testing.host.samples import LEFT_LPS, RIGHT_LPS, addCtVolume, sampleDetection

DRAGGED = LEFT_LPS + [1.0, 2.0, 2.0]
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


@pytest.fixture
def exporter(landmarkScene):
    installQtHost()
    from CarotidLandmarkSlicer.correctionsExport import CorrectionsExporter

    return CorrectionsExporter(landmarkScene)


@pytest.fixture
def reviewed(landmarkScene, landmarks):
    """The landmark node with the left point moved by 3 mm and the right one accepted."""
    landmarkScene.place(landmarks, "left", DRAGGED * [-1, -1, 1])
    landmarkScene.accept(landmarks, "right")
    return landmarks


def decisions(landmarkScene, node):
    return {side: review.decision for side, review in landmarkScene.reviews(node).items()}


def readDataset(folder):
    pytest.importorskip("torch", reason="torch is not installed")
    from CarotidLandmarkLib.train.datasets import read_dataset

    return read_dataset(folder)


def allText(folder):
    """Names and contents of everything below a folder, its own path left out."""
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    assert files
    return "\n".join(f"{path.relative_to(folder)}\n{path.read_bytes().decode('latin-1')}" for path in files)


def addTransform(volume, matrix):
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    volume.SetAndObserveTransformNodeID(transform.GetID())
    return transform


TURNED = np.array([[0.0, -1.1, 0.0, 40.0], [0.9, 0.0, 0.1, -25.0], [0.0, 0.0, 1.2, 7.0], [0, 0, 0, 1]])


def testExportedCorrectionsAreTrainedOnAsTheyStand(exporter, reviewed, volume, tmp_path):
    path = exporter.export(reviewed, str(tmp_path), "AB")
    (sample,) = readDataset(tmp_path)
    assert sample.points["left"] == pytest.approx(DRAGGED, abs=0.01)
    assert sample.points["right"] == pytest.approx(RIGHT_LPS, abs=0.01)
    stored = json.loads((Path(path) / "correction.json").read_text())
    assert [(m["side"], m["status"], m["decision"]) for m in stored["landmarks"]] == [
        ("left", "found", "moved"),
        ("right", "review", "accepted"),
    ]
    assert [m["displacement_mm"] for m in stored["landmarks"]] == pytest.approx([3.0, 0.0])
    assert stored["reader"] == "AB" and stored["model"]["name"] == "default"
    copy = read_volume(sample.volume)
    assert np.array_equal(copy.array, slicer.util.arrayFromVolume(volume))
    assert copy.grid.origin == pytest.approx([-60, -60, 0]) and copy.grid.spacing == pytest.approx([2, 2, 2])


def testBothPointFilesOpenInSlicer(exporter, reviewed, tmp_path):
    path = Path(exporter.export(reviewed, str(tmp_path), "AB"))
    for name, left in (("prediction", LEFT_LPS), ("correction", DRAGGED)):
        node = slicer.util.loadMarkups(str(path / f"{name}.mrk.json"))
        assert [node.GetNthControlPointLabel(i) for i in range(2)] == ["L", "R"]
        assert node.GetNthControlPointPosition(0) == pytest.approx(left * [-1, -1, 1])


def testEveryExportIsANewRevision(exporter, landmarkScene, reviewed, tmp_path):
    first = Path(exporter.export(reviewed, str(tmp_path), "AB"))
    before = allText(first)
    landmarkScene.markMissing(reviewed, "right")
    second = Path(exporter.export(reviewed, str(tmp_path), "CD"))
    assert (first.name, second.name, first.parent) == ("r001", "r002", second.parent)
    assert allText(first) == before
    assert not (second / "volume.nrrd").exists()
    assert read_correction(second).volume_path == first / "volume.nrrd"
    (sample,) = readDataset(tmp_path)
    assert sample.points["right"] is None
    assert exporter.countCases(str(tmp_path)) == 1


def testTheParentTransformOfTheVolumeIsNotInTheFiles(exporter, landmarkScene, volume, tmp_path):
    addTransform(volume, TURNED)
    node = landmarkScene.applyDetection(volume, sampleDetection())
    world = (TURNED @ [*(DRAGGED * [-1, -1, 1]), 1.0])[:3]
    landmarkScene.place(node, "left", world)
    landmarkScene.accept(node, "right")
    exporter.export(node, str(tmp_path), "AB")
    (sample,) = readDataset(tmp_path)
    assert sample.points["left"] == pytest.approx(DRAGGED, abs=0.01)
    assert sample.points["right"] == pytest.approx(RIGHT_LPS, abs=0.01)
    assert read_volume(sample.volume).grid.origin == pytest.approx([-60, -60, 0])


def testPointsFitTheCopyOfAVolumeThatWasMovedSince(exporter, landmarkScene, reviewed, volume, tmp_path):
    shift = np.eye(4)
    shift[:3, 3] = [5.0, -6.0, 7.0]
    addTransform(volume, shift)
    volume.HardenTransform()
    correction = read_correction(exporter.export(reviewed, str(tmp_path), "AB"))
    shifted = np.array([-5.0, 6.0, 7.0])
    assert read_volume(correction.volume_path).grid.origin == pytest.approx(np.array([-60, -60, 0]) + shifted)
    assert correction.truth().points["left"] == pytest.approx(DRAGGED + shifted, abs=0.01)


class TestReference:
    @pytest.fixture
    def stored(self, tmp_path, volume):
        """The volume as the file holds it, loaded from there."""
        path = tmp_path / "scans" / "ct.nrrd"
        path.parent.mkdir()
        slicer.util.saveNode(volume, str(path))
        return slicer.util.loadVolume(str(path))

    def export(self, exporter, landmarkScene, volumeNode, folder, **options):
        node = landmarkScene.applyDetection(volumeNode, sampleDetection())
        landmarkScene.accept(node, "left")
        return read_correction(exporter.export(node, str(folder), "AB", **{"anonymise": False, **options}))

    def testAStoredVolumeIsReferredTo(self, exporter, landmarkScene, stored, tmp_path):
        correction = self.export(exporter, landmarkScene, stored, tmp_path / "out")
        assert correction.volume_path == tmp_path / "scans" / "ct.nrrd"
        assert correction.volume["sha256"] == read_volume(correction.volume_path).sha256
        assert correction.exported_at and not (correction.folder / "volume.nrrd").exists()
        (sample,) = readDataset(tmp_path / "out")
        assert sample.points["left"] == pytest.approx(LEFT_LPS, abs=0.01)
        assert sample.unreviewed == ("right",)

    def testACopyIsMadeOnRequest(self, exporter, landmarkScene, stored, tmp_path):
        correction = self.export(exporter, landmarkScene, stored, tmp_path / "out", copyVolume=True)
        assert correction.volume_path == correction.folder / "volume.nrrd"

    def testAVolumeThatItsFileNoLongerHoldsIsCopied(self, exporter, landmarkScene, stored, tmp_path):
        slicer.util.arrayFromVolume(stored)[0, 0, 0] += 1
        slicer.util.arrayFromVolumeModified(stored)
        correction = self.export(exporter, landmarkScene, stored, tmp_path / "out")
        copied = read_volume(correction.volume_path).array
        assert np.array_equal(copied, slicer.util.arrayFromVolume(stored))

    def testAVolumeWithoutALastingFileIsCopied(self, exporter, landmarkScene, stored, volume, tmp_path):
        correction = self.export(exporter, landmarkScene, volume, tmp_path / "never-saved")
        assert correction.volume_path.parent == correction.folder
        shutil.copy(tmp_path / "scans" / "ct.nrrd", Path(slicer.app.temporaryPath) / "extracted.nrrd")
        extracted = slicer.util.loadVolume(os.path.join(slicer.app.temporaryPath, "extracted.nrrd"))
        correction = self.export(exporter, landmarkScene, extracted, tmp_path / "temporary")
        assert correction.volume_path.parent == correction.folder
        (tmp_path / "scans" / "ct.nrrd").unlink()
        correction = self.export(exporter, landmarkScene, stored, tmp_path / "deleted")
        assert correction.volume_path.parent == correction.folder


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


class TestImport:
    def testPointsOfAFileBecomeDecisions(self, exporter, landmarkScene, landmarks, tmp_path):
        for write, name in ((write_markups, "a.mrk.json"), (write_fcsv, "a.fcsv")):
            write(tmp_path / name, LandmarkSet({"left": DRAGGED}))
            exporter.importCorrections(landmarks, str(tmp_path / name))
            assert decisions(landmarkScene, landmarks) == {"left": "moved", "right": "missing"}
            assert landmarkScene.reviews(landmarks)["left"].ras == pytest.approx(DRAGGED * [-1, -1, 1])
            write(tmp_path / name, LandmarkSet({"left": LEFT_LPS, "right": RIGHT_LPS}))
            exporter.importCorrections(landmarks, str(tmp_path / name))
            assert decisions(landmarkScene, landmarks) == {"left": "accepted", "right": "accepted"}

    def testASideThatTheFileDoesNotNameStaysAsItIs(self, exporter, landmarkScene, landmarks, tmp_path):
        write_fcsv(tmp_path / "a.fcsv", LandmarkSet({"left": DRAGGED}))
        lines = (tmp_path / "a.fcsv").read_text().splitlines()
        (tmp_path / "a.fcsv").write_text("\n".join(line for line in lines if ",R," not in line))
        exporter.importCorrections(landmarks, str(tmp_path / "a.fcsv"))
        assert decisions(landmarkScene, landmarks) == {"left": "moved", "right": "unreviewed"}

    def testAnExportComesBackWithItsDecisions(self, exporter, landmarkScene, landmarks, volume, tmp_path):
        landmarkScene.place(landmarks, "left", DRAGGED * [-1, -1, 1])
        folder = exporter.export(landmarks, str(tmp_path), "AB")
        landmarkScene.applyDetection(volume, sampleDetection())
        assert decisions(landmarkScene, landmarks) == {"left": "unreviewed", "right": "unreviewed"}
        exporter.importCorrections(landmarks, os.path.join(folder, "correction.mrk.json"))
        assert decisions(landmarkScene, landmarks) == {"left": "moved", "right": "unreviewed"}
        assert landmarkScene.reviews(landmarks)["left"].displacementMm == pytest.approx(3.0)

    def testUnderATransformThePointsFollowTheVolume(self, exporter, landmarkScene, landmarks, volume, tmp_path):
        write_markups(tmp_path / "a.mrk.json", LandmarkSet({"left": DRAGGED}))
        addTransform(volume, TURNED)
        exporter.importCorrections(landmarks, str(tmp_path / "a.mrk.json"))
        world = (TURNED @ [*(DRAGGED * [-1, -1, 1]), 1.0])[:3]
        assert landmarkScene.reviews(landmarks)["left"].ras == pytest.approx(world)

    def testPointsOfAnotherVolumeAreRefused(self, exporter, landmarkScene, landmarks, tmp_path):
        write_markups(tmp_path / "a.mrk.json", LandmarkSet({"left": DRAGGED, "right": RIGHT_LPS + [0, 0, 300]}))
        with pytest.raises(BadInputError, match="R of .*outside of this volume"):
            exporter.importCorrections(landmarks, str(tmp_path / "a.mrk.json"))
        assert decisions(landmarkScene, landmarks) == {"left": "unreviewed", "right": "unreviewed"}

    def testAFileThatIsNoneIsASentence(self, exporter, landmarks, tmp_path):
        (tmp_path / "a.mrk.json").write_text("{")
        with pytest.raises(BadInputError, match="a.mrk.json"):
            exporter.importCorrections(landmarks, str(tmp_path / "a.mrk.json"))


class TestFaults:
    def testAFolderThatCannotBeWrittenIsASentenceAndNothingIsLost(
        self, exporter, landmarkScene, reviewed, tmp_path, monkeypatch
    ):
        def refuse(*args, **kwargs):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "mkdir", refuse)
        with pytest.raises(CannotRunError, match="choose a folder"):
            exporter.export(reviewed, str(tmp_path / "read-only"), "AB")
        monkeypatch.undo()
        assert decisions(landmarkScene, reviewed) == {"left": "moved", "right": "accepted"}
        exporter.export(reviewed, str(tmp_path / "elsewhere"), "AB")

    def testNothingReviewedIsASentence(self, exporter, landmarks, tmp_path):
        with pytest.raises(BadInputError, match="Nothing was reviewed"):
            exporter.export(landmarks, str(tmp_path), "AB")
        assert list(tmp_path.iterdir()) == []

    def testMissingInitialsAreASentence(self, exporter, reviewed, tmp_path):
        with pytest.raises(BadInputError, match="initials"):
            exporter.export(reviewed, str(tmp_path), "")

    def testAVolumeThatIsGoneIsASentence(self, exporter, reviewed, volume, tmp_path):
        slicer.mrmlScene.RemoveNode(volume)
        with pytest.raises(BadInputError, match="no longer in the scene"):
            exporter.export(reviewed, str(tmp_path), "AB")

    def testWithoutADetectionThereIsNothingToExport(self, exporter, reviewed, tmp_path):
        reviewed.SetAttribute("CarotidLandmark.Detection", "{")
        with pytest.raises(BadInputError, match="detect again"):
            exporter.export(reviewed, str(tmp_path), "AB")


def testVolumesThatDifferInVoxelsOrPlaceAreDifferentCases(exporter, landmarkScene, tmp_path):
    volumes = [
        addCtVolume("one"),
        addCtVolume("same"),
        addCtVolume("moved", lps=(-60.0, -60.0, 1.0)),
        addCtVolume("lit"),
    ]
    slicer.util.arrayFromVolume(volumes[3])[0, 0, 0] += 1
    cases = []
    for volume in volumes:
        node = landmarkScene.applyDetection(volume, sampleDetection())
        landmarkScene.accept(node, "left")
        cases.append(Path(exporter.export(node, str(tmp_path), "AB")).parent.name)
    assert cases[0] == cases[1] and len(set(cases)) == 3
    assert exporter.countCases(str(tmp_path)) == 3
