import pytest

from Testing.host.skipping import missingPackages, skipModules

MISSING = missingPackages(slicer_core="slicer", pillow="PIL")
pytest_pycollect_makemodule = skipModules(MISSING)

if not MISSING:
    from Testing.host.mrmlHost import bootSlicer
    from Testing.host.samples import addCtVolume, sampleDetection
    from Testing.host.views import SliceView, ThreeDView

    from CarotidLandmarkSlicer.landmarkScene import LandmarkScene  # isort: skip (the host puts it on the path)


@pytest.fixture
def host():
    return bootSlicer()


@pytest.fixture
def slices(host):
    views = {name: SliceView(host, name) for name in ("Red", "Green", "Yellow")}
    yield views
    for view in views.values():
        view.close()


@pytest.fixture
def threeD(host):
    view = ThreeDView(host)
    yield view
    view.close()


@pytest.fixture
def landmarkScene(host):
    landmarkScene = LandmarkScene(host.scene)
    yield landmarkScene
    landmarkScene.unobserve()


@pytest.fixture
def landmarks(landmarkScene):
    return landmarkScene.applyDetection(addCtVolume(), sampleDetection())
