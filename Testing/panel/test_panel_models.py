"""Installed weights in the panel: offered, shown with their card, begun with, missed."""

import shutil

import pytest

from CarotidLandmarkLib.model import install, store
from Testing.host.pythonQtDrive import click, processEvents
from Testing.host.samples import addCtVolume
from Testing.panel.panelHelp import OpenModule, openModule

from CarotidLandmarkSlicer.panelWeights import bundledWeights  # isort: skip (the host puts it on the path)


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.setenv(store.VARIABLE, str(tmp_path / "data"))
    path = shutil.copy(bundledWeights(), tmp_path / "site.safetensors")
    (tmp_path / "CARD.md").write_text("# Site\n\n## Limits\n\n- Twelve cases of one scanner.\n")
    return install.install(path, "site")


@pytest.fixture
def opened(site, qtHost, monkeypatch):
    opened = openModule(qtHost, monkeypatch)
    opened.ui.advancedSection.collapsed = False
    processEvents()
    return opened


def test_what_is_installed_is_offered_and_chosen_with_its_card(opened, site):
    combo = opened.ui.modelCombo
    texts = [combo.itemText(index) for index in range(combo.count)]
    assert texts[0].startswith("default") and texts[1].startswith("site@1, installed 20") and len(texts) == 2
    combo.setCurrentIndex(1)
    opened.panel.advanced.chooseModel(1)
    assert opened.ui.weightsEdit.currentPath == str(site.file)
    assert "Twelve cases of one scanner." in opened.ui.cardLabel.text
    click(opened.ui.detectButton)
    assert opened.engine.requests[0]["weights"] == str(site.file)
    opened.engine.finish()
    opened.panel.advanced.chooseModel(0)
    assert opened.ui.weightsEdit.currentPath == "" and combo.currentIndex == 0


def test_another_file_is_shown_as_one(opened, tmp_path):
    opened.ui.weightsEdit.currentPath = str(tmp_path / "site.safetensors")
    assert opened.ui.modelCombo.currentText == "another file"
    opened.ui.weightsEdit.currentPath = ""
    assert opened.ui.modelCombo.currentText.startswith("default")


def test_a_file_that_was_changed_after_it_was_installed_is_refused(opened, site):
    opened.ui.weightsEdit.currentPath = str(site.file)
    with open(site.file, "ab") as file:
        file.write(b"\0")
    click(opened.ui.detectButton)
    assert opened.run.failed and opened.engine.requests == []


def test_a_new_scene_begins_with_the_weights_in_use(site, qtHost, monkeypatch):
    install.use("site")
    opened = openModule(qtHost, monkeypatch)
    click(opened.ui.detectButton)
    assert opened.engine.requests[0]["weights"] == str(site.file)
    opened.engine.finish()


def test_weights_in_use_that_are_gone_are_said(site, qtHost, monkeypatch):
    install.use("site")
    shutil.rmtree(site.folder)
    opened = OpenModule(qtHost, monkeypatch)
    addCtVolume()
    opened.enter()
    assert "no longer in" in opened.message and opened.run.failed
    click(opened.ui.detectButton)  # is no choice of others
    assert "no longer in" in opened.message and opened.run.failed and opened.engine.requests == []
    opened.ui.advancedSection.collapsed = False
    processEvents()
    opened.panel.advanced.chooseModel(0)
    click(opened.ui.detectButton)
    assert [request["weights"] for request in opened.engine.requests] == [None]
    opened.engine.finish()
