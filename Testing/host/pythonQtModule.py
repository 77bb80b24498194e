"""The application's side of a scripted module: loading it, its widget with enter, exit and cleanup, Reload."""

import importlib.util
import os
import sys
import unittest

from PySide6.QtCore import Property, QEvent, QObject, Signal, Slot
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QFrame, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from Testing.host.pythonQtCtk import ctkCollapsibleButton, stored
from Testing.host.pythonQtMrml import _SceneHolder
from Testing.host.pythonQtProxy import wrap


class qSlicerModuleManager(QObject):
    """Announces the unloading of modules."""

    moduleLoaded = Signal(str)
    moduleAboutToBeUnloaded = Signal(str)

    def __init__(self):
        super().__init__()
        self.modules = {}

    @Slot(str, result=QObject)
    def module(self, name):
        return self.modules.get(name)


class qSlicerApplication(QObject):
    """The signals of ``slicer.app``."""

    startupCompleted = Signal()
    aboutToQuit = Signal()


class qMRMLLayoutManager(QObject):
    """The part of the layout manager that needs no views in the window: those that the slice logics stand for."""

    layoutChanged = Signal(int)
    layout = stored(int, "layout", 3)
    threeDViewCount = Property(int, lambda self: 0)

    @Slot(result=object)
    def mrmlSliceLogics(self):
        import slicer

        return slicer.app.applicationLogic().GetSliceLogics()

    @Slot(result="QStringList")
    def sliceViewNames(self):
        logics = self.mrmlSliceLogics()
        return [logics.GetItemAsObject(index).GetName() for index in range(logics.GetNumberOfItems())]

    @Slot()
    def resetSliceViews(self):
        pass

    @Slot()
    def resetThreeDViews(self):
        pass


class qSlicerScriptedLoadableModule(QObject):
    """The ``parent`` of a ScriptedLoadableModule: what the application shows of it."""

    name = Property(str, lambda self: self.moduleName)
    path = Property(str, lambda self: self.modulePath)
    title = stored(str, "title", "")
    categories = stored("QStringList", "categories", [])
    contributors = stored("QStringList", "contributors", [])
    dependencies = stored("QStringList", "dependencies", [])
    associatedNodeTypes = stored("QStringList", "associatedNodeTypes", [])
    helpText = stored(str, "helpText", "")
    acknowledgementText = stored(str, "acknowledgementText", "")
    icon = stored(QIcon, "icon", QIcon())
    hidden = stored(bool, "hidden", False)
    index = stored(int, "index", -1)
    widgetRepresentationCreationEnabled = stored(bool, "widgetRepresentationCreationEnabled", True)

    def __init__(self, name, path):
        super().__init__()
        self.moduleName, self.modulePath, self.representation = name, path, None

    @Slot(result=QWidget)
    def widgetRepresentation(self):
        if self.representation is None:
            self.representation = qSlicerScriptedLoadableModuleWidget(self.moduleName)
            self.representation._construct()
        return self.representation


class qSlicerScriptedLoadableModuleWidget(_SceneHolder, QWidget):
    """The ``parent`` of a ScriptedLoadableModuleWidget."""

    vtkSignals = {"mrmlSceneChanged": "vtkMRMLScene*"}
    mrmlSceneChanged = Signal(object)

    def __init__(self, moduleName):
        super().__init__()
        self.moduleName, self.python, self.entered = moduleName, None, False
        self.setLayout(QVBoxLayout())

    isEntered = Property(bool, lambda self: self.entered)

    def _construct(self):
        import slicer

        self._setScene(slicer.mrmlScene)
        widgetClass = getattr(sys.modules[self.moduleName], f"{self.moduleName}Widget")
        self.python = widgetClass(wrap(self))
        setattr(slicer.modules, f"{self.moduleName}Widget", self.python)
        self.python.setup()

    @Slot()
    def reload(self):
        self._construct()

    @Slot(result=object)
    def self(self):
        return self.python

    @Slot()
    def enter(self):
        self.entered = True
        if hasattr(self.python, "enter"):
            self.python.enter()

    @Slot()
    def exit(self):
        self.entered = False
        if hasattr(self.python, "exit"):
            self.python.exit()

    @Slot(object)
    def setMRMLScene(self, scene):
        self._setScene(scene)


class qSlicerModulePanel(QScrollArea):
    """The application's panel around a module: never narrower than what is in it, which has the policy Minimum."""

    def __init__(self, moduleWidget):
        super().__init__()
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.contents = QWidget()
        layout = QVBoxLayout(self.contents)
        help_ = ctkCollapsibleButton("Help & Acknowledgement")
        help_.collapsed = True
        help_.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        layout.addWidget(help_)
        layout.addWidget(moduleWidget, 1)
        layout.addStretch(0)
        moduleWidget.layout().setContentsMargins(0, 0, 0, 0)
        moduleWidget.setSizePolicy(QSizePolicy.Policy.Minimum, moduleWidget.sizePolicy().verticalPolicy())
        self.setWidget(self.contents)
        self.contents.installEventFilter(self)

    def eventFilter(self, watched, event):
        if watched is self.contents and event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize):
            bar = self.verticalScrollBar().sizeHint().width()
            self.setMinimumWidth(self.contents.minimumSizeHint().width() + bar)
        return super().eventFilter(watched, event)

    def takeModule(self, moduleWidget):
        self.contents.layout().removeWidget(moduleWidget)
        moduleWidget.setParent(None)


