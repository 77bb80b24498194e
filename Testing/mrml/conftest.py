import pytest

from Testing.host.skipping import missingPackages, skipModules

MISSING = missingPackages(slicer_core="slicer")
pytest_pycollect_makemodule = skipModules(MISSING)

if not MISSING:
    from Testing.host.mrmlHost import bootSlicer
    from Testing.host.samples import addCtVolume, sampleDetection

    from CarotidLandmarkSlicer.landmarkScene import LandmarkScene  # isort: skip (the host puts it on the path)


@pytest.fixture
def host():
    return bootSlicer()


@pytest.fixture
def landmarkScene(host):
    landmarkScene = LandmarkScene(host.scene)
    yield landmarkScene
    landmarkScene.unobserve()


@pytest.fixture
def forks(landmarkScene):
    from CarotidLandmarkSlicer.forkScene import ForkScene

    return ForkScene(landmarkScene)


@pytest.fixture
def volume(host):
    return addCtVolume()


@pytest.fixture
def landmarks(landmarkScene, volume):
    return landmarkScene.applyDetection(volume, sampleDetection())


@pytest.fixture
def exporter(landmarkScene):
    from Testing.host.pythonQt import installQtHost

    installQtHost()
    from CarotidLandmarkSlicer.correctionsExport import CorrectionsExporter

    return CorrectionsExporter(landmarkScene)
