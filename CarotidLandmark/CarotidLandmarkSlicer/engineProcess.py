"""The engine in a child process: requests go in, events come out, and every way to fail becomes one sentence."""

import json

import qt
from slicer.i18n import tr as _

from .engineChild import killChild, makeChild, openLog, writeLog
from .engineProtocol import LONGEST_LINE, PROTOCOL, parseEvent

STOP_MS = 500


class EngineProcess:
    """Starts the worker when it is first needed, keeps it warm, and ends it after some idle minutes.

    program, arguments, environment: of the child, see engineChild.engineCommand(). logPath: where its stderr goes; the
    log of the start before is kept beside it, as "<logPath>.1".

    `state` is "off", "starting", "idle", "busy" or "cancelling". `note` is a sentence about the last run, or "".
    `lumens` are those of the last result, by side, as CarotidLandmarkLib.landmarks.forks.Lumen packs them.
    The on... attributes are called from the event loop; after detect() or draw() one of onResult(detection),
    onPicture(file), onError(sentence) and onCancelled() is called, once. onError also comes by itself when describe()
    finds no engine. Whatever goes wrong, detect() and draw() work again at once.
    """

    def __init__(
        self,
        program,
        arguments,
        environment,
        logPath,
        idleMinutes=10,
        heartbeatTimeoutS=20,
        cancelTimeoutS=0.8,
        startTimeoutS=120,
    ):
        self.program, self.arguments, self.environment = program, list(arguments), environment
        self.logPath = logPath
        self.onProgress = self.onResult = self.onError = self.onCancelled = _nothing
        self.onPicture = self.onStateChanged = self.onDescription = _nothing
        self.state = "off"
        self.note = ""
        self.lumens = {}
        # an alarm rings twice before it counts: after the GUI was blocked it can ring before the child's news are read
        self._alarmMs = {
            "starting": int(startTimeoutS * 500),
            "idle": int(idleMinutes * 60_000),
            "busy": int(heartbeatTimeoutS * 500),
            "cancelling": int(cancelTimeoutS * 1000),
        }
        self._alarm = qt.QTimer()
        self._alarm.setSingleShot(True)
        self._alarm.connect("timeout()", self._onAlarm)
        self._rings = 0
        self._process = None
        self._children = []  # those too that were killed, until they are gone
        self._generation = 0
        self._workerPid = 0
        self._buffer = b""
        self._number = 0
        self._request = None
        self._sent = False
        self._questions = []

    def detect(self, request):
        """Ask for a detection: {"path", and if wanted "case", "samples", "confidence", "seed", "device", "weights",
        "fork"}.

        "temporary": True where the file at "path" may go with its folder, should the application die. Sentences name
        the "case" instead of the path.
        """
        self._ask("detect", request)

    def draw(self, request):
        """Ask for a key image: {"path", "case", "detection", "readings", "output"} and, if wanted, "temporary".

        See CarotidLandmarkLib.detect.worker; path, case and temporary are as in detect().
        """
        self._ask("picture", request)

    def _ask(self, command, request):
        if self._request is not None:
            raise RuntimeError("a request is under way: cancel() it first")
        self._number += 1
        self._request = {**request, "id": self._number, "command": command}
        self._sent = False
        self.note = ""
        if self.state == "off":
            self._start()
        elif self.state == "idle":
            self._enter("busy")
        self._send()

    def describe(self, weights=None):
        """Ask for the devices and for what the weights (a path, None: those of the package) say of themselves.

        onDescription(devices, model) is called with lists and dictionaries as CarotidLandmarkLib.detect.worker has
        them; model["problem"] is a sentence where the weights cannot be used.
        """
        self._number += 1
        self._questions.append({"id": self._number, "command": "describe", "weights": weights})
        if self.state == "off":
            self._start()
        self._send()

    def cancel(self):
        """End what was asked for last: within cancelTimeoutS, then by force. Does nothing where there is none."""
        if self._request is None or self.state == "cancelling":
            return
        if self._sent:
            self._write({"id": self._request["id"], "command": "cancel"})
            self._enter("cancelling")
        else:
            self._end(self.onCancelled)

    def stop(self):
        """End the child and wait until it is gone, a second at most. No callback is called."""
        self._request = None
        self._questions = []
        self._process = None
        for process in self._children:
            process.closeWriteChannel()
            if not process.waitForFinished(STOP_MS):
                killChild(process, self._workerOf(process))
                process.waitForFinished(STOP_MS)
        self._children = []
        self._alarm.stop()
        self.state = "off"

    def _start(self):
        self._generation += 1
        generation = self._generation
        self._children = [process for process in self._children if process.state() != qt.QProcess.NotRunning]
        self._buffer, self._workerPid = b"", 0
        process = makeChild(self.environment, openLog(self.logPath, [self.program, *self.arguments]))
        process.connect("readyReadStandardOutput()", lambda: self._onOutput(generation))
        process.connect(
            "finished(int,QProcess::ExitStatus)", lambda code, status: self._onFinished(generation, code, status)
        )
        process.connect("errorOccurred(QProcess::ProcessError)", lambda error: self._onProcessError(generation, error))
        self._process = process
        self._children.append(process)
        self._enter("starting")
        process.start(self.program, self.arguments)

    def _send(self):
        if self.state in ("off", "starting"):
            return
        for question in self._questions:
            if not question.get("sent"):
                self._write(question)
                question["sent"] = True
        if self._request is not None and not self._sent:
            self._write(self._request)
            self._sent = True

    def _write(self, values):
        self._process.write((json.dumps(values) + "\n").encode())

    # what the child says

    def _onOutput(self, generation):
        if not self._isCurrent(generation):
            return
        self._buffer += self._process.readAllStandardOutput().data()
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            if self._isCurrent(generation):
                self._onLine(line)
        if self._isCurrent(generation) and len(self._buffer) > LONGEST_LINE:
            self._onLine(self._buffer)

    def _onLine(self, line):
        event = parseEvent(line)
        if event is None or (self.state == "starting") != (event.get("event") == "hello"):
            writeLog(self.logPath, line[:200])
            self._fail(_("The engine has sent something that is no answer and was ended; the log says what: {log}"))
            return
        if self.state == "busy":
            self._setAlarm()
        kind, request = event["event"], self._request
        if kind == "hello":
            self._onHello(event)
        elif kind == "description":
            self._onDescribed(event)
        elif request is None or not self._sent or event.get("id") not in (request["id"], None):
            return
        elif kind == "progress" and self.state == "busy":
            self.onProgress(event["text"], event["fraction"])
        elif kind == "cancelled" or (kind in ("result", "picture", "error") and self.state == "cancelling"):
            self._end(self.onCancelled)
        elif kind == "result":
            self.lumens = event.get("lumens", {})
            self._end(self.onResult, event["detection"])
        elif kind == "picture":
            self._end(self.onPicture, event["file"])
        elif kind == "error":
            self._onEngineError(event)

    def _onHello(self, event):
        if event["protocol"] != PROTOCOL:
            writeLog(self.logPath, f"{event['protocol']} instead of {PROTOCOL}")
            self._fail(_("The engine is of another version than the module: install the extension again. Log: {log}"))
            return
        self._workerPid = event["pid"]
        self._enter("idle" if self._request is None else "busy")
        self._send()

    def _onDescribed(self, event):
        if any(question["id"] == event["id"] for question in self._questions):
            self._questions = [question for question in self._questions if question["id"] != event["id"]]
            self.onDescription(event["devices"], event["model"])

    def _onEngineError(self, event):
        onGpu = event.get("device") != "cpu" and self._request.get("device") != "cpu"
        if event.get("reason") == "out_of_memory" and onGpu and self._request["command"] == "detect":
            self._number += 1
            self._request.update(id=self._number, device="cpu")
            self._sent = False
            self.note = _("Computed on the CPU, since the memory of the GPU ran out.")
            self.onProgress(_("the memory of the GPU ran out: once more on the CPU"), 0.0)
            self._send()
            return
        self.note = ""
        path = self._request["path"]
        self._end(self.onError, event["message"].replace(path, self._request.get("case") or path))

    # how it ends

    def _onAlarm(self):
        self._rings += 1
        if self.state in ("starting", "busy") and self._rings < 2:
            self._alarm.start(self._alarmMs[self.state])
        elif self.state == "starting":
            self._fail(_("The engine did not start in time and was ended; the log says how far it came: {log}"))
        elif self.state == "busy":
            self._fail(_("The engine has stopped answering and was ended; try again. Log: {log}"))
        elif self.state == "cancelling":
            self._discard()
            self._end(self.onCancelled)
        elif self.state == "idle":
            self._discard()

    def _onProcessError(self, generation, error):
        if self._isCurrent(generation) and error == qt.QProcess.FailedToStart:
            writeLog(self.logPath, f"{self.program} cannot be started")
            self._fail(_("The engine's Python cannot be started: install the application again. Log: {log}"))

    def _onFinished(self, generation, exitCode, exitStatus):
        self._onOutput(generation)
        if not self._isCurrent(generation):
            return
        writeLog(
            self.logPath,
            f"ended with exit code {exitCode}" + (", crashed" if exitStatus == qt.QProcess.CrashExit else ""),
        )
        if self.state == "starting":
            self._fail(_("The engine ended while it started; the log says why: {log}"))
        else:
            self._fail(_("The engine has crashed or was ended, perhaps for lack of memory; try again. Log: {log}"))

    def _fail(self, sentence):
        wasCancelling = self.state == "cancelling"
        wasNeeded = self._request is not None or self._questions
        self._discard()
        if wasCancelling:
            self._end(self.onCancelled)
        elif wasNeeded:
            self._end(self.onError, sentence.format(log=self.logPath))

    def _end(self, callback, *values):
        """The run is over; `callback` may start the next."""
        self._request = None
        if self.state in ("busy", "cancelling"):
            self._enter("idle")
        callback(*values)

    def _discard(self):
        process, self._process = self._process, None
        self._questions = []
        killChild(process, self._workerOf(process))
        self._enter("off")

    def _workerOf(self, process):
        return self._workerPid if process is self._children[-1] else 0

    def _isCurrent(self, generation):
        return self._process is not None and generation == self._generation

    def _enter(self, state):
        changed = state != self.state
        self.state = state
        self._setAlarm()
        if changed:
            self.onStateChanged(state)

    def _setAlarm(self):
        self._rings = 0
        self._alarm.stop()
        if self.state != "off":
            self._alarm.start(self._alarmMs[self.state])


def _nothing(*values):
    pass
