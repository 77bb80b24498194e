"""The files of the vessels and of the seeds, as Slicer's markups read them."""

import numpy as np
import pytest
from CarotidLandmarkSlicer.coordinates import rasFromLps
from vtk.util.numpy_support import vtk_to_numpy

from CarotidLandmarkLib.landmarks.curves import COLORS, seeds, write_forks, write_seeds
from CarotidLandmarkLib.landmarks.forks import ForkResult
from Testing.host.forkSamples import CARINA_LPS, RADII, sampleVessels
from Testing.host.mrmlHost import slicer


@pytest.fixture
def forks():
    vessels = sampleVessels()
    mirrored = {name: line * [-1, 1, 1, 1] for name, line in vessels.items()}
    return {
        "left": ForkResult("verified", carina_lps_mm=CARINA_LPS, vessels=vessels, internal_probability=0.9),
        "right": ForkResult("unclear", ["Perhaps."], vessels=mirrored, internal_probability=0.8),
    }


def loaded(host, path, className):
    assert host.logics["Markups"].LoadMarkups(str(path))
    return slicer.util.getNodesByClass(className)


def test_every_vessel_arrives_with_its_name_and_radii(forks, host, tmp_path):
    write_forks(tmp_path / "case.fork.mrk.json", forks)
    curves = loaded(host, tmp_path / "case.fork.mrk.json", "vtkMRMLMarkupsCurveNode")
    assert [node.GetName() for node in curves] == ["L CCA", "L ICA", "L ECA", "R CCA", "R ICA", "R ECA"]
    lines = [(name, line) for fork in forks.values() for name, line in fork.vessels.items()]
    for node, (name, line) in zip(curves, lines):
        points = slicer.util.arrayFromMarkupsControlPoints(node, world=True)
        np.testing.assert_allclose(points, rasFromLps(line[:, :3]), atol=1e-6)
        radius = node.GetMeasurement("Radius")
        assert radius.GetEnabled() and radius.GetUnits() == "mm"
        np.testing.assert_allclose(vtk_to_numpy(radius.GetControlPointValues()), RADII[name])
        assert node.GetDisplayNode().GetSelectedColor() == pytest.approx(COLORS[name])
        assert not node.GetDisplayNode().GetPointLabelsVisibility()


def test_the_seeds_of_each_side_are_a_list_whose_start_is_not_selected(forks, host, tmp_path):
    write_seeds(tmp_path / "case.seeds.mrk.json", forks)
    lists = loaded(host, tmp_path / "case.seeds.mrk.json", "vtkMRMLMarkupsFiducialNode")
    assert [node.GetName() for node in lists] == ["L seeds", "R seeds"]
    for node, fork, label in zip(lists, forks.values(), "LR"):
        assert [node.GetNthControlPointSelected(index) for index in range(3)] == [False, True, True]
        labels = [node.GetNthControlPointLabel(index) for index in range(3)]
        assert labels == [f"{label} CCA", f"{label} ICA", f"{label} ECA"]
        points = slicer.util.arrayFromMarkupsControlPoints(node, world=True)
        np.testing.assert_allclose(points, rasFromLps(list(seeds(fork).values())), atol=1e-6)


def test_they_survive_being_saved_again(forks, host, tmp_path):
    write_forks(tmp_path / "case.fork.mrk.json", forks)
    write_seeds(tmp_path / "case.seeds.mrk.json", forks)
    curve = loaded(host, tmp_path / "case.fork.mrk.json", "vtkMRMLMarkupsCurveNode")[1]
    seedsNode = loaded(host, tmp_path / "case.seeds.mrk.json", "vtkMRMLMarkupsFiducialNode")[0]
    again = []
    for node in (curve, seedsNode):
        path = tmp_path / f"{node.GetName()}.mrk.json"
        assert slicer.util.saveNode(node, str(path))
        again.append(slicer.util.loadMarkups(str(path)))
    radii = vtk_to_numpy(again[0].GetMeasurement("Radius").GetControlPointValues())
    np.testing.assert_allclose(np.reshape(radii, (37, -1))[:, 0], RADII["internal"])
    assert [again[1].GetNthControlPointSelected(index) for index in range(3)] == [False, True, True]
