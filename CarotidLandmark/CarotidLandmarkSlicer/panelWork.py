"""The upper part of the panel: does the volume fit, Detect or Cancel, how far it is, what there is to say."""

from slicer.i18n import tr as _

DETECT_STYLE = """
QPushButton { background: palette(highlight); color: palette(highlighted-text); border-radius: 4px; padding: 6px; }
QPushButton:hover { border: 1px solid palette(highlighted-text); }
QPushButton:pressed { padding-top: 8px; }
"""
MESSAGE_STYLE = """
QLabel {{ border-style: solid; border-width: 0px 0px 0px 4px; border-color: {color}; padding: 2px 0px 2px 6px; }}
"""
MESSAGE_COLORS = {False: "#2f80ed", True: "#d64545"}


class WorkPanel:
    """Shows an EngineRun."""

    def __init__(self, ui, run):
        self.ui = ui
        self.run = run
        self.fits = False

    def showVolume(self, check):
        """Show a VolumeCheck and let its volume be detected if it fits."""
        self.ui.volumeLabel.text = check.text
        self.fits = check.ok
        self.update()

    def update(self):
        """Show the run as it is now."""
        ui, run = self.ui, self.run
        ui.detectButton.text = _("Cancel") if run.busy else _("Detect")
        ui.detectButton.styleSheet = DETECT_STYLE if self.fits and not run.busy else ""
        ui.detectButton.enabled = not run.cancelling if run.busy else self.fits
        if run.busy:
            ui.detectButton.toolTip = _("Stop; nothing changes in the scene.")
        else:
            ui.detectButton.toolTip = _("Find both carotid bifurcations (D).") if self.fits else ui.volumeLabel.text
        ui.progressPanel.visible = run.busy
        ui.progressBar.value = round(run.fraction * ui.progressBar.maximum)
        if run.busy and run.volumeNode is not ui.volumeSelector.currentNode():
            ui.stepLabel.text = _("{volume}: {step}").format(volume=run.volumeNode.GetName(), step=run.text)
        else:
            ui.stepLabel.text = run.text
        ui.messageLabel.text = run.message
        ui.messageLabel.visible = bool(run.message)
        ui.messageLabel.styleSheet = MESSAGE_STYLE.format(color=MESSAGE_COLORS[run.failed])
