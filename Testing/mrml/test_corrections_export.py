import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from CarotidLandmarkLib.errors import BadInputError, CannotRunError
from CarotidLandmarkLib.landmarks.corrections import read_correction
from CarotidLandmarkLib.study.corrections.readings import read_all
from CarotidLandmarkLib.study.corrections.summary import summarise
from CarotidLandmarkLib.volume.read import read_volume
from Testing.host.mrmlHost import slicer
from Testing.host.samples import LEFT_LPS, RIGHT_LPS, addCtVolume, sampleDetection
from Testing.host.volumeChanges import imageOf
from Testing.mrml.correctionsHelp import DRAGGED, TURNED, addTransform, allText, decisions, readDataset


@pytest.fixture
def reviewed(landmarkScene, landmarks):
    """The landmark node with the left point moved by 3 mm and the right one accepted."""
    landmarkScene.place(landmarks, "left", DRAGGED * [-1, -1, 1])
    landmarkScene.accept(landmarks, "right")
    return landmarks


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


def testNothingIsWrongWithWhatIsExported(exporter, landmarkScene, volume, tmp_path):
    from CarotidLandmarkLib.study.corrections.check import check

    addTransform(volume, TURNED)
    node = landmarkScene.applyDetection(volume, sampleDetection())
    landmarkScene.accept(node, "left")
    exporter.export(node, str(tmp_path), "AB")
    landmarkScene.place(node, "left", (TURNED @ [*(DRAGGED * [-1, -1, 1]), 1.0])[:3])
    landmarkScene.markMissing(node, "right")
    exporter.export(node, str(tmp_path), "CD")
    assert check(tmp_path) == []
    one, two = read_all(tmp_path)
    assert summarise([one])["readers"]["AB"]["unchanged"] == 1 and summarise([two])["moved"]["n"] == 1


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

    def testAVolumeWithoutALastingFileIsCopied(self, exporter, landmarkScene, stored, tmp_path):
        correction = self.export(exporter, landmarkScene, addCtVolume(), tmp_path / "never-saved")
        assert correction.volume_path.parent == correction.folder
        shutil.copy(tmp_path / "scans" / "ct.nrrd", Path(slicer.app.temporaryPath) / "extracted.nrrd")
        extracted = slicer.util.loadVolume(os.path.join(slicer.app.temporaryPath, "extracted.nrrd"))
        correction = self.export(exporter, landmarkScene, extracted, tmp_path / "temporary")
        assert correction.volume_path.parent == correction.folder
        (tmp_path / "scans" / "ct.nrrd").unlink()
        correction = self.export(exporter, landmarkScene, stored, tmp_path / "deleted")
        assert correction.volume_path.parent == correction.folder


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


@pytest.mark.parametrize("under", ["no transform", "a transform"])
def testAPointOutsideOfTheVolumeIsSaidAndNotExported(under, exporter, landmarkScene, landmarks, volume, tmp_path):
    if under == "a transform":
        addTransform(volume, TURNED)
    landmarkScene.place(landmarks, "left", [500.0, 0.0, 0.0])
    reviews = landmarkScene.reviews(landmarks)
    assert "outside of the volume" in reviews["left"].problem and reviews["right"].problem == ""
    with pytest.raises(BadInputError, match="L: .*outside of the volume"):
        exporter.export(landmarks, str(tmp_path), "AB")
    assert list(tmp_path.iterdir()) == []
    landmarkScene.markMissing(landmarks, "left")
    assert landmarkScene.reviews(landmarks)["left"].problem == ""
    exporter.export(landmarks, str(tmp_path), "AB")


def testAPointThatNobodyDecidedAboutMayLieOutsideOfACroppedVolume(exporter, landmarkScene, landmarks, volume, tmp_path):
    landmarkScene.accept(landmarks, "right")
    volume.SetAndObserveImageData(imageOf(volume, (30, 50, 40)))
    assert "outside" in landmarkScene.reviews(landmarks)["left"].problem
    assert read_correction(exporter.export(landmarks, str(tmp_path), "AB")).unreviewed == ("left",)


def testSwappedSidesAreNotExported(exporter, landmarkScene, landmarks, tmp_path):
    left, right = (landmarkScene.reviews(landmarks)[side].ras for side in ("left", "right"))
    landmarkScene.place(landmarks, "left", right)
    exporter.export(landmarks, str(tmp_path / "one"), "AB")
    landmarkScene.place(landmarks, "right", left)
    with pytest.raises(BadInputError, match="are the sides swapped"):
        exporter.export(landmarks, str(tmp_path / "both"), "AB")
    assert not (tmp_path / "both").exists()
