"""The stand-ins for ctk and qMRML: the properties, signals and slots of the originals, on the real scene."""

import pytest

from Testing.host.pythonQtDrive import click, clickCell, grab, pressKey, processEvents, turnWheel, typeText


@pytest.fixture
def selector(qtHost):
    import slicer

    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    selector.setMRMLScene(slicer.mrmlScene)
    return selector


def addVolume(name, className="vtkMRMLScalarVolumeNode"):
    import slicer

    return slicer.mrmlScene.AddNewNodeByClass(className, name)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda ctk, slicer: ctk.ctkCollapsibleButton().setCollapsed(True),
        lambda ctk, slicer: ctk.ctkCollapsibleButton().collapsed(),
        lambda ctk, slicer: ctk.ctkSliderWidget().setMinimum(3.0),
        lambda ctk, slicer: ctk.ctkSliderWidget().value(),
        lambda ctk, slicer: ctk.ctkPathLineEdit().setFilters(2),
        lambda ctk, slicer: ctk.ctkPathLineEdit().currentPath(),
        lambda ctk, slicer: ctk.ctkPathLineEdit.Filter.Dirs,
        lambda ctk, slicer: ctk.ctkNoSuchWidget(),
        lambda ctk, slicer: slicer.qMRMLNodeComboBox().setNodeTypes(["vtkMRMLNode"]),
        lambda ctk, slicer: slicer.qMRMLNodeComboBox().currentNodeID(),
        lambda ctk, slicer: slicer.qMRMLNodeComboBox().currentNode.GetID(),
        lambda ctk, slicer: slicer.qMRMLNodeComboBox().setMRMLScene("scene"),
        lambda ctk, slicer: slicer.qMRMLNodeComboBox().setCurrentNode("vtkMRMLScalarVolumeNode1"),
        lambda ctk, slicer: slicer.qMRMLNodeComboBox()._nodes,
        lambda ctk, slicer: slicer.qMRMLNodeComboBox().connect("currentNodeChanged()", print),
        lambda ctk, slicer: setattr(slicer.qMRMLNodeComboBox(), "nodeTypes", "vtkMRMLScalarVolumeNode"),
        lambda ctk, slicer: setattr(slicer.qMRMLNodeComboBox(), "currentNode", None),
        lambda ctk, slicer: setattr(ctk.ctkSliderWidget(), "value", "3"),
        lambda ctk, slicer: slicer.qMRMLNodeComboBx(),
    ],
)
def test_wrong_use_raises(qtHost, wrong):
    import ctk
    import slicer

    with pytest.raises((AttributeError, TypeError, ValueError)):
        wrong(ctk, slicer)
        qtHost.check()


def test_a_collapsible_button_hides_and_shows_its_contents(qtHost):
    import ctk
    import qt

    section = ctk.ctkCollapsibleButton("Advanced")
    layout = qt.QVBoxLayout(section)
    shown, hidden, later = qt.QLabel("shown"), qt.QLabel("hidden"), qt.QLabel("later")
    for label in (shown, hidden, later):
        layout.addWidget(label)
    hidden.visible = later.visible = False
    heard = []
    section.connect("contentsCollapsed(bool)", heard.append)
    section.show()
    openHeight = section.sizeHint.height()
    section.collapsed = True
    later.visible = True
    assert not shown.visible and not later.visible and section.sizeHint.height() < openHeight
    click(section, 20, 5)
    assert not section.collapsed and shown.visible and later.visible and not hidden.visible
    assert heard == [True, False]


def test_a_slider_widget_keeps_within_its_range(qtHost):
    import ctk

    slider, heard = ctk.ctkSliderWidget(), []
    slider.minimum, slider.maximum, slider.decimals, slider.suffix = 50, 99, 0, " %"
    slider.connect("valueChanged(double)", heard.append)
    slider.value = 90
    slider.value = 120
    slider.setValue(90.4)
    assert heard == [90, 99, 90] and slider.value == 90


def test_a_path_edit_tells_its_path_and_browses(qtHost):
    import ctk

    edit, heard = ctk.ctkPathLineEdit(), []
    edit.connect("currentPathChanged(QString)", heard.append)
    edit.currentPath = "/data"
    qtHost.dialogs.answer("/weights.safetensors", "/folder", "")
    edit.browse()
    edit.filters = ctk.ctkPathLineEdit.Dirs | ctk.ctkPathLineEdit.Writable
    edit.browse()
    edit.browse()
    assert heard == ["/data", "/weights.safetensors", "/folder"] and edit.currentPath == "/folder"
    assert [each.kind for each in qtHost.dialogs.shown] == ["file", "folder", "folder"]


def test_a_path_edit_says_nothing_of_what_it_does_not_accept(qtHost):
    import ctk

    edit, heard, edited = ctk.ctkPathLineEdit(), [], []
    edit.connect("currentPathChanged(QString)", heard.append)
    edit.comboBox().connect("editTextChanged(QString)", edited.append)
    for path in ("/a", "", "/b"):
        edit.currentPath = path
    edit.nameFilters = ["*.txt", "Pictures (*.png *.jpg)"]
    for path in ("/c", "/c.txt", "/d.jpg", "/d.jpeg"):
        edit.currentPath = path
    assert heard == ["/a", "/b", "/c.txt", "/d.jpg"] and edit.currentPath == "/d.jpeg"
    assert edited == ["/a", "", "/b", "/c", "/c.txt", "/d.jpg", "/d.jpeg"]


