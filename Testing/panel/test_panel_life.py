"""The module left, reloaded and ended, the scene closed and loaded, nodes deleted, often while detecting."""

import gc
import sys

import pytest

from Testing.host.mrmlHost import slicer
from Testing.host.pythonQtDrive import click, processEvents
from Testing.host.samples import addCtVolume
from Testing.host.volumeChanges import addWarp
from Testing.panel.panelHelp import deleteNode, openModule

opened = pytest.fixture(openModule)


@pytest.fixture
def working(opened):
    click(opened.ui.detectButton)
    opened.engine.progress("coarse search", 0.1)
    return opened


def observers(node):
    """Whether an object has any observer of the events that the module listens to."""
    return [
        event
        for event in (node.StartCloseEvent, node.EndCloseEvent, node.EndImportEvent, node.NodeRemovedEvent)
        if node.HasObserver(event)
    ]


def test_left_and_entered_again(working):
    working.module.exit()
    working.engine.progress("left, 0.5 mm, sample 2 of 50", 0.4)
    working.enter()
    assert working.ui.detectButton.text == "Cancel"
    assert working.ui.stepLabel.text == "left, 0.5 mm, sample 2 of 50" and working.ui.progressBar.value == 400
    working.engine.finish()
    assert len(working.rows()) == 2


def test_the_volume_line_follows_the_volume_after_the_module_was_left(opened):
    opened.module.exit()
    opened.enter()
    opened.volume.SetAndObserveTransformNodeID(addWarp().GetID())
    processEvents()
    assert "non-linear" in opened.ui.volumeLabel.text and not opened.ui.detectButton.enabled


def test_nothing_of_a_closed_scene_is_kept_or_spoken_of(opened):
    landmarkNode = opened.detect(opened.volume)
    deleted = []
    landmarkNode.AddObserver("DeleteEvent", lambda caller, event: deleted.append("landmarks"))
    opened.volume.GetImageData().AddObserver("DeleteEvent", lambda caller, event: deleted.append("image"))
    opened.volume = landmarkNode = None
    slicer.mrmlScene.Clear(0)
    processEvents()
    gc.collect()
    assert sorted(deleted) == ["image", "landmarks"]
    addCtVolume("Next")
    deleteNode(addCtVolume("Other"))
    assert "was deleted" not in opened.message


def test_finished_while_another_module_is_open(working):
    working.module.exit()
    working.engine.finish()
    assert working.logic.landmarkScene.landmarkNode(working.volume) is not None
    working.enter()
    assert len(working.rows()) == 2
    assert working.message.startswith("Detected in 3.2 s")


def test_the_volume_deleted(working):
    deleteNode(working.volume)
    assert working.run.cancelling and working.ui.detectButton.text == "Cancel"
    working.engine.finish()
    assert working.message == "Neck was deleted, so its detection was dropped."
    assert not working.run.busy and not working.ui.detectButton.enabled
    assert working.logic.landmarkScene.landmarkNodes() == []


def test_a_result_that_was_faster_than_the_cancellation_is_dropped(working):
    deleteNode(working.volume)
    working.engine.state = "busy"
    working.engine.finish()
    assert working.message == "Neck was deleted, so its detection was dropped."
    assert working.logic.landmarkScene.landmarkNodes() == []


def test_another_volume_deleted_does_not_matter(opened):
    other = addCtVolume("Other")
    click(opened.ui.detectButton)
    deleteNode(other)
    assert opened.run.busy and not opened.run.cancelling
    opened.engine.finish()
    assert len(opened.rows()) == 2


def test_the_scene_closed(working):
    slicer.mrmlScene.Clear(0)
    processEvents()
    working.engine.finish()
    assert working.message == "The scene was closed, so the detection was dropped."
    assert working.logic.landmarkScene.landmarkNodes() == []
    volume = addCtVolume("Next")
    assert len(working.rows()) == 0
    landmarkNode = working.detect(volume)
    assert working.logic.landmarkScene.volumeNode(landmarkNode) is volume
    assert working.panel.parameterNode is working.logic.getParameterNode()


def test_the_scene_closed_after_a_detection(opened):
    opened.detect(opened.volume)
    slicer.mrmlScene.Clear(0)
    processEvents()
    assert opened.ui.landmarksHint.visible and opened.rows() == []
    assert opened.ui.volumeSelector.currentNode() is None
    opened.ui.samplesSpin.value = 9
    assert opened.logic.getParameterNode().GetParameter("samples") == "9"


def test_reload_stops_the_engine_and_the_new_panel_works(working):
    before = slicer.mrmlScene.GetNumberOfNodes()
    old = working.engine
    working.module.reload()
    processEvents()
    assert old.stopped == 1 and working.engine is not old
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    assert working.ui.volumeSelector.currentNode() is working.volume
    click(working.ui.detectButton)
    working.engine.finish()
    assert len(working.rows()) == 2


