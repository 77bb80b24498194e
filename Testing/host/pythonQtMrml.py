"""Stand-ins for the qMRML widgets of a plain panel, on the real MRML scene."""

import weakref

import slicer
import vtk
from PySide6.QtCore import Property, QSize, Signal, Slot
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QSizePolicy, QWidget

from Testing.host.pythonQtCtk import ctkCollapsibleButton, stored


class _SceneHolder:
    def _scene(self):
        return self.__dict__.get("_mrmlScene")

    def _setScene(self, scene):
        if scene is not None and not scene.IsA("vtkMRMLScene"):
            raise TypeError(f"setMRMLScene takes a vtkMRMLScene, not {scene!r}")
        if scene is not self._scene():
            self._mrmlScene = scene
            self.mrmlSceneChanged.emit(scene)


class qMRMLWidget(_SceneHolder, QWidget):
    """The root of a panel: hands its scene on to what is connected to mrmlSceneChanged."""

    vtkSignals = {"mrmlSceneChanged": "vtkMRMLScene*"}
    mrmlSceneChanged = Signal(object)

    @Slot(object)
    def setMRMLScene(self, scene):
        self._setScene(scene)

    @Slot(result=object)
    def mrmlScene(self):
        return self._scene()


class qMRMLCollapsibleButton(_SceneHolder, ctkCollapsibleButton):
    """A collapsible button that hands on the scene."""

    vtkSignals = {"mrmlSceneChanged": "vtkMRMLScene*"}
    mrmlSceneChanged = Signal(object)

    @Slot(object)
    def setMRMLScene(self, scene):
        self._setScene(scene)


