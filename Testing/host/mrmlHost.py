"""Boots Slicer's MRML libraries (the package slicer-core) as the application would, without its GUI.

``bootSlicer()`` sets what the application sets: ``slicer.app``, ``slicer.mrmlScene`` and ``slicer.modules``, with which
``slicer.util`` loads and saves nodes and scenes. The modules of ``CarotidLandmark/`` can be imported after this one.
"""

import atexit
import importlib
import shutil
import sys
import tempfile
import types
from pathlib import Path

import slicer
import vtk

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "CarotidLandmark"), str(REPOSITORY)]

try:
    importlib.import_module("slicer.i18n")
except ImportError:
    slicer.i18n = types.ModuleType("slicer.i18n")
    slicer.i18n.tr = lambda text: text
    sys.modules["slicer.i18n"] = slicer.i18n

# In the order in which the application's modules depend on each other.
_MODULES = {
    "Units": "vtkSlicerUnitsLogic",
    "Colors": "vtkMRMLColorLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Cameras": "vtkSlicerCamerasModuleLogic",
    "ViewControllers": "vtkSlicerViewControllersLogic",
    "Annotations": "vtkSlicerAnnotationModuleLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Models": "vtkSlicerModelsLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Texts": "vtkSlicerTextsLogic",
    "Sequences": "vtkSlicerSequencesLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "VolumeRendering": "vtkSlicerVolumeRenderingLogic",
    "CropVolume": "vtkSlicerCropVolumeLogic",
    "Plots": "vtkSlicerPlotsLogic",
}


class CoreIOManager:
    """What ``slicer.util``'s load and save functions ask of ``slicer.app.coreIOManager()``."""

    def __init__(self, host):
        self._host = host

    def fileType(self, filename):
        name = str(filename).lower()
        if name.endswith((".mrb", ".mrml")):
            return "SceneFile"
        if name.endswith((".mrk.json", ".fcsv")):
            return "MarkupsFile"
        if name.endswith((".vtk", ".vtp", ".ply", ".stl")):
            return "ModelFile"
        if name.endswith((".tfm", ".h5")):
            return "TransformFile"
        return "VolumeFile"

    def fileWriterFileType(self, node):
        return "NodeFile"

    def loadNodes(self, fileType, properties, loadedNodes, userMessages=None):
        path, scene = properties["fileName"], self._host.scene
        if fileType == "SceneFile":
            return self._loadScene(path, properties.get("clear", True))
        if fileType == "MarkupsFile":
            identifier = self._host.logics["Markups"].LoadMarkups(path)
            node = scene.GetNodeByID(identifier) if identifier else None
        elif fileType == "ModelFile":
            node = self._host.logics["Models"].AddModel(path)
        elif fileType == "TransformFile":
            node = self._host.logics["Transforms"].AddTransform(path, scene)
        else:
            name = properties.get("name") or Path(path).name.split(".")[0]
            node = self._host.logics["Volumes"].AddArchetypeVolume(path, name, int(properties.get("labelmap", 0)))
        if node is None:
            return False
        loadedNodes.AddItem(node)
        return True

    def saveNodes(self, fileType, properties, userMessages=None):
        path = properties["fileName"]
        if fileType != "SceneFile":
            node = self._host.scene.GetNodeByID(properties["nodeID"])
            node.AddDefaultStorageNode(path)
            node.GetStorageNode().SetFileName(path)
            return bool(node.GetStorageNode().WriteData(node))
        if path.endswith(".mrb"):
            return bool(self._host.scene.WriteToMRB(path, None))
        if path.endswith(".mrml"):
            self._host.scene.SetURL(path)
            self._host.scene.SetRootDirectory(str(Path(path).parent))
            return bool(self._host.scene.Commit())
        Path(path).mkdir(parents=True, exist_ok=True)
        return self._host.applicationLogic.SaveSceneToSlicerDataBundleDirectory(path, None)

    def _loadScene(self, path, clear):
        if path.endswith(".mrb"):
            return bool(self._host.scene.ReadFromMRB(path, clear))
        self._host.scene.SetURL(path)
        return bool(self._host.scene.Connect() if clear else self._host.scene.Import())


