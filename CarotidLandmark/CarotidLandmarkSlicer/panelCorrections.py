"""The corrections section: export of what the reader decided, import of earlier points."""

import os
from contextlib import contextmanager

import ctk
import qt
import slicer
from slicer.i18n import tr as _

from CarotidLandmarkLib.errors import CarotidLandmarkError

from .landmarkRecord import LandmarkRecord


class CorrectionsPanel:
    """Exports and imports the corrections of one landmark node. say(message, failed) is told how it went."""

    def __init__(self, ui, exporter, say):
        self.ui = ui
        self.exporter = exporter
        self.say = say
        self.landmarkNode = None
        self.isDecided = False
        self.isTakenBack = False
        self._counted = None, ""  # a folder, and what was said of it
        ui.folderEdit.filters = ctk.ctkPathLineEdit.Dirs
        ui.exportButton.connect("clicked()", self.exportCorrections)
        ui.importButton.connect("clicked()", self.importCorrections)

    def show(self, landmarkNode, reviews):
        """Offer a node with its LandmarkReviews, or None and none."""
        self.landmarkNode = landmarkNode
        self.isDecided = any(review.decision != "unreviewed" for review in reviews)
        isExported = landmarkNode is None or LandmarkRecord(landmarkNode).isExported
        self.isTakenBack = not self.isDecided and not isExported
        self._show()

    def update(self):
        """Show what can be done with the node, the folder, as it is now, and the reader."""
        self._counted = None, ""
        self._show()

    def _show(self):
        ui = self.ui
        folder = ui.folderEdit.currentPath.strip()
        if self.landmarkNode is None:
            reason = _("Detect first.")
        elif self.isTakenBack:
            reason = _("What was exported before still holds your decisions: decide again and export to replace them.")
        elif not self.isDecided:
            reason = _("Decide about a landmark first: accept it, place it by hand or mark it as missing.")
        elif not folder:
            reason = _("Choose a folder first.")
        elif not os.path.isabs(folder):
            reason = _("Give the whole path of the folder, from the drive or root on.")
        elif not ui.initialsEdit.text.strip():
            reason = _("Give your initials first.")
        else:
            reason = ""
        ui.exportButton.enabled = not reason
        ui.exportButton.toolTip = reason or _("Write the prediction and what became of it to the folder.")
        ui.importButton.enabled = self.landmarkNode is not None
        ui.copyVolumeCheckBox.enabled = ui.reportCheckBox.enabled = not ui.anonymiseCheckBox.checked
        if not reason and self._counted[0] != folder:
            self._counted = folder, self._count(folder)
        ui.exportedLabel.text = reason or self._counted[1]

    def exportCorrections(self, landmarkNode=None):
        """Write the corrections of this volume, or of another one, to the folder; return whether that could be done."""
        ui = self.ui
        path = None
        with self._sentences():
            path = self.exporter.export(
                landmarkNode or self.landmarkNode,
                ui.folderEdit.currentPath.strip(),
                ui.initialsEdit.text.strip(),
                anonymise=ui.anonymiseCheckBox.checked,
                copyVolume=ui.copyVolumeCheckBox.checked,
                report=ui.reportCheckBox.checked,
            )
            self.say(_("The corrections were written to {path}.").format(path=path))
        self.update()
        return path is not None

    def importCorrections(self):
        """Ask for a point file and take its points."""
        path = qt.QFileDialog.getOpenFileName(
            slicer.util.mainWindow(),
            _("Import points"),
            self.ui.folderEdit.currentPath,
            _("Points") + " (*.mrk.json *.fcsv *.dcm);;" + _("DICOM SR of any name") + " (*)",
        )
        if path:
            with self._sentences():
                note = self.exporter.importCorrections(self.landmarkNode, path)
                self.say(" ".join([_("The points were taken from {path}.").format(path=path), note]).strip())

    @contextmanager
    def _sentences(self):
        try:
            with slicer.util.WaitCursor():
                yield
        except (CarotidLandmarkError, OSError) as error:
            self.say(str(error), failed=True)

    def _count(self, folder):
        if not os.path.isdir(folder):
            return _("This folder does not exist yet; Export makes it.")
        try:
            count = self.exporter.countCases(folder)
        except (CarotidLandmarkError, OSError) as error:
            return str(error)
        return (
            _("{count} cases are in this folder.").format(count=count) if count != 1 else _("1 case is in this folder.")
        )
