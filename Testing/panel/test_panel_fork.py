"""The fork section: checks, fork view, measures, and what other modules get, by mouse and keyboard."""

import sys
from types import SimpleNamespace

import pytest

from Testing.host.forkSamples import NARROW, UNCLEAR, forkDetection
from Testing.host.mrmlHost import slicer
from Testing.host.pythonQtDrive import click, clickCell, pressKey, processEvents
from Testing.host.samples import addCtVolume, sampleDetection
from Testing.panel.panelHelp import deleteNode, openModule

opened = pytest.fixture(openModule)


@pytest.fixture
def green(opened):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceNode", "Green")
    node.SetLayoutName("Green")
    node.SetOrientation("Coronal")
    return node


@pytest.fixture
def landmarks(opened):
    return opened.detect(opened.volume, *forkDetection())


def select(opened, side):
    opened.panel.landmarks.table.select(side)


def clipboard():
    return slicer.app.clipboard().text()


def cells(opened):
    table = opened.ui.measuresTable
    return [[table.item(row, column).text() for column in range(3)] for row in range(table.rowCount)]


def buttons(opened):
    names = ("forkViewButton", "copyButton", "extractButton", "cropButton", "lumenCheckBox", "centrelinesCheckBox")
    return {name: getattr(opened.ui, name).enabled for name in names}


def test_each_side_says_what_the_lumen_says(opened, landmarks):
    ui = opened.ui
    assert (ui.leftForkName.text, ui.leftForkChip.text) == ("Left", "verified")
    assert ui.leftForkLabel.text == "The carina of the lumen is 0.9 mm away."
    assert (ui.rightForkName.text, ui.rightForkChip.text, ui.rightForkLabel.text) == ("Right", "unclear", UNCLEAR)
    assert ui.leftForkChip.styleSheet != ui.rightForkChip.styleSheet
    assert not ui.forkHintLabel.visible
    opened.detect(opened.volume, *forkDetection("contradicted"))
    assert ui.rightForkChip.text == "contradicted"


def test_doubts_are_said(opened):
    landmarks = opened.detect(opened.volume, *forkDetection(internal_probability=None, notes=["Calcium hides it."]))
    assert "Which branch is the internal carotid cannot be told." in opened.ui.leftForkLabel.text
    assert opened.ui.leftForkLabel.toolTip == opened.ui.leftForkChip.toolTip == "Calcium hides it."
    assert "as it was detected" not in opened.ui.leftForkLabel.text
    landmarks.SetNthControlPointPositionWorld(0, 1.0, 2.0, 3.0)
    assert opened.ui.leftForkLabel.text.endswith("This is about the point as it was detected.")


@pytest.mark.parametrize(
    ("detection", "hint"),
    [
        (None, "No forks yet"),
        (sampleDetection(), "The lumen was not looked at"),
        (sampleDetection(None, None), "No bifurcation was found"),
    ],
)
def test_without_forks_the_section_says_why_and_offers_nothing(opened, detection, hint):
    if detection is not None:
        opened.detect(opened.volume, detection)
    assert opened.ui.forkHintLabel.visible and opened.ui.forkHintLabel.text.startswith(hint)
    assert not any(buttons(opened).values())
    assert not opened.ui.measuresTable.visible
    assert opened.ui.leftForkChip.text == "not checked"
    pressKey(opened.ui.detectButton, "F")
    assert not opened.logic.forks.isShown


def test_a_side_without_a_fork_beside_one_with(opened):
    opened.detect(opened.volume, *forkDetection(None))
    assert opened.ui.rightForkChip.text == "not checked" and opened.ui.rightForkLabel.text == "Nothing is known."
    assert opened.ui.leftForkChip.text == "verified"


def test_fork_view_by_button_and_back(opened, landmarks, green):
    button = opened.ui.forkViewButton
    select(opened, "left")
    assert button.text == "Fork view"
    click(button)
    assert opened.logic.forks.isShown and green.GetOrientation() == "Reformat"
    assert button.text == "Back to standard views"
    click(button)
    assert not opened.logic.forks.isShown and green.GetOrientation() == "Coronal"
    assert button.text == "Fork view"


def test_fork_view_by_key(opened, landmarks, green):
    select(opened, "left")
    pressKey(opened.ui.detectButton, "F")
    assert green.GetOrientation() == "Reformat"
    opened.ui.advancedSection.collapsed = False
    pressKey(opened.ui.samplesSpin, "F")
    assert green.GetOrientation() == "Coronal"


