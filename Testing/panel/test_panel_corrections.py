"""Corrections in the panel: what must be there before export, export, count, import, folders that cannot be written."""

import json

import pytest

from Testing.host.pythonQtDrive import click, typeText
from Testing.panel.panelHelp import openModule

opened = pytest.fixture(openModule)


@pytest.fixture
def ready(opened, tmp_path):
    opened.folder = tmp_path / "corrections"
    opened.landmarkNode = opened.detect(opened.volume)
    opened.ui.folderEdit.currentPath = str(opened.folder)
    typeText(opened.ui.initialsEdit, "QA")
    click(opened.ui.acceptButton)
    return opened


def corrections(folder):
    return [json.loads(path.read_text()) for path in sorted(folder.rglob("correction.json"))]


def test_the_button_says_what_is_missing(opened, tmp_path):
    ui = opened.ui
    assert not ui.exportButton.enabled and ui.exportButton.toolTip == ui.exportedLabel.text == "Detect first."
    assert not ui.importButton.enabled
    opened.detect(opened.volume)
    assert ui.exportButton.toolTip.startswith("Decide about a landmark first") and ui.importButton.enabled
    click(ui.acceptButton)
    assert ui.exportButton.toolTip == "Choose a folder first."
    ui.folderEdit.currentPath = str(tmp_path)
    assert ui.exportButton.toolTip == "Give your initials first."
    typeText(ui.initialsEdit, "QA")
    assert ui.exportButton.enabled
    click(ui.predictionButton)
    assert not ui.exportButton.enabled


@pytest.mark.parametrize(
    ("text", "reason"), [("", "Choose a folder"), ("  ", "Choose a folder"), ("a", "Give the whole path")]
)
def test_a_folder_that_is_none_is_not_written_to(ready, text, reason):
    edit = ready.ui.folderEdit.comboBox()
    edit.clearEditText()
    typeText(edit, text)
    assert not ready.ui.exportButton.enabled
    assert ready.ui.exportButton.toolTip == ready.ui.exportedLabel.text and reason in ready.ui.exportedLabel.text


def test_export_writes_and_counts(ready):
    assert "does not exist yet" in ready.ui.exportedLabel.text
    click(ready.ui.exportButton)
    assert ready.message.startswith("The corrections were written to " + str(ready.folder))
    assert ready.ui.exportedLabel.text == "1 case is in this folder."
    (correction,) = corrections(ready.folder)
    assert "QA" in json.dumps(correction) and "Neck" not in json.dumps(correction)
    click(ready.ui.exportButton)
    assert len(corrections(ready.folder)) == 2
    assert ready.ui.exportedLabel.text == "1 case is in this folder."


def test_a_folder_that_is_a_file_is_refused_in_words(ready):
    ready.folder.write_text("no folder")
    click(ready.ui.exportButton)
    assert ready.run.failed and str(ready.folder) in ready.message
    assert ready.reviews(ready.landmarkNode)["right"].decision == "accepted"


def test_import_takes_the_points_back(ready):
    click(ready.ui.missingButton)
    click(ready.ui.exportButton)
    (file,) = ready.folder.rglob("correction.mrk.json")
    click(ready.ui.predictionButton)
    ready.host.dialogs.answer(str(file))
    click(ready.ui.importButton)
    assert ready.reviews(ready.landmarkNode)["right"].decision == "missing"
    assert ready.message == f"The points were taken from {file}."


def test_import_of_something_else_is_refused_in_words(ready, tmp_path):
    path = tmp_path / "points.fcsv"
    path.write_text("nothing")
    ready.host.dialogs.answer(str(path))
    click(ready.ui.importButton)
    assert ready.run.failed and str(path) in ready.message
    ready.host.dialogs.answer("")
    click(ready.ui.importButton)
    assert ready.run.failed
