"""Sizes and colours: a window as wide as the user makes it, long sentences, dark palettes, the wheel."""

import pytest

from Testing.host.forkSamples import forkDetection
from Testing.host.mrmlHost import slicer
from Testing.host.pythonQtDrive import NESTED_LAYOUTS, click, grab, processEvents, turnWheel
from Testing.host.samples import sampleDetection
from Testing.panel.panelHelp import openModule

from CarotidLandmarkSlicer.panelParameters import readParameters  # isort: skip (the host puts it on the path)

opened = pytest.fixture(openModule)
WIDTHS = (300, 351, 400, 800)
REASON = "The position is uncertain along its worst axis."
FAR = [-131.5, -112.5, -1040.5]  # a point whose numbers are long
DARK = {"Window": "#323232", "Button": "#323232", "Base": "#1e1e1e", "WindowText": "white", "ButtonText": "white"}


def settle():
    for _level in range(2 * NESTED_LAYOUTS):
        processEvents()


def doubtful(count):
    """A detection with so many reasons to look at the right side."""
    detection = sampleDetection()
    detection["landmarks"][1]["reasons"] = [REASON] * count
    return detection


def enter(opened, width, height=1400):
    opened.module.enter(width, height)
    settle()


def assertWhole(opened):
    """No text of the panel is cut off, and the table has no gap around it."""
    for name, widget in vars(opened.ui).items():
        if name.endswith(("Button", "CheckBox")) and widget.visible:
            assert widget.width >= widget.minimumSizeHint.width(), name
        if name.endswith("Label") and widget.visible:
            assert widget.height >= widget.heightForWidth(widget.width) - 1, name
    table, page = opened.ui.landmarkTable, opened.ui.landmarksPage
    header, metrics = table.horizontalHeader(), table.fontMetrics()
    assert header.length() <= table.viewport().width
    shown = [row for row in range(table.rowCount) if table.rowHeight(row)]
    assert table.rowViewportPosition(shown[-1]) + table.rowHeight(shown[-1]) == table.viewport().height
    for row in shown:
        if row % 2:
            words = metrics.boundingRect(0, 0, header.length() - 8, 0, 0x1000, table.item(row, 0).text())
            assert words.height() <= table.rowHeight(row) <= words.height() + metrics.height()
        else:
            for column in (0, 2, 3, 4):
                assert metrics.horizontalAdvance(table.item(row, column).text()) < table.columnWidth(column)
    assert page.height == table.height
    measures = opened.ui.measuresTable
    if measures.visible:
        assert measures.horizontalHeader().length() <= measures.viewport().width
        for row in range(measures.rowCount):
            for column in (1, 2):
                text = measures.item(row, column).text()
                assert metrics.horizontalAdvance(text) < measures.columnWidth(column)


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_off(opened, width):
    enter(opened, width)
    detection, lumens = forkDetection()
    detection["landmarks"][1]["reasons"] = [REASON] * 3
    landmarks = opened.detect(opened.volume, detection, lumens)
    opened.ui.advancedSection.collapsed = False
    settle()
    assertWhole(opened)
    landmarks.SetNthControlPointPositionWorld(0, *FAR)
    settle()
    assertWhole(opened)
    click(opened.ui.missingButton)
    settle()
    assertWhole(opened)
    assert opened.ui.disclaimerLabel.text.startswith("For research use only")


def test_a_row_of_words_is_as_high_as_they_are(opened):
    enter(opened, 420)
    opened.detect(opened.volume)
    settle()
    table = opened.ui.landmarkTable
    assert table.rowHeight(1) < 3 * table.fontMetrics().height()
    before = table.height
    enter(opened, 800)
    assert table.height < before
    enter(opened, 420)
    assert table.height == before


@pytest.mark.parametrize("width", WIDTHS[:3])
def test_sentences_do_not_widen_the_panel(opened, width):
    enter(opened, width)
    opened.ui.advancedSection.collapsed = False
    settle()
    window = slicer.util.mainWindow()
    before = window.width
    assert before <= max(width, 351)
    opened.run.say(" ".join([REASON] * 8))
    opened.detect(opened.volume, doubtful(8))
    settle()
    assert window.width == before


@pytest.mark.parametrize("size", [(340, 500), (400, 1400), (800, 1400)])
def test_no_gap_is_left_around_the_table_after_loading_a_scene(opened, tmp_path, size):
    enter(opened, *size)
    opened.detect(opened.volume, doubtful(4))
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    settle()
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    settle()
    assertWhole(opened)


def test_long_reasons_push_the_buttons_down(opened):
    enter(opened, 420, 500)
    opened.detect(opened.volume, doubtful(5))
    settle()
    table, button = opened.ui.landmarkTable, opened.ui.acceptButton
    assert table.height > 130 and button.y >= table.y + table.height


def test_a_disabled_detect_is_no_lighter_than_the_panel_with_a_dark_palette(opened, tmp_path):
    import qt

    light, dark = opened.host.application.palette(), opened.host.application.palette()
    for role, color in DARK.items():
        dark.setColor(getattr(dark.ColorRole, role), color)
    opened.host.application.setPalette(dark)
    opened.ui.volumeSelector.setCurrentNode(None)
    picture = qt.QImage(str(grab(opened.ui.detectButton, tmp_path / "button.png")))
    opened.host.application.setPalette(light)
    assert not opened.ui.detectButton.enabled
    assert picture.pixelColor(10, picture.height() // 2).lightness() < 100


def test_the_wheel_scrolls_the_panel_and_changes_nothing(opened, tmp_path):
    import qt

    ui = opened.ui
    ui.advancedSection.collapsed = False
    for edit in (ui.folderEdit, ui.weightsEdit):
        edit.comboBox().addItem("/elsewhere")
        edit.currentPath = str(tmp_path)
    enter(opened, 400)
    fields = [ui.volumeSelector, ui.confidenceSlider, ui.opacitySlider, ui.deviceCombo, ui.samplesSpin, ui.seedSpin]
    window, parameterNode = slicer.util.mainWindow(), opened.logic.getParameterNode()
    before = readParameters(parameterNode)
    for field in [*fields, ui.folderEdit.comboBox(), ui.weightsEdit.comboBox()]:
        for x in (10, field.width - 5):
            for steps in (1, -1, -1):
                turnWheel(field, x, field.height // 2, steps)
    assert ui.volumeSelector.currentNode() is opened.volume
    assert readParameters(parameterNode) == before
    enter(opened, 400, 400)
    top = ui.volumeSelector.mapTo(window, qt.QPoint(0, 0)).y()
    turnWheel(ui.volumeSelector)
    assert ui.volumeSelector.mapTo(window, qt.QPoint(0, 0)).y() < top
