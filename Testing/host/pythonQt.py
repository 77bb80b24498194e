"""Stands in for the GUI of 3D Slicer: ``qt``, ``ctk`` and what of ``slicer`` needs them, over PySide6, off screen.

``installQtHost()`` puts them into ``sys.modules`` and ``slicer``; the rules are those of PythonQt and stricter (see
``pythonQtProxy``). Whatever goes wrong in a callback is kept and raised by ``host.check()``, which the fixture
``qtHost`` calls after each test.
"""

import ctypes
import os
import sys
import tempfile
import types

import slicer
from PySide6.QtCore import QCoreApplication, QSettings, QtMsgType, qInstallMessageHandler
from PySide6.QtWidgets import QApplication, QMainWindow

from Testing.host import (
    mrmlHost,
    pythonQtCtk,
    pythonQtCtkInputs,
    pythonQtDialogs,
    pythonQtModule,
    pythonQtMrml,
    pythonQtUi,
)
from Testing.host.pythonQtConvert import toPython, toQt
from Testing.host.pythonQtDrive import processEvents
from Testing.host.pythonQtMembers import overrides, staticOverrides
from Testing.host.pythonQtProxy import Method, QtModule, classOf, wrap
from Testing.host.pythonQtSignals import callbackErrors, recordError

_HARMLESS = ("propagateSizeHints", "This plugin does not support", "XDG_RUNTIME_DIR")


class QtWarning(Exception):
    """A warning that Qt printed."""


class QtHost:
    """The application's GUI in this process."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="CarotidLandmark-qt-")
        self.dialogs = pythonQtDialogs.dialogs
        self._modules = []
        self.signals = pythonQtModule.qSlicerApplication()
        QCoreApplication.setOrganizationName("CarotidLandmarkTest")
        QCoreApplication.setApplicationName("Slicer")
        QSettings.setDefaultFormat(QSettings.Format.IniFormat)
        QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, self._folder.name)
        self.application = QApplication.instance() or QApplication(["Slicer"])
        self.application.setStyle("Fusion")
        self.mainWindow = QMainWindow()
        self.mainWindow.setObjectName("qSlicerMainWindow")
        qInstallMessageHandler(self._message)
        sys.excepthook = lambda kind, error, trace: recordError(error)

    def _message(self, kind, context, text):
        print(f"Qt: {text}", file=sys.stderr)
        if kind != QtMsgType.QtDebugMsg and kind != QtMsgType.QtInfoMsg and not any(each in text for each in _HARMLESS):
            callbackErrors.append(QtWarning(text))

    def loadModule(self, path):
        """Load a scripted module from its file as the application does; unloaded at ``reset``."""
        module = pythonQtModule.LoadedModule(path, self.mainWindow)
        self._modules.append(module)
        return module

    def completeStartup(self):
        """Emit ``slicer.app``'s startupCompleted(), for which modules wait before they use other modules."""
        self.signals.startupCompleted.emit()

    def takeErrors(self):
        """The exceptions of callbacks and Qt's warnings since the last call; they are no longer raised."""
        processEvents()
        errors, callbackErrors[:] = list(callbackErrors), []
        return errors

    def check(self):
        """Raise the first exception that a callback left."""
        errors = self.takeErrors()
        if errors:
            raise errors[0]

    def reset(self):
        """Unload the modules, forget dialogs and settings."""
        while self._modules:
            self._modules.pop().unload()
        self.signals = pythonQtModule.qSlicerApplication()
        for widget in self.application.topLevelWidgets():
            if widget is not self.mainWindow:
                widget.deleteLater()
        processEvents()
        QSettings().clear()
        while self.application.overrideCursor() is not None:
            self.application.restoreOverrideCursor()
        self.dialogs.reset()


def _keepNone():
    """PySide6 6.12 takes a reference from None at each call without a result: a crash before Python 3.12."""
    if sys.version_info < (3, 12):
        ctypes.c_ssize_t.from_address(id(None)).value += 1 << 40


def _installQt():
    qt, ctk = QtModule("qt"), types.ModuleType("ctk")
    for cls in (*pythonQtCtk.CLASSES, *pythonQtCtkInputs.CLASSES):
        setattr(ctk, cls.__name__, classOf(cls))
    overrides["QSettings", "value"] = _settingsValue
    staticOverrides["QTimer", "singleShot"] = _singleShot
    pythonQtDialogs.install()
    pythonQtUi.install()
    sys.modules["qt"], sys.modules["ctk"] = qt, ctk
    return qt


def _settingsValue(settings, key, default=None):
    """The value as it comes back from the file in the next session: text."""
    if not settings.contains(key):
        return default
    value = settings.value(key)
    if not isinstance(value, (list, tuple)):
        return str(value).lower() if isinstance(value, bool) else str(value)
    texts = tuple(str(item) for item in value)
    return texts if len(texts) > 1 else (texts[0] if texts else None)


def _singleShot(milliseconds, function):
    from PySide6.QtCore import QTimer

    def call():
        try:
            function()
        except Exception as error:
            recordError(error)

    QTimer.singleShot(milliseconds, call)


def _installSlicer(host, qt):
    translations = types.ModuleType("slicer.i18n")
    translations.tr = lambda text: text
    translations.translate = lambda context, text: text
    scripted = types.ModuleType("slicer.ScriptedLoadableModule")
    bases = ("", "Widget", "Logic", "Test")
    scripted.__all__ = [f"ScriptedLoadableModule{each}" for each in bases]
    for name in scripted.__all__:
        setattr(scripted, name, getattr(pythonQtModule, name))
    for module in (translations, scripted):
        sys.modules[module.__name__] = module
        setattr(slicer, module.__name__.split(".")[1], module)
    for cls in (*pythonQtMrml.CLASSES, pythonQtModule.qSlicerScriptedLoadableModule):
        setattr(slicer, cls.__name__, classOf(cls))
    slicer.qSlicerScriptedLoadableModuleWidget = classOf(pythonQtModule.qSlicerScriptedLoadableModuleWidget)

    app, manager, application = slicer.app, pythonQtModule.qSlicerModuleManager(), host.application
    app.moduleManager = lambda: wrap(manager)
    app.connect = lambda *arguments: wrap(host.signals).connect(*arguments)
    app.disconnect = lambda *arguments: wrap(host.signals).disconnect(*arguments)
    app.processEvents = processEvents
    app.testingEnabled = lambda: False
    app.topLevelWidgets = lambda: toPython(application.topLevelWidgets())
    app.settings = app.userSettings = lambda: qt.QSettings()
    app.translate = lambda context, text: text
    app.setOverrideCursor = Method(application, "setOverrideCursor", application.setOverrideCursor)
    app.restoreOverrideCursor = Method(application, "restoreOverrideCursor", application.restoreOverrideCursor)
    app.clipboard = lambda: wrap(application.clipboard())
    app.startupEnvironment = lambda: qt.QProcessEnvironment.systemEnvironment()
    layoutManager = pythonQtModule.qMRMLLayoutManager()
    app.layoutManager = lambda: wrap(layoutManager)


_host = None


def installQtHost():
    """Return this process's GUI host; the first call boots MRML if need be, installs ``qt``, ``ctk`` and the rest."""
    global _host
    if _host is None:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        if not hasattr(slicer, "app"):
            mrmlHost.bootSlicer()
        _keepNone()
        _host = QtHost()
        _installSlicer(_host, _installQt())
    return _host


__all__ = ["QtHost", "QtWarning", "installQtHost", "toPython", "toQt"]
