"""The child process of the engine: its command, how it is started and killed, its log."""

import contextlib
import os
import shutil
import signal
import sys
import time

import qt
import slicer

import CarotidLandmarkLib


def engineCommand():
    """(program, arguments, environment) of the engine: the application's Python, without the application's paths."""
    hasStartup = hasattr(slicer.app, "startupEnvironment")
    environment = dict(slicer.util.startupEnvironment() if hasStartup else os.environ)
    environment.update(
        PYTHONPATH=os.path.dirname(os.path.dirname(os.path.abspath(CarotidLandmarkLib.__file__))),
        PYTHONNOUSERSITE="1",
        PYTHONUNBUFFERED="1",
        PYTHONUTF8="1",
        PYTHONFAULTHANDLER="1",
    )
    arguments = ["-m", "CarotidLandmarkLib.detect.worker", "--exit-with-parent"]
    return shutil.which("PythonSlicer") or sys.executable, arguments, environment


def makeChild(environment, logPath):
    """Return a QProcess, not started yet, with just this environment, its stderr going to the end of the log."""
    variables = qt.QProcessEnvironment()
    for name, value in environment.items():
        variables.insert(name, value)
    process = qt.QProcess()
    process.setProcessEnvironment(variables)
    process.setStandardErrorFile(logPath, qt.QIODevice.Append)
    return process


def killChild(process, workerPid=0):
    """Kill a QProcess and, since PythonSlicer is only a launcher, the worker that it has started (0: not known)."""
    if process.state() == qt.QProcess.NotRunning:
        return
    if workerPid not in (0, process.processId()):
        with contextlib.suppress(OSError):
            os.kill(workerPid, getattr(signal, "SIGKILL", signal.SIGTERM))
    process.kill()


def openLog(path, command):
    """Begin a log with the command (list), the one before kept as "<path>.1"; return the path to write to.

    That is the null device where no log can be written.
    """
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with contextlib.suppress(OSError):
            os.replace(path, path + ".1")
        with open(path, "a", encoding="utf-8") as log:
            log.write(f"{_now()} {' '.join(command)}\n")
    except OSError:
        return qt.QProcess.nullDevice()
    return path


def writeLog(path, what):
    """Add a line about the engine, where that can be written."""
    with contextlib.suppress(OSError), open(path, "a", encoding="utf-8") as log:
        log.write(f"{_now()} engine: {what}\n")


def _now():
    return time.strftime("%Y-%m-%d %H:%M:%S")
