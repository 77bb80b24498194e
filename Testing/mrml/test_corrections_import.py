"""Points of a file as the reader's decisions."""

import os

import pytest

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.files import write_markups
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.worklist.cases import WorkCase, no_detection
from Testing.host.mrmlHost import slicer
from Testing.host.samples import LEFT_LPS, RIGHT_LPS, sampleDetection
from Testing.mrml.correctionsHelp import DRAGGED, TURNED, addTransform, decisions


def write_fcsv(path, landmarks):
    """As Slicer writes it: a status 2 is placed, 3 missing."""
    lines = ["# CoordinateSystem = LPS", "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID"]
    for label, point in zip("LR", landmarks.points.values()):
        x, y, z = (0.0, 0.0, 0.0) if point is None else point.tolist()
        lines.append(f"1,{x},{y},{z},0,0,0,1,1,1,0,{label},,,{3 if point is None else 2},0")
    path.write_text("\n".join(lines) + "\n")


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

    def testWhatWasLeftUndecidedWhereNothingWasDetectedIsNoDecision(
        self, exporter, landmarkScene, landmarks, volume, tmp_path
    ):
        bare = landmarkScene.applyDetection(volume, no_detection(WorkCase("bare", "key")).to_dict())
        landmarkScene.place(bare, "left", DRAGGED * [-1, -1, 1])
        assert slicer.util.saveNode(bare, str(tmp_path / "CT.mrk.json"))
        detected = landmarkScene.applyDetection(volume, sampleDetection())
        exporter.importCorrections(detected, str(tmp_path / "CT.mrk.json"))
        assert decisions(landmarkScene, detected) == {"left": "moved", "right": "unreviewed"}

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

    def testWhatNobodyDecidedAboutIsNoDecision(self, exporter, landmarkScene, landmarks, tmp_path):
        both = LandmarkSet({"left": DRAGGED, "right": RIGHT_LPS})
        write_markups(tmp_path / "a.mrk.json", both, {"left": "moved", "right": "unreviewed"})
        exporter.importCorrections(landmarks, str(tmp_path / "a.mrk.json"))
        assert decisions(landmarkScene, landmarks) == {"left": "moved", "right": "unreviewed"}
        write_markups(
            tmp_path / "a.mrk.json", both, {"left": "found, presence 0.98", "right": "review, presence 0.4: hm"}
        )
        with pytest.raises(BadInputError, match="nothing was decided"):
            exporter.importCorrections(landmarks, str(tmp_path / "a.mrk.json"))
        assert decisions(landmarkScene, landmarks) == {"left": "moved", "right": "unreviewed"}

    def testSwappedSidesAreRefused(self, exporter, landmarkScene, landmarks, tmp_path):
        write_markups(tmp_path / "a.mrk.json", LandmarkSet({"left": RIGHT_LPS, "right": LEFT_LPS}))
        with pytest.raises(BadInputError, match="sides swapped"):
            exporter.importCorrections(landmarks, str(tmp_path / "a.mrk.json"))
        assert decisions(landmarkScene, landmarks) == {"left": "unreviewed", "right": "unreviewed"}

    def testACorrectionOfOtherVoxelsSaysSo(self, exporter, landmarkScene, landmarks, volume, tmp_path):
        landmarkScene.accept(landmarks, "left")
        path = os.path.join(exporter.export(landmarks, str(tmp_path), "AB"), "correction.mrk.json")
        assert exporter.importCorrections(landmarks, path) == ""
        slicer.util.arrayFromVolume(volume)[0, 0, 0] += 1
        assert "other voxels" in exporter.importCorrections(landmarks, path)
        assert decisions(landmarkScene, landmarks)["left"] == "accepted"

    def testAFileThatIsNoneIsASentence(self, exporter, landmarks, tmp_path):
        (tmp_path / "a.mrk.json").write_text("{")
        with pytest.raises(BadInputError, match="a.mrk.json"):
            exporter.importCorrections(landmarks, str(tmp_path / "a.mrk.json"))
