"""The panel with a real slice view: points placed and dragged by mouse events show in the table."""

from types import SimpleNamespace

import pytest

from Testing.host.mrmlHost import slicer
from Testing.host.pythonQtDrive import click, clickCell, processEvents
from Testing.host.samples import sampleDetection
from Testing.host.views import SliceView
from Testing.panel.panelHelp import openModule

opened = pytest.fixture(openModule)


@pytest.fixture
def red(opened):
    view = SliceView(SimpleNamespace(applicationLogic=slicer.app.applicationLogic(), scene=slicer.mrmlScene), "Red")
    yield view
    view.close()


def rasAt(view, x, y):
    matrix = view.viewNode.GetXYToRAS()
    return list(matrix.MultiplyPoint([x, y, 0.0, 1.0])[:3])


@pytest.mark.parametrize("absent", [False, True])
def test_a_point_placed_with_the_mouse(opened, red, absent):
    landmarks = opened.detect(opened.volume, sampleDetection(right=None) if absent else None)
    clickCell(opened.ui.landmarkTable, 2, 0)
    clickCell(opened.ui.landmarkTable, 0, 0)
    red.render()
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    click(opened.ui.placeButton)
    red.mouseMove(150, 180)
    processEvents()
    assert opened.panel.landmarks.placing.active
    red.click(160, 190)
    processEvents()
    assert not opened.panel.landmarks.placing.active and not opened.ui.placeButton.checked
    right = opened.reviews(landmarks)["right"]
    assert right.decision == "moved" and right.ras == pytest.approx(rasAt(red, 160, 190), abs=1e-3)
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes
    assert next(row for row in opened.rows() if row[0] == "Right")[1] == "moved"
    click(opened.ui.undoButton)
    assert opened.reviews(landmarks)["right"].decision == "unreviewed"


def test_placing_ended_with_the_right_button(opened, red):
    landmarks = opened.detect(opened.volume)
    red.render()
    click(opened.ui.placeButton)
    red.mouseMove(150, 180)
    red.mousePress(150, 180, "Right")
    red.mouseRelease(150, 180, "Right")
    processEvents()
    assert not opened.panel.landmarks.placing.active and opened.message == ""
    assert opened.reviews(landmarks)["right"].decision == "unreviewed"


def test_a_drag_while_another_module_is_open(opened, red):
    landmarks = opened.detect(opened.volume)
    opened.module.exit()
    start, _distance = red.worldToDisplay(opened.reviews(landmarks)["right"].ras)
    red.render()
    red.drag(start, start + [15, 0])
    opened.enter()
    right = next(row for row in opened.rows() if row[0] == "Right")
    assert right[1] == "moved" and right[5].startswith("Moved by 3.0 mm.")


def zoom(view, times):
    for number in range(times):
        view.mouseMove(200, 30)
        view.mousePress(200, 30, "Right")
        view.mouseMove(200, 35 + number % 2)
        view.mouseRelease(200, 35 + number % 2, "Right")
    processEvents()


def test_zooming_takes_no_decision_away(opened, red):
    landmarks = opened.detect(opened.volume)
    click(opened.ui.acceptButton)
    before = opened.rows()
    opened.detect(opened.volume)
    assert opened.message.endswith("Undo brings the earlier decisions back.")
    red.render()
    states = slicer.mrmlScene.GetNumberOfUndoLevels()
    zoom(red, 25)
    assert slicer.mrmlScene.GetNumberOfUndoLevels() > states  # else this tests nothing
    click(opened.ui.undoButton)
    assert opened.rows() == before
    click(opened.ui.undoButton)
    click(opened.ui.undoButton)
    assert opened.message.endswith("Redo brings it back.") and opened.ui.redoButton.enabled
    zoom(red, 25)
    click(opened.ui.redoButton)
    click(opened.ui.redoButton)
    assert opened.rows() == before
    assert landmarks not in opened.logic.landmarkScene.landmarkNodes()  # another node, with all that was on it
