"""Rooms of the module that do what a test says: an engine that answers when it is told to, an installation."""

from types import SimpleNamespace

from Testing.host.samples import sampleDetection


class ScriptedEngine:
    """Has the interface of EngineProcess; the test lets it answer. request is that of the detection under way."""

    def __init__(self, logPath="/nowhere/engine.log"):
        self.logPath = logPath
        self.state = "off"
        self.note = ""
        self.lumens = {}
        self.request = None
        self.requests = []
        self.commands = []
        self.stopped = 0
        self.described = []  # the weights that were asked about
        self.onProgress = self.onResult = self.onError = self.onCancelled = None
        self.onPicture = self.onStateChanged = self.onDescription = None

    def detect(self, request):
        self._begin("detect", request)

    def draw(self, request):
        self._begin("picture", request)

    def _begin(self, command, request):
        assert self.request is None
        self.commands.append(command)
        self.requests.append(request)
        self.request = request
        self._enter("busy")

    def describe(self, weights=None):
        self.described.append(weights)

    def cancel(self):
        if self.request is not None:
            self._enter("cancelling")

    def stop(self):
        self.request = None
        self.state = "off"
        self.stopped += 1

    def progress(self, text, fraction):
        self.onProgress(text, fraction)

    def finish(self, detection=None, lumens=None):
        """The result has come, or the cancellation has worked."""
        if self.state == "cancelling":
            self._end(self.onCancelled)
        else:
            self.lumens = lumens or {}
            self._end(self.onResult, detection or sampleDetection())

    def finishPicture(self):
        """The picture is written, or the cancellation has worked."""
        if self.state == "cancelling":
            self._end(self.onCancelled)
        else:
            self._end(self.onPicture, self.request["output"])

    def fail(self, message):
        self._end(self.onError, message)

    def _end(self, callback, *values):
        self.request = None
        self._enter("idle")
        callback(*values)

    def _enter(self, state):
        self.state = state
        self.onStateChanged(state)


class InstantTransfer:
    """Has the interface of VolumeTransfer; the volume is at "/volume.nrrd" at once, unless a test holds it back."""

    isHeld = False
    problem = ""

    def __init__(self, volumeNode):
        self.volumeNode = volumeNode
        self.reference = {"path": "/data/neck.nrrd", "series_uid": None}
        self.isRemoved = False

    def start(self, onWritten, onFailed):
        self.onWritten = onWritten
        if self.problem:
            onFailed(self.problem)
        elif not self.isHeld:
            onWritten("/volume.nrrd")

    def remove(self):
        self.isRemoved = True


def installed(ok=True, reason=""):
    """An installation that has all it needs, or fails for a reason."""
    return SimpleNamespace(
        missingPackages=lambda: [] if ok else ["openvino"],
        install=lambda ask: SimpleNamespace(ok=ok, reason=reason),
    )