class qMRMLNodeComboBox(QWidget):
    """Shows the nodes of the given types and follows the scene as they come, go and change names."""

    vtkSignals = {
        name: "vtkMRMLNode*"
        for name in ("currentNodeChanged", "nodeActivated", "nodeAdded", "nodeAddedByUser", "nodeAboutToBeRemoved")
    }
    currentNodeChanged = Signal((object,), (bool,))
    currentNodeIDChanged = Signal(str)
    currentNodeRenamed = Signal(str)
    nodeActivated = Signal(object)
    nodeAdded = Signal(object)
    nodeAddedByUser = Signal(object)
    nodeAboutToBeRemoved = Signal(object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._comboBox = QComboBox()
        self._comboBox.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._comboBox)
        self._mrmlScene, self._nodes, self._tags, self._attributes, self._id = None, [], [], [], ""
        self._comboBox.currentIndexChanged.connect(self._chosen)
        self._comboBox.activated.connect(lambda: self.nodeActivated.emit(self._node()))
        me = weakref.ref(self)
        self.destroyed.connect(lambda: me() and me()._unobserve())

    def sizeHint(self):
        return QSize(180, self._comboBox.sizeHint().height())

    def _refresh(self):
        scene = self._mrmlScene
        found = [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())] if scene else []
        self._nodes = ([None] if self.property("noneEnabled") else []) + [node for node in found if self._shows(node)]
        self._comboBox.blockSignals(True)
        self._comboBox.clear()
        for node in self._nodes:
            self._comboBox.addItem(node.GetName() or "" if node else self.property("noneDisplay"))
        ids = [node.GetID() if node else "" for node in self._nodes]
        kept = ids.index(self._id) if self._id in ids else (0 if self._nodes else -1)
        self._comboBox.setCurrentIndex(kept)
        self._comboBox.setEnabled(bool(scene))
        self._comboBox.blockSignals(False)
        self._chosen(kept)

    def _shows(self, node):
        types, exact = self.property("nodeTypes"), not self.property("showChildNodeTypes")
        matching = [t for t in types if (node.GetClassName() == t if exact else node.IsA(t))]
        hidden = any(node.IsA(t) for t in self.property("hideChildNodeTypes"))
        if not matching or hidden or (node.GetHideFromEditors() and not self.property("showHidden")):
            return False
        wanted = [(name, value) for nodeType, name, value in self._attributes if nodeType in matching]
        return all(
            node.GetAttribute(name) == value or (value is None and node.GetAttribute(name)) for name, value in wanted
        )

    def _node(self):
        index = self._comboBox.currentIndex()
        return self._nodes[index] if 0 <= index < len(self._nodes) else None

    def _chosen(self, index):
        node = self._node()
        identifier = node.GetID() if node else ""
        if identifier != self._id:
            self._id = identifier
            self.currentNodeChanged[object].emit(node)
            self.currentNodeChanged[bool].emit(node is not None)
            self.currentNodeIDChanged.emit(identifier)

    def _unobserve(self, only=None):
        for subject, tag in self._tags:
            if only in (None, subject):
                subject.RemoveObserver(tag)
        self._tags = [each for each in self._tags if only not in (None, each[0])]

    def _observe(self, subject, event, handler, withNode=False):
        me = weakref.ref(self)

        def onEvent(caller, eventName, callData=None):
            if me() is not None:
                handler(me(), caller, callData)

        if withNode:  # other events' data is no object, and reading it as one crashes
            onEvent.CallDataType = vtk.VTK_OBJECT
        self._tags.append((subject, subject.AddObserver(event, onEvent)))

    def _nodeAdded(self, scene, node):
        if any(node.IsA(nodeType) for nodeType in self.property("nodeTypes")):
            self._observe(node, "ModifiedEvent", qMRMLNodeComboBox._renamed)
            if not self._mrmlScene.IsBatchProcessing():
                self._refresh()
            if self._shows(node):
                self.nodeAdded.emit(node)

    def _renamed(self, node, _):
        shown = self._shows(node) and node.GetScene() is self._mrmlScene
        if shown != (node in self._nodes) and not self._mrmlScene.IsBatchProcessing():
            self._refresh()
        elif node in self._nodes and self._comboBox.itemText(self._nodes.index(node)) != (node.GetName() or ""):
            self._comboBox.setItemText(self._nodes.index(node), node.GetName() or "")
            if node is self._node():
                self.currentNodeRenamed.emit(node.GetName())

    def _nodeAboutToBeRemoved(self, scene, node):
        self._unobserve(node)
        if node in self._nodes:
            self.nodeAboutToBeRemoved.emit(node)

    nodeTypes = stored("QStringList", "nodeTypes", [], "_refresh")
    hideChildNodeTypes = stored("QStringList", "hideChildNodeTypes", [], "_refresh")
    showHidden = stored(bool, "showHidden", False, "_refresh")
    showChildNodeTypes = stored(bool, "showChildNodeTypes", True, "_refresh")
    noneEnabled = stored(bool, "noneEnabled", False, "_refresh")
    noneDisplay = stored(str, "noneDisplay", "None", "_refresh")
    addEnabled = stored(bool, "addEnabled", True)
    removeEnabled = stored(bool, "removeEnabled", True)
    editEnabled = stored(bool, "editEnabled", False)
    renameEnabled = stored(bool, "renameEnabled", False)
    selectNodeUponCreation = stored(bool, "selectNodeUponCreation", True)
    baseName = stored(str, "baseName", "")
    interactionNodeSingletonTag = stored(str, "interactionNodeSingletonTag", "")
    currentNodeID = Property(str, lambda self: self._id, lambda self, identifier: self.setCurrentNodeID(identifier))

    @Slot(object)
    def setMRMLScene(self, scene):
        if scene is not None and not scene.IsA("vtkMRMLScene"):
            raise TypeError(f"setMRMLScene takes a vtkMRMLScene, not {scene!r}")
        if scene is self._mrmlScene:
            return
        self._unobserve()
        self._mrmlScene = scene
        if scene:
            mine = qMRMLNodeComboBox
            self._observe(scene, scene.NodeAddedEvent, mine._nodeAdded, withNode=True)
            self._observe(scene, scene.NodeAboutToBeRemovedEvent, mine._nodeAboutToBeRemoved, withNode=True)
            self._observe(scene, scene.NodeRemovedEvent, lambda me, *_: me._refresh())
            self._observe(scene, scene.EndBatchProcessEvent, lambda me, *_: me._refresh())
            for index in range(scene.GetNumberOfNodes()):
                self._observe(scene.GetNthNode(index), "ModifiedEvent", mine._renamed)
        self._refresh()

    @Slot(result=object)
    def mrmlScene(self):
        return self._mrmlScene

    @Slot(result=object)
    def currentNode(self):
        return self._node()

    @Slot(object)
    def setCurrentNode(self, node):
        if node is not None and not isinstance(node, slicer.vtkMRMLNode):
            raise TypeError(f"setCurrentNode takes a vtkMRMLNode, not {node!r}")
        self.setCurrentNodeID(node.GetID() if node else "")

    @Slot(str)
    def setCurrentNodeID(self, identifier):
        ids = [each.GetID() if each else "" for each in self._nodes]
        self._comboBox.setCurrentIndex(
            ids.index(identifier) if identifier in ids else (0 if None in self._nodes else -1)
        )

    @Slot(int)
    def setCurrentNodeIndex(self, index):
        self._comboBox.setCurrentIndex(index + (1 if None in self._nodes else 0))

    @Slot(result=int)
    def nodeCount(self):
        return len([node for node in self._nodes if node])

    @Slot(int, result=object)
    def nodeFromIndex(self, index):
        return [node for node in self._nodes if node][index]

    @Slot(str, str, object)
    @Slot(str, str)
    def addAttribute(self, nodeType, name, value=None):
        self._attributes.append((nodeType, name, value))
        self._refresh()

    @Slot(result=object)
    def addNode(self):
        node = self._mrmlScene.AddNewNodeByClass(self.property("nodeTypes")[0], self.property("baseName"))
        if self.property("selectNodeUponCreation"):
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    @Slot()
    def removeCurrentNode(self):
        self._mrmlScene.RemoveNode(self._node())


CLASSES = (qMRMLWidget, qMRMLCollapsibleButton, qMRMLNodeComboBox)