def test_a_result_after_reload_goes_nowhere(working):
    old = working.engine
    working.module.reload()
    old.onResult({"volume": {}})
    old.onError("too late")
    processEvents()
    assert working.message == "" and working.logic.landmarkScene.landmarkNodes() == []


def test_reload_keeps_decisions(opened):
    landmarkNode = opened.detect(opened.volume)
    click(opened.ui.acceptButton)
    opened.module.reload()
    processEvents()
    assert [row[1] for row in opened.rows()] == ["found", "accepted"]
    ras = opened.reviews(landmarkNode)["left"].ras + [0, 0, 3]
    landmarkNode.SetNthControlPointPositionWorld(0, ras)
    assert "moved" in [row[1] for row in opened.rows()]


def test_nothing_observes_the_scene_after_the_end(qtHost, monkeypatch):
    before = observers(slicer.mrmlScene)
    opened = openModule(qtHost, monkeypatch)
    opened.detect(opened.volume)
    logic, panel, engine = opened.logic, opened.panel, opened.engine
    opened.module.unload()
    processEvents()
    assert engine.stopped == 1
    assert panel.Observations == logic.Observations == []
    assert panel.shortcuts.installed == []
    assert observers(slicer.mrmlScene) == before
    deleteNode(opened.volume)
    slicer.mrmlScene.Clear(0)


def test_a_saved_scene_brings_all_back(opened, tmp_path):
    opened.detect(opened.volume)
    click(opened.ui.acceptButton)
    opened.ui.confidenceSlider.value = 70
    opened.ui.samplesSpin.value = 20
    before = opened.rows()
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    processEvents()
    assert opened.rows() == before and opened.ui.volumeSelector.currentNode().GetName() == "Neck"
    assert opened.ui.confidenceSlider.value == 70 and opened.ui.samplesSpin.value == 20
    assert opened.engine.requests[1:] == []


def test_decisions_that_cannot_be_read_are_said(opened, tmp_path):
    node = opened.detect(opened.volume)
    click(opened.ui.acceptButton)
    opened.logic.landmarkScene.markMissing(node, "left")
    opened.panel.leave()
    opened.logic.watch.letGo()  # who watches or shows the node repairs it at once
    node.SetAttribute("CarotidLandmark.Review", '{"left": {"deci')
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    processEvents()
    assert opened.message.startswith("The decisions stored with")


def test_a_scene_of_another_version_is_said(opened, tmp_path):
    landmarkNode = opened.detect(opened.volume)
    landmarkNode.SetAttribute("CarotidLandmark.Version", "99")
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    processEvents()
    assert "newer version" in opened.message
    assert len(opened.rows()) == 2


@pytest.mark.parametrize("undo", ["the module's", "Slicer's"])
def test_undo_leaves_the_landmarks_of_a_scene_that_was_added(opened, undo, tmp_path):
    opened.detect(opened.volume)
    click(opened.ui.acceptButton)
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    processEvents()
    volume = addCtVolume("Other")
    processEvents()
    opened.detect(volume)
    click(opened.ui.acceptButton)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"), {"clear": False})
    processEvents()
    landmarkScene = opened.logic.landmarkScene
    (added,) = [node for node in landmarkScene.landmarkNodes() if landmarkScene.volumeNode(node) is not volume]
    opened.ui.volumeSelector.setCurrentNode(volume)
    for _ in range(3):
        opened.panel.landmarks.undo() if undo == "the module's" else slicer.mrmlScene.Undo()
        processEvents()
    assert added in landmarkScene.landmarkNodes()
    assert "accepted" in [review.chip for review in opened.reviews(added).values()]


def test_the_developers_reload_reads_all_rooms_again(working, monkeypatch):
    from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget

    def reloadModule(widget):
        slicer.util.reloadScriptedModule(widget.moduleName)

    monkeypatch.setattr(ScriptedLoadableModuleWidget, "onReload", reloadModule, raising=False)
    rooms = {name: room for name, room in sys.modules.items() if name.startswith("CarotidLandmarkSlicer.")}
    old = working.engine
    try:
        working.widget.onReload()
        processEvents()
        assert old.stopped == 1
        assert type(working.panel) is not rooms["CarotidLandmarkSlicer.panel"].Panel
        assert type(working.panel).__module__ == "CarotidLandmarkSlicer.panel"
        assert working.ui.volumeSelector.currentNode() is working.volume
    finally:
        for name, room in rooms.items():
            sys.modules[name] = room
            setattr(sys.modules["CarotidLandmarkSlicer"], name.split(".")[1], room)
