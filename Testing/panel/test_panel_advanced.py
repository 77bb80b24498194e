"""The advanced section: devices, weights and their card, the engine's state and log."""

import hashlib
import json
import shutil

import pytest

from CarotidLandmarkLib.errors import BadInputError
from Testing.host.pythonQtDrive import click, typeText
from Testing.panel.panelHelp import openModule

from CarotidLandmarkSlicer.panelWeights import bundledWeights, readWeights  # isort: skip (the host puts it on the path)

opened = pytest.fixture(openModule)


@pytest.fixture
def advanced(opened):
    opened.ui.advancedSection.collapsed = False
    return opened


@pytest.fixture
def weights(tmp_path):
    return str(shutil.copy(bundledWeights(), tmp_path / "mine.safetensors"))


def bundledName():
    header = readWeights("")
    return f"{header.name} {header.version}"


def test_the_card_of_the_bundled_weights_is_in_view(advanced):
    text = advanced.ui.cardLabel.text
    assert bundledName() in text and "phantoms" in text and "Never shown a real scan." in text
    assert "`" not in text and "*" not in text
    with open(bundledWeights(), "rb") as file:
        assert hashlib.sha256(file.read()).hexdigest() == advanced.ui.cardLabel.toolTip


def test_a_file_is_used_with_the_checksum_it_was_chosen_with(advanced, weights):
    advanced.ui.weightsEdit.currentPath = weights
    assert bundledName() in advanced.ui.cardLabel.text and "not known" in advanced.ui.cardLabel.text
    click(advanced.ui.detectButton)
    assert advanced.engine.requests[0]["weights"] == weights
    advanced.engine.finish()
    with open(weights, "ab") as file:
        file.write(b"\0")
    click(advanced.ui.detectButton)
    assert "has changed since it was chosen" in advanced.message and advanced.run.failed
    assert len(advanced.engine.requests) == 1 and not advanced.run.busy
    advanced.ui.weightsEdit.currentPath = ""
    click(advanced.ui.detectButton)
    assert advanced.engine.requests[1]["weights"] is None


def test_a_file_that_a_manifest_lists_must_match_it(weights, tmp_path):
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"mine.safetensors": "0" * 64}))
    with pytest.raises(BadInputError, match="does not match its checksum"):
        readWeights(weights)
    manifest.write_text(json.dumps({"mine.safetensors": readWeights("").sha256}))
    assert readWeights(weights).name == "default"


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 8, b"\x02" + b"\0" * 7 + b"{}", b"just some text, longer than a header"]
)
def test_what_holds_no_weights_is_refused_in_words(advanced, tmp_path, content):
    path = tmp_path / "other.safetensors"
    path.write_bytes(content)
    advanced.ui.weightsEdit.currentPath = str(path)
    assert "holds no weights of CarotidLandmark" in advanced.ui.cardLabel.text
    click(advanced.ui.detectButton)
    assert "holds no weights" in advanced.message and not advanced.run.busy


def test_a_file_that_is_not_there_is_said(advanced, tmp_path):
    advanced.ui.weightsEdit.currentPath = str(tmp_path / "gone.safetensors")
    assert "cannot be read" in advanced.ui.cardLabel.text


@pytest.mark.parametrize("text", ["a", "weights.safetensors", "/dev/null", "/tmp"])
def test_what_is_no_whole_path_of_a_file_is_refused_in_words(advanced, text):
    advanced.ui.weightsEdit.currentPath = text
    assert advanced.ui.cardLabel.text == f"{text} is not the whole path of a weights file; choose one."
    click(advanced.ui.detectButton)
    assert advanced.message == advanced.ui.cardLabel.text and not advanced.run.busy


def test_an_emptied_field_means_the_bundled_weights(advanced, weights):
    edit = advanced.ui.weightsEdit.comboBox()
    typeText(edit, weights)
    assert "not known" in advanced.ui.cardLabel.text
    edit.clearEditText()
    assert "Never shown a real scan." in advanced.ui.cardLabel.text
    assert advanced.logic.getParameterNode().GetParameter("weights") == ""


def test_what_the_engine_warns_of_is_in_the_card_of_the_weights_it_is_about(advanced, weights):
    warning = "The ellipsoids rest on 24 cases only: <300."
    model = {"sha256": readWeights("").sha256, "calibration_cases": 24, "warnings": [warning]}
    advanced.engine.onDescription([], {**model, "sha256": "0" * 64})
    assert "Warning" not in advanced.ui.cardLabel.text
    advanced.engine.onDescription([], model)
    assert "Warning: The ellipsoids rest on 24 cases only: &lt;300." in advanced.ui.cardLabel.text
    advanced.engine.onDescription([], {**model, "calibration_cases": 400, "warnings": []})
    assert "Warning" not in advanced.ui.cardLabel.text
    advanced.engine.onDescription([], {"path": weights, "problem": "It cannot be read."})
    advanced.ui.weightsEdit.currentPath = weights
    assert advanced.engine.described == [None, weights]


def test_devices_come_from_the_engine_once_the_section_is_open(opened):
    assert opened.engine.described == []
    opened.ui.advancedSection.collapsed = False
    assert opened.engine.described == [None]
    opened.engine.onDescription([{"device": "cuda:0", "text": "A GPU, 8 GB"}, {"device": "cpu", "text": "CPU"}], {})
    opened.ui.deviceCombo.currentIndex = 1
    click(opened.ui.detectButton)
    assert opened.engine.requests[0]["device"] == "cuda:0"


def test_devices_are_not_asked_for_before_the_packages_are_there(opened):
    opened.logic.installation.missingPackages = lambda: ["openvino"]
    opened.ui.advancedSection.collapsed = False
    assert opened.engine.described == []


def test_the_state_of_the_engine_in_words(advanced):
    label = advanced.ui.engineLabel
    assert label.text == "not running"
    click(advanced.ui.detectButton)
    assert label.text == "working"
    click(advanced.ui.detectButton)
    assert label.text == "cancelling"
    advanced.engine.finish()
    assert label.text == "ready"


def test_the_log_is_opened(advanced, tmp_path):
    log = tmp_path / "engine.log"
    advanced.engine.logPath = str(log)  # the host's own may have been written by another test's engine
    advanced.panel.updateWork()
    assert not advanced.ui.logButton.enabled
    log.write_text("started")
    advanced.panel.updateWork()
    click(advanced.ui.logButton)
    assert advanced.host.dialogs.shown[-1].text == log.as_uri()
