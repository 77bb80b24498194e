"""The advanced section: where to compute, which weights, what they say of themselves, how the engine is."""

import html
import os

import ctk
import qt
from slicer.i18n import tr as _

from CarotidLandmarkLib.errors import CarotidLandmarkError

from .panelBindings import selectDevice
from .panelWeights import installedWeights


class AdvancedPanel:
    """Shows the weights' model card, the devices and the state of the engine. choose() takes the weights as they are in
    their field."""

    def __init__(self, ui, engine, choose):
        self.ui = ui
        self.engine = engine
        self.choose = choose
        self.card = None
        self.warnings = {}  # SHA-256 of the weights -> what the engine warns of
        engine.onDescription = self.onDescription
        ui.weightsEdit.filters = ctk.ctkPathLineEdit.Files
        ui.weightsEdit.nameFilters = ["*.safetensors"]
        ui.modelCombo.connect("activated(int)", self.chooseModel)
        self.showDevices([])
        ui.logButton.connect("clicked()", self.openLog)

    def onDescription(self, devices, model):
        """Take in where the engine can compute and what it warns of in the weights that it was asked about."""
        self.showDevices(devices)
        self.warnings[model.get("sha256")] = [str(warning) for warning in model.get("warnings") or []]
        if self.card is not None:
            self.showCard(self.card)

    def showDevices(self, devices):
        """Offer the engine's devices, as list_devices() gives them; the chosen one stays."""
        combo = self.ui.deviceCombo
        chosen = combo.itemData(combo.currentIndex) if combo.count else "auto"
        wasBlocked = combo.blockSignals(True)
        combo.clear()
        combo.addItem(_("Automatic"), "auto")
        for device in devices or [{"device": "cpu", "text": _("CPU")}]:
            combo.addItem(device["text"], device["device"])
        selectDevice(combo, chosen)
        combo.blockSignals(wasBlocked)

    def showModels(self, chosen):
        """Offer the weights that are installed; `chosen`, a path, is theirs or of another file."""
        combo = self.ui.modelCombo
        combo.clear()
        try:
            for text, path in installedWeights():
                combo.addItem(text, path)
        except CarotidLandmarkError as error:
            combo.addItem(str(error), "")
        if combo.findData(chosen) < 0:
            combo.addItem(_("another file"), chosen)
        combo.setCurrentIndex(combo.findData(chosen))

    def chooseModel(self, index):
        """Take the weights that were chosen in the list."""
        path = self.ui.modelCombo.itemData(index)
        isThere = self.ui.weightsEdit.currentPath == path
        self.ui.weightsEdit.currentPath = path
        if isThere:  # the field tells of nothing, but it is a choice
            self.choose()

    def showCard(self, card):
        """Show a WeightsCard, and with it what the engine warns of."""
        self.card = card
        limits = card.limits or [_("No card lies beside this file, so its limits are not known.")]
        title = html.escape(f"{card.name} {card.version}")
        data = html.escape(_("Trained on {data}").format(data=card.trainingData or _("data that are not named")))
        checksum = html.escape(_("SHA-256 {start}\u2026").format(start=card.sha256[:12]))
        warnings = [_("Warning: {text}").format(text=text) for text in self.warnings.get(card.sha256, [])]
        items = "".join(f"<li><b>{html.escape(warning)}</b></li>" for warning in warnings)
        items += "".join(f"<li>{html.escape(limit)}</li>" for limit in limits)
        style = "margin: 2px 0px 0px 12px; -qt-list-indent: 0"
        self.ui.cardLabel.text = f"<b>{title}</b><br>{data}<br>{checksum}<ul style='{style}'>{items}</ul>"
        self.ui.cardLabel.toolTip = card.sha256

    def showProblem(self, text):
        """Say why there is no card."""
        self.card = None
        self.ui.cardLabel.text = html.escape(text)
        self.ui.cardLabel.toolTip = ""

    def update(self):
        """Show the state of the engine in words."""
        self.ui.engineLabel.text = {
            "off": _("not running"),
            "starting": _("starting"),
            "idle": _("ready"),
            "busy": _("working"),
            "cancelling": _("cancelling"),
        }[self.engine.state]
        self.ui.logButton.enabled = os.path.isfile(self.engine.logPath)

    def openLog(self):
        """Open the engine's log in the system's viewer."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(self.engine.logPath))
