import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest

from CarotidLandmarkLib.landmarks.files import read_points
from CarotidLandmarkLib.sample_data import POINTS, VOLUME
from CarotidLandmarkLib.volume.read import read_volume
from Testing.host.mrmlHost import slicer
from Testing.host.pythonQt import installQtHost


@pytest.fixture
def offered(host, monkeypatch):
    """What the module offers in Sample Data, by name."""
    installQtHost()
    from CarotidLandmarkSlicer import sampleData

    sources = {}
    module = types.ModuleType("SampleData")
    module.SampleDataLogic = types.SimpleNamespace(
        registerCustomSampleDataSource=lambda **values: sources.update({values["sampleName"]: values})
    )
    monkeypatch.setitem(sys.modules, "SampleData", module)
    sampleData.register()
    return sources


def testThePhantomOpensAtOnceWhereItLies(offered):
    source = offered["Carotid CTA phantom"]
    assert Path(source["thumbnailFileName"]).is_file()
    started = time.process_time()
    (node,) = source["customDownloader"](None)
    assert time.process_time() - started < 5
    assert node.GetName() == source["nodeNames"] == "CarotidCTAPhantom"
    volume = read_volume(VOLUME)
    assert np.array_equal(slicer.util.arrayFromVolume(node), volume.array)
    assert node.GetSpacing() == pytest.approx(volume.grid.spacing)


def testItsTruePointsLieInItAndCannotBeMoved(offered):
    (volumeNode,) = offered["Carotid CTA phantom"]["customDownloader"](None)
    source = offered["Carotid CTA phantom, true points"]
    (node,) = source["customDownloader"](None)
    assert node.GetName() == source["nodeNames"] and node.GetLocked()
    bounds = np.zeros(6)
    volumeNode.GetRASBounds(bounds)
    truth = read_points(POINTS).points
    for number, side in enumerate(("left", "right")):
        ras = np.array(node.GetNthControlPointPositionWorld(number))
        assert node.GetNthControlPointLabel(number) == side[0].upper()
        assert ras == pytest.approx(truth[side] * [-1, -1, 1], abs=1e-3)
        assert (bounds[::2] < ras - 20).all() and (ras + 20 < bounds[1::2]).all()


def testItIsSmallEnoughToComeAlong():
    assert VOLUME.stat().st_size < 5e6
