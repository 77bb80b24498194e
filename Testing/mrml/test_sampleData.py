import shutil
import sys
import types
from pathlib import Path

import pytest

import CarotidLandmarkLib
from CarotidLandmarkLib.errors import CannotRunError
from Testing.host.mrmlHost import slicer
from Testing.host.pythonQt import installQtHost

pytest.importorskip("torch", reason="torch is not installed")


@pytest.fixture
def sampleData(host, monkeypatch):
    installQtHost()
    from CarotidLandmarkSlicer import sampleData

    monkeypatch.setattr(sampleData, "SEED", 29)  # a phantom of few slices
    return sampleData


@pytest.fixture
def cache(host, tmp_path):
    manager = host.scene.GetCacheManager()
    before = manager.GetRemoteCacheDirectory()
    manager.SetRemoteCacheDirectory(str(tmp_path / "cache"))
    yield tmp_path / "cache"
    manager.SetRemoteCacheDirectory(before)


def filesIn(folder):
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def testThePhantomIsMadeOnceAndLoaded(sampleData, cache, monkeypatch):
    eventsWorkedOff = []
    monkeypatch.setattr(slicer.app, "processEvents", lambda: eventsWorkedOff.append(1))
    node = sampleData.loadPhantom()
    assert node.GetName() == "CarotidCTAPhantom"
    assert node.GetImageData().GetDimensions() == (318, 318, 35)
    assert eventsWorkedOff
    (file,) = filesIn(cache)
    assert file.name == f"CarotidCTAPhantom-{CarotidLandmarkLib.__version__}.nrrd"
    monkeypatch.setattr(sampleData, "_run", lambda arguments: pytest.fail("made again"))
    assert sampleData.loadPhantom() is not node


def testAFailureIsASentenceAndLeavesNothing(sampleData, cache, monkeypatch):
    monkeypatch.setattr(sampleData, "SPLIT", "nonsense")
    with pytest.raises(CannotRunError, match="could not be made.*nonsense"):
        sampleData.loadPhantom()
    assert filesIn(cache) == []
    shutil.rmtree(cache)
    cache.touch()
    with pytest.raises(CannotRunError, match="cannot be written"):
        sampleData.loadPhantom()


def testWithoutTorchNothingIsStarted(sampleData, cache, monkeypatch):
    monkeypatch.setattr(sampleData, "missingPackages", lambda: ["torch"])
    with pytest.raises(CannotRunError, match="press Detect"):
        sampleData.loadPhantom()


def testItIsOfferedInSampleData(sampleData, cache, monkeypatch):
    offered = []
    module = types.ModuleType("SampleData")
    module.SampleDataLogic = types.SimpleNamespace(
        registerCustomSampleDataSource=lambda **values: offered.append(values)
    )
    monkeypatch.setitem(sys.modules, "SampleData", module)
    sampleData.register()
    (source,) = offered
    assert source["sampleName"] == "Carotid CTA phantom"
    assert Path(source["thumbnailFileName"]).is_file()
    shown = []
    monkeypatch.setattr(slicer.util, "errorDisplay", shown.append)
    monkeypatch.setattr(sampleData, "SPLIT", "nonsense")
    assert source["customDownloader"](None) == []
    assert "could not be made" in shown[0]
