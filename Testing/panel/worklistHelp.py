"""Scans and results for a worklist, and the module with that list open."""

import json

import numpy as np

from CarotidLandmarkLib.landmarks.detection import Detection, write_detection
from CarotidLandmarkLib.volume.ct import CTVolume, hash_files, write_volume
from CarotidLandmarkLib.volume.geometry import Grid
from CarotidLandmarkLib.worklist.child import answer
from Testing.host.mrmlHost import slicer
from Testing.host.pythonQtDrive import NESTED_LAYOUTS, click, pressKey, processEvents, typeText, waitUntil
from Testing.host.samples import sampleDetection
from Testing.panel.panelHelp import openModule


class InstantRequest:
    """Has the interface of ChildRequest, and no process; the answer comes with the next turn of the event loop."""

    def __init__(self, request, onAnswer):
        import qt

        self._onAnswer = onAnswer
        qt.QTimer.singleShot(0, lambda: self._answer(json.loads(json.dumps(request))))

    def stop(self):
        self._onAnswer = None

    def _answer(self, request):
        if self._onAnswer is not None:
            onAnswer, self._onAnswer = self._onAnswer, None
            onAnswer(json.loads(json.dumps(answer(request))))


def withoutProcesses(monkeypatch):
    """Let the worklist's child processes do their work in this one."""
    from CarotidLandmarkSlicer import worklistChild, worklistRun

    for room in (worklistChild, worklistRun):
        monkeypatch.setattr(room, "ChildRequest", InstantRequest)


def writeScan(path, seed, size=(60, 50, 40), low=-1000):
    """Write a CT in which the points of sampleDetection() lie; with ``low`` 0 it is none."""
    array = np.random.default_rng(seed).normal(40, 60, size[::-1]).clip(low).astype(np.int16)
    array[:, :5] = low
    write_volume(CTVolume(array, Grid(size, np.full(3, 2.0), np.array([-60.0, -60.0, 0.0]), np.eye(3))), path)


def writeBatch(folder, count, review=(), size=(60, 50, 40), firstSeed=0):
    """Write scans and results of detect, those with a number in ``review`` in doubt; return the results' folder."""
    results = folder / "results"
    results.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / "scans" / f"neck{number:02}.nrrd"
        writeScan(path, firstSeed + number, size)
        told = sampleDetection(rightStatus="review" if number in review else "found")
        volume = {"path": str(path), "sha256": hash_files([path]), "series_uid": None}
        told.update(case=path.stem, volume=volume)
        write_detection(results / f"{path.stem}.detection.json", Detection.from_dict(told))
    return results


def openList(opened, source, folder, initials="QA", wait=True):
    """Give folder and initials, and open the list as a user does."""
    ui = opened.ui
    ui.folderEdit.currentPath = str(folder)
    ui.initialsEdit.clear()
    typeText(ui.initialsEdit, initials)
    ui.worklistSection.collapsed = False
    processEvents()
    opened.host.dialogs.answer(str(source))
    click(ui.openFolderButton)
    if wait:
        waitUntil(lambda: not opened.logic.worklist.isReading, 60)
        processEvents()


def arrive(opened, name):
    """Wait until that case is in the scene."""
    run = opened.logic.worklist
    waitUntil(lambda: run.volumeNode is not None and run.volumeNode.GetName() == name, 60)
    processEvents()


def rows(opened):
    """The texts of the list, by case; of a case with a problem that stands below its name, it and no others."""
    table = opened.ui.worklistTable
    texts = [[table.item(row, column).text() for column in range(4)] for row in range(table.rowCount)]
    cases = [(text[0].split("\n"), text[1:]) for text in texts]
    return {name: said + others[len(said) :] for (name, *said), others in cases}


def order(opened):
    return [row.case.name for row in opened.logic.worklist.worklist.rows("todo")]


def pressNext(opened, key="Ctrl+N"):
    pressKey(opened.ui.worklistTable, key)


def acceptBoth(opened):
    for _side in range(2):
        click(opened.ui.acceptButton)
        pressKey(opened.ui.landmarkTable, "N")


def exportBoth(opened):
    acceptBoth(opened)
    click(opened.ui.exportButton)


def readyNext(opened):
    """Wait until the next case has been read ahead; return its name."""
    run = opened.logic.worklist
    waitUntil(lambda: any(read.isReady for read in run._ahead._reads.values()), 60)
    return next(read.case.name for read in run._ahead._reads.values() if read.isReady)


def volumes():
    return [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")]


def settle():
    for _level in range(2 * NESTED_LAYOUTS):
        processEvents()


def openForWorklist(qtHost, monkeypatch):
    """For a fixture: the module, entered, with one CT in the scene; no processes are started."""
    withoutProcesses(monkeypatch)
    return openModule(qtHost, monkeypatch)


def openBatch(opened, tmp_path):
    """For a fixture: four cases, of which neck01 and neck02 are in doubt, and one of the others is for audit."""
    opened.corrections = tmp_path / "corrections"
    opened.source = writeBatch(tmp_path, 4, review=(1, 2))
    openList(opened, opened.source, opened.corrections)
    return opened
