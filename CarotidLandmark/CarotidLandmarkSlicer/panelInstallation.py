"""The question before an installation: download, take wheels from a folder, or leave it."""

import ctk
import qt
import slicer
from slicer.i18n import tr as _

FOLDER = "CarotidLandmark/wheelsFolder"  # in the settings


def askForSource(question):
    """Show the question; return "" for a download, the path of the folder that was chosen, or None.

    While the application tests itself nobody can answer, and it is a download.
    """
    if slicer.app.testingEnabled():
        return ""
    box = ctk.ctkMessageBox(slicer.util.mainWindow())
    box.windowTitle = _("Carotid Landmark")
    box.icon = qt.QMessageBox.Question
    box.text = question
    download = box.addButton(_("Download"), qt.QMessageBox.AcceptRole)
    folder = box.addButton(_("From a folder\u2026"), qt.QMessageBox.ActionRole)
    box.addButton(qt.QMessageBox.Cancel)
    box.setDefaultButton(download)
    box.exec_()
    clicked = box.clickedButton()
    box.deleteLater()
    if clicked == download:
        return ""
    if clicked != folder:
        return None
    last = slicer.util.settingsValue(FOLDER, "")
    path = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Folder with wheels"), last)
    if path:
        qt.QSettings().setValue(FOLDER, path)
    return path or None
