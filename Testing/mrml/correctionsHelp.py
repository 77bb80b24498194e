"""What the tests of exported and imported corrections share."""

from pathlib import Path

import numpy as np

from Testing.host.mrmlHost import slicer
from Testing.host.samples import LEFT_LPS

DRAGGED = LEFT_LPS + [1.0, 2.0, 2.0]
TURNED = np.array([[0.0, -1.1, 0.0, 40.0], [0.9, 0.0, 0.1, -25.0], [0.0, 0.0, 1.2, 7.0], [0, 0, 0, 1]])


def decisions(landmarkScene, node):
    return {side: review.decision for side, review in landmarkScene.reviews(node).items()}


def readDataset(folder):
    from CarotidLandmarkLib.study.cases import read_cases

    return read_cases(folder)


def addTransform(volume, matrix):
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    volume.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def allText(folder):
    """Names and contents of everything below a folder, its own path left out."""
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    assert files
    return "\n".join(f"{path.relative_to(folder)}\n{path.read_bytes().decode('latin-1')}" for path in files)