def test_the_side_without_vessels_has_no_fork_view_but_the_way_back(opened, landmarks, green):
    select(opened, "right")
    button = opened.ui.forkViewButton
    assert not button.enabled and button.toolTip == "The vessels of the selected landmark were not followed."
    pressKey(opened.ui.detectButton, "F")
    assert green.GetOrientation() == "Coronal"
    select(opened, "left")
    click(button)
    select(opened, "right")
    click(button)
    assert green.GetOrientation() == "Coronal"


def test_in_the_fork_view_the_rows_lead_to_their_forks(opened, landmarks, green):
    select(opened, "left")
    click(opened.ui.forkViewButton)
    fork = slicer.util.arrayFromVTKMatrix(green.GetSliceToRAS()).tolist()
    clickCell(opened.ui.landmarkTable, 0, 2)
    assert slicer.util.arrayFromVTKMatrix(green.GetSliceToRAS()).tolist() != fork
    clickCell(opened.ui.landmarkTable, 2, 2)
    assert slicer.util.arrayFromVTKMatrix(green.GetSliceToRAS()).tolist() == fork
    deleteNode(landmarks)
    assert opened.ui.forkViewButton.text == "Back to standard views"
    click(opened.ui.forkViewButton)
    assert green.GetOrientation() == "Coronal" and not opened.ui.forkViewButton.enabled


def test_measures_in_their_order_with_uncertainty_and_unit(opened, landmarks):
    assert cells(opened) == [
        ["CCA, 10 mm below", "6.0 ± 0.2 mm", "5.5 ± 0.4 mm"],
        ["Area, (ICA + ECA) / CCA", "1.00", "–"],
        ["Angle of ICA and ECA", "41.3 ± 2.5°", "–"],
        ["ICA, narrowest", "4.3 ± < 0.1 mm", "–"],
        ["NASCET", "–", "–"],
        ["Calcium", "133 ± 10 mm³", "–"],
    ]
    assert opened.ui.measuresTable.item(4, 1).toolTip() == NARROW
    opened.detect(opened.volume, *forkDetection(None, measures={}))
    assert opened.ui.measuresLabel.text == "Nothing was measured." and not opened.ui.measuresTable.visible
    assert not opened.ui.copyButton.enabled


def test_the_table_never_scrolls(opened, landmarks):
    table = opened.ui.measuresTable
    processEvents()
    last = table.rowCount - 1
    assert table.rowViewportPosition(last) + table.rowHeight(last) == table.viewport().height


def test_copying_all_by_the_button_and_rows_by_the_key(opened, landmarks):
    click(opened.ui.copyButton)
    lines = clipboard().splitlines()
    assert lines[0] == "Measure\tLeft\tRight" and lines[1] == "CCA, 10 mm below\t6.0 ± 0.2 mm\t5.5 ± 0.4 mm"
    assert len(lines) == 7 and opened.message == "The measures were copied."
    clickCell(opened.ui.measuresTable, 2, 1)
    pressKey(opened.ui.measuresTable, "Ctrl+C")
    assert clipboard() == "Measure\tLeft\tRight\nAngle of ICA and ECA\t41.3 ± 2.5°\t–\n"
    opened.ui.measuresTable.clearSelection()
    pressKey(opened.ui.measuresTable, "Ctrl+C")
    assert clipboard().splitlines() == lines


def lumenAndCurve(landmarks):
    return [
        landmarks.GetNodeReference(f"CarotidLandmark.{name}").GetDisplayNode()
        for name in ("Lumen.left", "Vessel.left.internal")
    ]


def test_lumen_and_centrelines_are_shown_and_hidden(opened, landmarks):
    lumen, curve = lumenAndCurve(landmarks)
    click(opened.ui.lumenCheckBox, 8, 8)
    assert not lumen.GetVisibility() and curve.GetVisibility()
    click(opened.ui.centrelinesCheckBox, 8, 8)
    assert not curve.GetVisibility()
    other = opened.detect(addCtVolume("Other"), *forkDetection())
    assert [node.GetVisibility() for node in lumenAndCurve(other)] == [0, 0]
    click(opened.ui.lumenCheckBox, 8, 8)
    assert [node.GetVisibility() for node in (lumen, lumenAndCurve(other)[0])] == [1, 1]


def seedNodes():
    nodes = slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode")
    return [node for node in nodes if node.GetName().endswith("seeds")]


