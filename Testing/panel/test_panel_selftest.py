"""The module's own self test, for the application, on the host."""

import sys

import pytest

from Testing.host.samples import addCtVolume
from Testing.panel.fakeRooms import ScriptedEngine
from Testing.panel.panelHelp import OpenModule


def test_the_self_test_passes(qtHost, monkeypatch):
    import qt

    opened = OpenModule(qtHost, monkeypatch)
    monkeypatch.setattr("CarotidLandmarkSlicer.sampleData.loadPhantom", lambda: addCtVolume("Phantom"))
    monkeypatch.setattr(ScriptedEngine, "detect", lambda engine, request: answerSoon(qt, engine, request))
    sys.modules["CarotidLandmark"].CarotidLandmarkTest().runTest()
    assert [engine.stopped for engine in opened.engines] == [1]
    monkeypatch.setattr(ScriptedEngine, "finish", lambda engine: engine.fail("no luck"))
    with pytest.raises(AssertionError, match="no luck"):
        sys.modules["CarotidLandmark"].CarotidLandmarkTest().runTest()


def answerSoon(qt, engine, request):
    engine.request = request
    qt.QTimer.singleShot(0, lambda: engine.finish())
