"""The worklist section: open a list, go from case to case, ask before decisions are lost."""

import os

import qt
import slicer
from slicer.i18n import tr as _

from CarotidLandmarkLib.worklist.worklist import FILTERS

from .landmarkRecord import LandmarkRecord
from .worklistTable import WorklistTable

FOLDER = "CarotidLandmark/worklistFolder"  # in the settings


class WorklistPanel:
    """Shows a WorklistRun. reader() returns the folder of the corrections and the initials; export(landmarkNode)
    exports and returns whether it could."""

    def __init__(self, ui, run, reader, export):
        self.ui = ui
        self.run = run
        self.reader = reader
        self.export = export
        self.table = WorklistTable(ui.worklistTable, self.choose)
        names = {
            "todo": _("To do"),
            "mine": _("Not yet done by me"),
            "all": _("All cases"),
            "review": _("Review or absent"),
            "audit": _("Audit"),
            "done": _("Done"),
        }
        for name in FILTERS:
            ui.worklistFilterCombo.addItem(names[name], name)
        ui.worklistFilterCombo.connect("currentIndexChanged(int)", self.onFilter)
        ui.openFolderButton.connect("clicked()", self.openFolder)
        ui.openTableButton.connect("clicked()", self.openTable)
        ui.nextCaseButton.connect("clicked()", lambda: self.step(1))
        ui.previousCaseButton.connect("clicked()", lambda: self.step(-1))
        run.onChanged = self.update
        self.update()

    def openFolder(self):
        """Ask for a folder of scans or of results, and open it."""
        title = _("Folder of scans, or of results of detect")
        self._open(qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title, _folder()))

    def openTable(self):
        """Ask for a table of volumes, and open it."""
        title, kinds = _("Table of volumes"), _("Tables") + " (*.csv *.tsv *.txt)"
        self._open(qt.QFileDialog.getOpenFileName(slicer.util.mainWindow(), title, _folder(), kinds))

    def step(self, count):
        """Open the next case, or with -1 the one before, once nothing of the open one can be lost."""
        if self.run.isReading:
            self.run.say(_("The list of cases is not there yet: see section Worklist."))
        elif self.run.worklist is None:
            self.run.say(_("Open a list of cases first (section Worklist)."))
        elif not self.run.follow(*self.reader()) and self.mayClose():
            self.run.step(count)

    def choose(self, name):
        """Open the case of a row that was double-clicked."""
        isHere = self.run.isThere and self.run.landmarkNode is not None
        isOpen = name == self.run.name and (isHere or self.run.coming is not None)
        if not isOpen and not self.run.isReading and not self.run.follow(*self.reader()) and self.mayClose():
            self.run.show(name)

    def mayClose(self):
        """Whether the open case may be closed: all was exported, is exported now, or is not wanted."""
        if not self.run.isUnsaved():
            return True
        buttons = qt.QMessageBox.Discard | qt.QMessageBox.Cancel
        if not self.run.isThere:
            question = _("The volume of {case} was deleted, so the decisions cannot be exported. Close it anyway?")
        elif not LandmarkRecord(self.run.landmarkNode).isDecided:
            question = _(
                "The decisions on {case} were taken back, but what was exported before still holds them. Close it "
                "anyway? To replace them, decide again and export."
            )
        else:
            question = _("The decisions on {case} are not exported. Export them before the case is closed?")
            buttons |= qt.QMessageBox.Save
        question = question.format(case=self.run.volumeNode.GetName())
        answer = qt.QMessageBox.question(slicer.util.mainWindow(), _("Carotid Landmark"), question, buttons)
        if answer == qt.QMessageBox.Save:
            return self.export(self.run.landmarkNode)
        return answer == qt.QMessageBox.Discard

    def onFilter(self, index):
        """Show other cases, and go through these."""
        self.run.choose(self.ui.worklistFilterCombo.itemData(index))

    def update(self):
        """Show the list as it is now."""
        ui, run = self.ui, self.run
        isOpen = run.worklist is not None
        ui.worklistPage.setVisible(isOpen)
        if run.isReading:
            ui.worklistLabel.text = _("Looking through {source} … Another folder or table ends that.").format(
                source=run.source
            )
        elif not isOpen:
            ui.worklistLabel.text = _(
                "A folder of scans, a table of volumes, or what detect has left of a batch, case by case. No engine is "
                "needed to review. The list keeps its place in the folder of the corrections."
            )
        else:
            ui.worklistLabel.text = self._progress()
            self.table.show(run.rows(), run.name or run.resumeAt)

    def _progress(self):
        run = self.run
        done, mine, number = run.worklist.progress()
        text = _("{done} of {number} done, {mine} by you.").format(done=done, number=number, mine=mine)
        if run.coming is not None:
            return text + " " + _("Reading {case} …").format(case=run.coming.name)
        row = run.following()
        if not run.name and row is not None:
            return text + " " + _("Next (Ctrl+N) opens {case}.").format(case=row.case.name)
        return text

    def _open(self, path):
        if path:
            qt.QSettings().setValue(FOLDER, path if os.path.isdir(path) else os.path.dirname(path))
            self.run.open(path, *self.reader())


def _folder():
    last = slicer.util.settingsValue(FOLDER, "")
    return last if os.path.isdir(last) else os.path.expanduser("~")