def test_sending_without_slicervmtk_makes_the_seeds_and_says_what_to_install(opened, landmarks):
    click(opened.ui.extractButton)
    (seeds,) = seedNodes()
    assert seeds.GetName() == "Neck carotid bifurcations L seeds"
    assert "SlicerVMTK: install it from the Extensions Manager" in opened.message
    click(opened.ui.extractButton)
    assert seedNodes() == [seeds]


@pytest.fixture
def vmtk(opened, monkeypatch):
    """A module Extract Centerline: its parameter node, and the modules that were switched to."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "ExtractCenterline")
    logic = SimpleNamespace(getParameterNode=lambda: node)
    monkeypatch.setitem(sys.modules, "ExtractCenterline", SimpleNamespace(ExtractCenterlineLogic=lambda: logic))
    monkeypatch.setattr(slicer.modules, "extractcenterline", object(), raising=False)
    switched = []
    monkeypatch.setattr(slicer.util, "selectModule", switched.append)
    return SimpleNamespace(parameterNode=node, switched=switched)


def both():
    """A detection with the same fork at both sides, and its lumens."""
    detection, lumens = forkDetection()
    detection["landmarks"][1]["fork"] = detection["landmarks"][0]["fork"]
    return detection, {"left": lumens["left"], "right": lumens["left"]}


def test_sending_sets_surface_and_seeds_and_opens_the_module(opened, vmtk):
    landmarks = opened.detect(opened.volume, *both())
    select(opened, "right")
    click(opened.ui.extractButton)
    assert [node.GetName()[-7:] for node in seedNodes()] == ["L seeds", "R seeds"]
    assert vmtk.switched == ["ExtractCenterline"]
    assert vmtk.parameterNode.GetNodeReference("InputSurface") is landmarks.GetNodeReference(
        "CarotidLandmark.Lumen.right"
    )
    assert vmtk.parameterNode.GetNodeReference("EndPoints") is seedNodes()[1]
    click(opened.ui.rightSeedsCheckBox, 8, 8)
    click(opened.ui.extractButton)
    assert vmtk.parameterNode.GetNodeReference("EndPoints") is seedNodes()[0]
    click(opened.ui.leftSeedsCheckBox, 8, 8)
    assert not opened.ui.extractButton.enabled


def test_only_sides_with_seeds_can_be_chosen(opened, landmarks):
    assert opened.ui.leftSeedsCheckBox.enabled and not opened.ui.rightSeedsCheckBox.enabled
    select(opened, "left")
    click(opened.ui.missingButton)
    assert not opened.ui.leftSeedsCheckBox.enabled and not opened.ui.extractButton.enabled


def test_the_box_for_crop_volume(opened, landmarks):
    click(opened.ui.cropButton)
    click(opened.ui.cropButton)
    (roi,) = slicer.util.getNodesByClass("vtkMRMLMarkupsROINode")
    assert opened.message == f"“{roi.GetName()}” was made: choose it in Crop Volume."
    deleteNode(landmarks)
    assert slicer.util.getNodesByClass("vtkMRMLMarkupsROINode") == []


def test_undo_and_redo_bring_the_checks_along(opened, landmarks):
    opened.detect(opened.volume, sampleDetection())
    assert opened.ui.leftForkChip.text == "not checked"
    click(opened.ui.undoButton)
    assert opened.ui.leftForkChip.text == "verified" and opened.ui.cropButton.enabled
    click(opened.ui.redoButton)
    assert opened.ui.leftForkChip.text == "not checked" and not opened.ui.cropButton.enabled


def test_two_volumes_have_a_fork_each(opened, landmarks):
    opened.detect(addCtVolume("Other"), *forkDetection("contradicted"))
    assert opened.ui.rightForkChip.text == "contradicted"
    opened.ui.volumeSelector.setCurrentNode(opened.volume)
    assert opened.ui.rightForkChip.text == "unclear"
    click(opened.ui.cropButton)
    assert "Neck" in opened.message


def test_a_reloaded_scene_shows_its_forks(opened, landmarks, tmp_path):
    before = cells(opened)
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    processEvents()
    assert opened.ui.forkHintLabel.visible
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    processEvents()
    assert opened.ui.leftForkChip.text == "verified" and cells(opened) == before
    click(opened.ui.extractButton)
    assert seedNodes()[0].GetNumberOfControlPoints() == 3


def test_the_engine_is_asked_to_look_at_the_lumen_unless_it_is_switched_off(opened, landmarks):
    opened.ui.advancedSection.collapsed = False
    pressKey(opened.ui.forkCheckBox, "Space")
    opened.detect(opened.volume)
    assert [request["fork"] for request in opened.engine.requests] == [True, False]
