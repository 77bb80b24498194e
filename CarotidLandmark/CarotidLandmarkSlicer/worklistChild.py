"""What the worklist has done off the GUI's thread: a request to a child process, its one answer, volumes read ahead."""

import json
import os
import shutil
import tempfile

import numpy as np
import qt
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import get_vtk_array_type, vtk_to_numpy

from .coordinates import rasFromLps
from .engineChild import engineCommand, killChild, makeChild, openLog
from .volumeTransfer import FOLDER_PREFIX

SLAB_BYTES = 8 << 20
STOP_MS = 500
MODULE = "CarotidLandmarkLib.worklist.child"


class ChildRequest:
    """Asks a child process, see CarotidLandmarkLib.worklist.child; needs no engine and nothing that is not installed.

    onAnswer(dictionary) is called once, from the event loop, unless stop() comes before; what goes wrong is its
    "problem".
    """

    def __init__(self, request, onAnswer):
        program, _arguments, environment = engineCommand()
        self.logPath = os.path.join(slicer.app.temporaryPath, "CarotidLandmark-worklist.log")
        self._onAnswer = onAnswer
        self._process = makeChild(environment, openLog(self.logPath, [program, "-m", MODULE]))
        self._process.connect("finished(int,QProcess::ExitStatus)", self._onFinished)
        self._process.connect("errorOccurred(QProcess::ProcessError)", self._onError)
        self._process.start(program, ["-m", MODULE, json.dumps(request)])

    def stop(self):
        """Let go of the answer, and of the process where it still runs."""
        self._onAnswer = None
        if self._process.state() != qt.QProcess.NotRunning:
            killChild(self._process)
            self._process.waitForFinished(STOP_MS)

    def _onError(self, error):
        if error == qt.QProcess.FailedToStart:
            sentence = _("The application's Python cannot be started: install the application again.")
            self._end({"problem": sentence, "here": True})

    def _onFinished(self, code, status):
        if self._onAnswer is None:
            return
        lines = self._process.readAllStandardOutput().data().splitlines() or [b""]
        try:
            answer = dict(json.loads(lines[-1]))
        except (ValueError, TypeError):
            sentence = _("The reading has broken off; the log says why: {log}").format(log=self.logPath)
            answer = {"problem": sentence, "here": True}
        self._end(answer)

    def _end(self, answer):
        onAnswer, self._onAnswer = self._onAnswer, None
        if onAnswer is not None:
            onAnswer(answer)


class ReadVolume:
    """A case's volume on its way into memory: read by a child, then taken over a slab at a time from the event loop.

    ``problem`` is a sentence, "" while there is none, and ``isHere`` tells whether it is one of this computer (disk,
    memory) and not of the volume. When ``isReady``: ``image`` (vtkImageData), ``ijkToRas`` (4, 4),
    ``warnings`` (sentences), ``files``, those that it was read from, and ``changed``, whether the volume is not the one
    that the case's result is of.
    onEnd(self) is called once, when it is ready or has a problem, not after stop().
    """

    def __init__(self, case, onEnd):
        self.case = case
        self.problem = ""
        self.isHere = False
        self.isReady = False
        self.image = self.ijkToRas = None
        self.warnings, self.files, self.changed = [], [], False
        self._onEnd = onEnd
        self._file = None
        self._timer = qt.QTimer()
        self._timer.interval = 0
        self._timer.connect("timeout()", self._readSlab)
        self._request = None
        self._folder = tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=slicer.app.temporaryPath)
        request = {"command": "read", "folder": self._folder}
        request.update({name: getattr(case, name) for name in ("volume", "series", "sha256")})
        self._request = ChildRequest(request, self._onAnswer)

    def stop(self):
        """Let go of everything but the image."""
        self._onEnd = lambda read: None
        self._clear()

    def _onAnswer(self, answer):
        if "problem" in answer:
            self._end(answer["problem"], answer["here"])
            return
        self.warnings, self.files, self.changed = answer["warnings"], answer["files"], answer["changed"]
        self.ijkToRas = np.array(answer["affine"])
        self.ijkToRas[:3] = rasFromLps(self.ijkToRas[:3].T).T
        self.image = vtk.vtkImageData()
        self.image.SetDimensions(*answer["size"])
        self.image.AllocateScalars(get_vtk_array_type(np.dtype(answer["type"])), 1)
        self._rest = memoryview(vtk_to_numpy(self.image.GetPointData().GetScalars())).cast("B")
        try:
            self._file = open(answer["file"], "rb", buffering=0)  # noqa: SIM115 (it is read by the timer)
        except OSError as error:
            self._end(str(error), True)
        else:
            self._timer.start()

    def _readSlab(self):
        try:
            count = self._file.readinto(self._rest[:SLAB_BYTES])
        except OSError as error:
            self._end(str(error), True)
            return
        self._rest = self._rest[count:]
        if not self._rest or not count:
            self._end(_("The volume's copy was cut off; choose the case again.") if self._rest else "", True)

    def _end(self, problem, isHere):
        self.problem, self.isHere, self.isReady = problem, isHere, not problem
        self._clear()
        self._onEnd(self)

    def _clear(self):
        self._timer.stop()
        self._rest = None
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._request is not None:
            self._request.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


class VolumesAhead:
    """Two volumes at most: the one that is wanted, and the one that will be wanted next.

    onRead(ReadVolume) is called when the one that is wanted is there, onProblem(case, sentence, isHere) for either that
    cannot be read.
    """

    def __init__(self, onRead, onProblem):
        self.onRead = onRead
        self.onProblem = onProblem
        self.wanted = None  # a case
        self._reads = {}  # a case's name -> ReadVolume

    def want(self, case):
        """Have this case read, or taken from what was read ahead; what is read for another stops."""
        self.wanted = case
        read = self._reads.get(case.name)
        self._keep(case)
        if read is None:
            self._begin(case)
        elif read.isReady:
            self._onEnd(read)

    def prepare(self, case):
        """Read this case ahead, or with None no case."""
        self._keep(*filter(None, (self.wanted, case)))
        if case is not None and case.name not in self._reads:
            self._begin(case)

    def stop(self):
        """Let go of all."""
        self.wanted = None
        self._keep()

    def _keep(self, *cases):
        names = [case.name for case in cases]
        for name in [name for name in self._reads if name not in names]:
            self._reads.pop(name).stop()

    def _begin(self, case):
        try:
            read = ReadVolume(case, self._onEnd)
            if not read.problem:  # as where no process starts at all
                self._reads[case.name] = read
        except OSError as error:
            sentence = _("There is no room for the volume in {folder} ({reason}): free some space.")
            self._fail(case, sentence.format(folder=slicer.app.temporaryPath, reason=error.strerror or error), True)

    def _onEnd(self, read):
        if read.problem:
            self._fail(read.case, read.problem, read.isHere)
        elif self.wanted is not None and read.case.name == self.wanted.name:
            self.wanted = None
            del self._reads[read.case.name]
            self.onRead(read)

    def _fail(self, case, sentence, isHere):
        self._reads.pop(case.name, None)
        if self.wanted is not None and case.name == self.wanted.name:
            self.wanted = None
        self.onProblem(case, sentence, isHere)