def test_defaults_are_those_of_ctk(qtHost):
    import ctk

    assert ctk.ctkPathLineEdit().filters == 24663 and ctk.ctkSliderWidget().maximum == 99.99


def test_a_node_selector_follows_the_scene(selector):
    heard = []
    selector.connect("currentNodeChanged(vtkMRMLNode*)", heard.append)
    first, second = addVolume("first"), addVolume("second")
    addVolume("no volume", "vtkMRMLModelNode")
    assert selector.nodeCount() == 2 and selector.currentNode() is first
    selector.setCurrentNode(second)
    assert heard == [first, second] and selector.currentNodeID == second.GetID()
    second.SetHideFromEditors(True)
    assert selector.currentNode() is first
    second.SetHideFromEditors(False)
    first.GetScene().RemoveNode(first)
    assert selector.currentNode() is second and selector.nodeCount() == 1


def test_a_node_selector_is_empty_after_the_scene_closes(selector):
    import slicer

    heard = []
    addVolume("first")
    selector.connect("currentNodeChanged(bool)", heard.append)
    slicer.mrmlScene.Clear(0)
    assert selector.currentNode() is None and selector.currentNodeID == "" and heard == [False]
    node = addVolume("after")
    assert selector.currentNode() is node


def test_a_node_selector_with_none_waits_for_a_choice(selector):
    selector.noneEnabled = True
    node = addVolume("first")
    assert selector.currentNode() is None and selector.nodeCount() == 1
    selector.setCurrentNodeIndex(0)
    assert selector.currentNode() is node
    selector.setCurrentNode(None)
    assert selector.currentNode() is None


def test_a_node_selector_tells_derived_types_apart(selector):
    addVolume("labels", "vtkMRMLLabelMapVolumeNode")
    assert selector.nodeCount() == 1
    selector.showChildNodeTypes = False
    assert selector.nodeCount() == 0


def test_a_node_selector_filters_by_attribute(selector):
    addVolume("plain")
    selector.addAttribute("vtkMRMLScalarVolumeNode", "Modality", "CT")
    assert selector.nodeCount() == 0
    ct = addVolume("ct")
    ct.SetAttribute("Modality", "CT")
    assert selector.nodeFromIndex(0) is ct


def test_a_node_selector_shows_new_names(selector):
    node, heard = addVolume("first"), []
    selector.connect("currentNodeRenamed(QString)", heard.append)
    node.SetName("renamed")
    assert heard == ["renamed"]


def test_a_deleted_node_is_let_go(selector):
    import gc
    import weakref

    node = addVolume("first")
    gone = weakref.ref(node)
    node.GetScene().RemoveNode(node)
    del node
    gc.collect()
    assert gone() is None


def test_shortcuts_react_to_keys_in_their_window(qtHost):
    import qt

    window = qt.QWidget()
    layout = qt.QVBoxLayout(window)
    edit, button = qt.QLineEdit(), qt.QPushButton("x")
    layout.addWidget(edit)
    layout.addWidget(button)
    heard = []
    shortcut = qt.QShortcut(qt.QKeySequence("D"), window)
    shortcut.connect("activated()", lambda: heard.append("D"))
    window.show()
    pressKey(button, "D")
    assert heard == ["D"]
    typeText(edit, "Dr D")
    assert heard == ["D"] and edit.text == "Dr D"
    shortcut.enabled = False
    pressKey(button, "D")
    assert heard == ["D"]


def test_a_click_into_a_cell_selects_its_row(qtHost):
    import qt

    table = qt.QTableWidget(2, 2)
    table.selectionBehavior = qt.QAbstractItemView.SelectRows
    for row in range(2):
        table.setItem(row, 1, qt.QTableWidgetItem(str(row)))
    heard = []
    table.connect("cellClicked(int,int)", lambda row, column: heard.append((row, column)))
    table.show()
    clickCell(table, 1, 1)
    assert heard == [(1, 1)] and table.currentRow() == 1


def test_the_wheel_goes_to_the_first_that_takes_it(qtHost):
    import qt

    class Refuse(qt.QWidget):
        def eventFilter(self, watched, event):
            if event.type() == qt.QEvent.Wheel:
                heard.append(watched)
                event.ignore()
                return True
            return False

    heard, spin = [], qt.QSpinBox()
    spin.value = 5
    spin.show()
    turnWheel(spin, spin.width - 5, 8)
    assert spin.value == 4
    refuse = Refuse()
    spin.installEventFilter(refuse)
    turnWheel(spin, spin.width - 5, 8)
    assert spin.value == 4 and heard == [spin]


def test_a_picture_has_readable_text(qtHost, tmp_path):
    import qt

    wide, empty = qt.QLabel("Wwwwwwww"), qt.QLabel("")
    pictures = [
        qt.QImage(str(grab(label, tmp_path / f"{index}.png", 120, 40))) for index, label in enumerate((wide, empty))
    ]
    colors = [{picture.pixel(x, 20) for x in range(120)} for picture in pictures]
    assert len(colors[0]) > 8 and len(colors[1]) == 1, "no text: is a font installed (fonts-dejavu-core)?"
    assert wide.fontMetrics().horizontalAdvance("W") > wide.fontMetrics().horizontalAdvance("i") * 1.5
    processEvents()
