import pytest

from Testing.host.mrmlHost import bootSlicer
from Testing.host.samples import addCtVolume, sampleDetection


@pytest.fixture
def host():
    return bootSlicer()


@pytest.fixture
def landmarkScene(host):
    from CarotidLandmarkSlicer.landmarkScene import LandmarkScene

    landmarkScene = LandmarkScene(host.scene)
    yield landmarkScene
    landmarkScene.unobserve()


@pytest.fixture
def volume(host):
    return addCtVolume()


@pytest.fixture
def landmarks(landmarkScene, volume):
    return landmarkScene.applyDetection(volume, sampleDetection())
