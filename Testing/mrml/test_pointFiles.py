"""Slicer itself reads the points that the library writes."""

import numpy as np

from CarotidLandmarkLib.landmarks.fcsv import write_fcsv
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from Testing.host.mrmlHost import slicer


def test_a_written_fcsv_arrives_in_slicer(host, tmp_path):
    write_fcsv(tmp_path / "a.fcsv", LandmarkSet({"left": [10.5, -20, 30]}), {"left": 'a, "b"'})
    node = host.scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    storage = host.scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialStorageNode")
    storage.SetFileName(str(tmp_path / "a.fcsv"))
    assert storage.ReadData(node) == 1 and node.GetNumberOfControlPoints() == 2
    position = np.zeros(3)
    node.GetNthControlPointPosition(0, position)
    assert position.tolist() == [-10.5, 20, 30]
    assert (node.GetNthControlPointLabel(0), node.GetNthControlPointDescription(0)) == ("L", 'a, "b"')
    assert node.GetNthControlPointPositionStatus(1) == slicer.vtkMRMLMarkupsNode.PositionMissing