class Application:
    """The part of ``slicer.app`` that needs no GUI; the panel's host adds the rest."""

    applicationName = "Slicer"
    majorVersion, minorVersion = 5, 13

    def __init__(self, host):
        self._host = host
        self._ioManager = CoreIOManager(host)
        self.temporaryPath = str(host.folder)

    def coreIOManager(self):
        return self._ioManager

    def applicationLogic(self):
        return self._host.applicationLogic

    def mrmlScene(self):
        return self._host.scene

    def layoutManager(self):
        return None

    def testingEnabled(self):
        return True

    def processEvents(self):
        pass


class MrmlHost:
    """The scene and the logics of one process; ``logics`` by module name, ``folder`` for temporary files."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="CarotidLandmark-host-"))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.scene = slicer.vtkMRMLScene()
        self.applicationLogic = slicer.vtkSlicerApplicationLogic()
        self.applicationLogic.SetTemporaryPath(str(self.folder))
        self._startRemoteIO()
        self.applicationLogic.SetMRMLScene(self.scene)
        self.logics = {}
        for name, className in _MODULES.items():
            logic = getattr(slicer, className)()
            logic.SetMRMLApplicationLogic(self.applicationLogic)
            self.applicationLogic.SetModuleLogic(name, logic)
            logic.SetMRMLScene(self.scene)
            self.logics[name] = logic
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.scene)
        self.applicationLogic.SetSliceLogics(vtk.vtkCollection())
        self.applicationLogic.SetViewLogics(vtk.vtkCollection())
        crosshair = slicer.vtkMRMLCrosshairNode()
        crosshair.SetCrosshairName("default")
        self.scene.AddNode(crosshair)
        self.selectionNode = self.applicationLogic.GetSelectionNode()
        self.interactionNode = self.applicationLogic.GetInteractionNode()
        nodes = [self.scene.GetNthNode(index) for index in range(self.scene.GetNumberOfNodes())]
        self._applicationNodes = {node.GetID() for node in nodes}
        self._followInSubjectHierarchy()
        slicer.app = Application(self)
        slicer.mrmlScene = self.scene
        slicer.modules = types.SimpleNamespace(
            **{
                name.lower(): types.SimpleNamespace(name=name, logic=lambda it=logic: it)
                for name, logic in self.logics.items()
            }
        )

    def _followInSubjectHierarchy(self):
        """Give data nodes an item while they are in the scene, as the subject hierarchy's GUI does."""
        scene, classes = self.scene, ("vtkMRMLDisplayableNode", "vtkMRMLTransformNode", "vtkMRMLTableNode")

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def onNodeAdded(caller, event, node):
            if scene.IsImporting() or node.GetHideFromEditors() or not any(map(node.IsA, classes)):
                return
            hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def onNodeAboutToBeRemoved(caller, event, node):
            if scene.IsClosing() or not any(map(node.IsA, classes)):
                return
            hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
            item = hierarchy.GetItemByDataNode(node)
            if item:
                hierarchy.RemoveItem(item, False, False)

        scene.AddObserver(scene.NodeAddedEvent, onNodeAdded)
        scene.AddObserver(scene.NodeAboutToBeRemovedEvent, onNodeAboutToBeRemoved)

    def _startRemoteIO(self):
        self._cache = slicer.vtkCacheManager()
        self._cache.SetRemoteCacheDirectory(str(self.folder))
        self._dataManager = slicer.vtkDataIOManager()
        self._dataManager.SetCacheManager(self._cache)
        self._dataLogic = slicer.vtkDataIOManagerLogic()
        self._dataLogic.SetMRMLApplicationLogic(self.applicationLogic)
        self._dataLogic.SetAndObserveDataIOManager(self._dataManager)
        self.scene.SetCacheManager(self._cache)
        self.scene.SetDataIOManager(self._dataManager)

    def reset(self):
        """Close the scene, remove the singleton nodes that closing leaves, and forget what can be undone."""
        self.scene.Clear(0)
        nodes = [self.scene.GetNthNode(index) for index in range(self.scene.GetNumberOfNodes())]
        for node in nodes:
            if node.GetID() not in self._applicationNodes:
                self.scene.RemoveNode(node)
        self.selectionNode.Copy(slicer.vtkMRMLSelectionNode())
        self.interactionNode.Copy(slicer.vtkMRMLInteractionNode())
        self.scene.SetUndoOff()
        self.scene.ClearUndoStack()
        self.scene.ClearRedoStack()


_host = None


def bootSlicer():
    """Return this process's host with an empty scene; the first call boots it."""
    global _host
    if _host is None:
        _host = MrmlHost()
    _host.reset()
    return _host
