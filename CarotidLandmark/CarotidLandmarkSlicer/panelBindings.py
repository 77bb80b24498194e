"""Widgets of the panel that show and change one parameter each."""

from typing import Any, Callable, NamedTuple


class Binding(NamedTuple):
    """How one parameter is read from its widget and written to it; the sender emits the signal at every change."""

    sender: Any
    signal: str
    read: Callable
    write: Callable


def bindParameters(ui):
    """Return the Bindings of the panel by the names in PanelParameters."""
    return {
        "device": Binding(
            ui.deviceCombo,
            "currentIndexChanged(int)",
            lambda: ui.deviceCombo.itemData(ui.deviceCombo.currentIndex),
            lambda device: selectDevice(ui.deviceCombo, device),
        ),
        "samples": _spinBox(ui.samplesSpin),
        "seed": _spinBox(ui.seedSpin),
        "weights": _path(ui.weightsEdit),
        "uncertaintyVisible": _checkBox(ui.uncertaintyCheckBox),
        "opacity": _percent(ui.opacitySlider),
        "confidence": _percent(ui.confidenceSlider),
        "colorByStatus": _checkBox(ui.colorCheckBox),
        "correctionsFolder": _path(ui.folderEdit),
        "initials": Binding(
            ui.initialsEdit,
            "textEdited(QString)",
            lambda: ui.initialsEdit.text.strip(),
            ui.initialsEdit.setText,
        ),
        "anonymise": _checkBox(ui.anonymiseCheckBox),
        "copyVolume": _checkBox(ui.copyVolumeCheckBox),
        "dicomReport": _checkBox(ui.reportCheckBox),
        "fork": _checkBox(ui.forkCheckBox),
        "lumenVisible": _checkBox(ui.lumenCheckBox),
        "centrelinesVisible": _checkBox(ui.centrelinesCheckBox),
    }


def selectDevice(combo, device):
    """Show the device; one that this machine does not list is added by its name."""
    if combo.findData(device) < 0:
        combo.addItem(device, device)
    combo.setCurrentIndex(combo.findData(device))


def _checkBox(box):
    return Binding(box, "toggled(bool)", lambda: box.checked, box.setChecked)


def _spinBox(spin):
    return Binding(spin, "valueChanged(int)", lambda: spin.value, spin.setValue)


def _percent(slider):
    return Binding(
        slider,
        "valueChanged(double)",
        lambda: round(slider.value) / 100,
        lambda fraction: slider.setValue(100 * fraction),
    )


def _path(edit):
    """currentPathChanged says nothing of an emptied field, nor of names that the filters do not have."""
    return Binding(edit.comboBox(), "editTextChanged(QString)", lambda: edit.currentPath.strip(), edit.setCurrentPath)