class LoadedModule:
    """A module as the user has it: ``module``, ``widget`` (of Python), ``panel`` (of Qt, around it)."""

    def __init__(self, path, window):
        import slicer

        self._window = window
        self.name = os.path.splitext(os.path.basename(path))[0]
        self._manager = slicer.app.moduleManager()._object
        specification = importlib.util.spec_from_file_location(self.name, str(path))
        source = importlib.util.module_from_spec(specification)
        sys.modules[self.name] = source
        specification.loader.exec_module(source)
        self._core = qSlicerScriptedLoadableModule(self.name, str(path))
        self.module = getattr(source, self.name)(wrap(self._core))
        self._manager.modules[self.name] = self._core
        setattr(slicer.modules, self.name.lower(), wrap(self._core))
        setattr(slicer.modules, f"{self.name}Instance", self.module)
        self._manager.moduleLoaded.emit(self.name)

    @property
    def panel(self):
        return wrap(self._core.widgetRepresentation())

    @property
    def widget(self):
        return self.panel.self()

    def enter(self, width=520, height=1000):
        """Show the panel in the main window and enter the module, as choosing it in the module selector does.

        As in the application, the panel scrolls where the window is too low for it, and the window is made wider where
        it is too narrow for it.
        """
        self._leaveWindow()
        self._window.setCentralWidget(qSlicerModulePanel(self._core.widgetRepresentation()))
        self._window.resize(width, height)
        self._window.show()
        self.panel.show()
        self.panel.enter()

    def _leaveWindow(self):
        if self._window.isAncestorOf(self._core.widgetRepresentation()):
            self._window.centralWidget().takeModule(self._core.representation)

    def exit(self):
        """Leave the module for another."""
        self.panel.exit()
        self.panel.hide()

    def reload(self):
        """The developer's Reload, by Slicer's own code."""
        import slicer

        slicer.util.reloadScriptedModule(self.name)

    def unload(self):
        """What the application does with the module when it ends."""
        import slicer

        if self._core.representation is not None:
            if self._window.isAncestorOf(self._core.representation):
                self._leaveWindow()
                self._window.hide()
            self._manager.moduleAboutToBeUnloaded.emit(self.name)
            self._core.representation.deleteLater()
            self._core.representation = None
        self._manager.modules.pop(self.name, None)
        for attribute in (self.name.lower(), f"{self.name}Widget", f"{self.name}Instance"):
            if hasattr(slicer.modules, attribute):
                delattr(slicer.modules, attribute)
        sys.modules.pop(self.name, None)


class ScriptedLoadableModule:
    """Base class of a module: what the application shows of it is set on ``parent``."""

    def __init__(self, parent):
        self.parent = parent
        self.moduleName = type(self).__name__

    def resourcePath(self, filename):
        return os.path.join(os.path.dirname(self.parent.path), "Resources", filename)

    def getDefaultModuleDocumentationLink(self, docPage=None):
        return ""


class ScriptedLoadableModuleWidget:
    """Base class of a module's panel: ``parent`` is the widget in the window, ``layout`` its layout."""

    def __init__(self, parent=None):
        import slicer

        self.moduleName = type(self).__name__[: -len("Widget")]
        self.developerMode = slicer.util.settingsValue("Developer/DeveloperMode", False, slicer.util.toBool)
        self.parent = parent
        self.layout = parent.layout()
        slicer.app.moduleManager().connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def resourcePath(self, filename):
        import slicer

        return os.path.join(os.path.dirname(slicer.util.modulePath(self.moduleName)), "Resources", filename)

    def setup(self):
        pass

    def cleanup(self):
        pass

    def _onModuleAboutToBeUnloaded(self, moduleName):
        import slicer

        if moduleName == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)


class ScriptedLoadableModuleLogic:
    """Base class of a module's logic: knows the parameter node, a singleton in the scene."""

    def __init__(self, parent=None):
        name = type(self).__name__
        self.moduleName = name[: -len("Logic")] if name.endswith("Logic") else name
        self.isSingletonParameterNode = True

    def getParameterNode(self):
        import slicer

        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.mrmlScene.AddNode(self.createParameterNode())
        node.SetAttribute("ModuleName", self.moduleName)
        return node

    def createParameterNode(self):
        import slicer

        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """Base class of a module's self test."""

    def delayDisplay(self, message, requestedDelay=None, msec=None):
        import logging

        logging.info(message)

    def runTest(self):
        for name in [each for each in dir(self) if each.startswith("test_")]:
            self.setUp()
            getattr(self, name)()
            self.tearDown()
