""".ui files are checked for all that Slicer's loader would only warn of, and connected to the scene as there."""

import pytest

from Testing.host.pythonQtUi import UiError

CUSTOM = """<customwidgets>
 <customwidget><class>qMRMLWidget</class><extends>QWidget</extends><header>qMRMLWidget.h</header></customwidget>
 <customwidget><class>qMRMLNodeComboBox</class><extends>QWidget</extends><header>q.h</header></customwidget>
 <customwidget><class>ctkCollapsibleButton</class><extends>QWidget</extends><header>c.h</header></customwidget>
 <customwidget><class>ctkPathLineEdit</class><extends>QWidget</extends><header>c.h</header></customwidget>
</customwidgets>"""
SCENE = """<connection><sender>Panel</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
 <receiver>selector</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot></connection>"""
SELECTOR = """<widget class="qMRMLNodeComboBox" name="selector"><property name="nodeTypes"><stringlist notr="true">
 <string>vtkMRMLScalarVolumeNode</string></stringlist></property></widget>"""


def write(folder, widgets, connections=SCENE, custom=CUSTOM):
    items = "".join(f"<item>{each}</item>" for each in (SELECTOR, *widgets))
    path = folder / "Panel.ui"
    path.write_text(
        f"""<?xml version="1.0" encoding="UTF-8"?><ui version="4.0"><class>Panel</class>
        <widget class="qMRMLWidget" name="Panel"><layout class="QVBoxLayout" name="layout1">{items}</layout></widget>
        {custom}<connections>{connections}</connections></ui>"""
    )
    return str(path)


def test_a_ui_file_gives_its_widgets_by_name_and_the_scene_to_its_selectors(qtHost, tmp_path):
    import slicer

    widgets = [
        """<widget class="ctkCollapsibleButton" name="section">
        <property name="text"><string>Advanced</string></property>
        <property name="collapsed"><bool>true</bool></property>
        <layout class="QFormLayout" name="formLayout"><item row="0" column="0"><widget class="QLabel" name="label">
        <property name="text"><string>Seed:</string></property></widget></item></layout></widget>""",
        """<widget class="ctkPathLineEdit" name="folderEdit"><property name="filters">
        <set>ctkPathLineEdit::Dirs|ctkPathLineEdit::Writable</set></property></widget>""",
        """<widget class="QCheckBox" name="anonymise"><property name="SlicerParameterName" stdset="0">
        <string>anonymise</string></property><property name="checked"><bool>true</bool></property></widget>""",
        """<widget class="Line" name="line"><property name="orientation"><enum>Qt::Horizontal</enum></property>
        </widget>""",
    ]
    toggled = """<connection><sender>anonymise</sender><signal>toggled(bool)</signal>
    <receiver>section</receiver><slot>setVisible(bool)</slot></connection>"""
    root = slicer.util.loadUI(write(tmp_path, widgets, SCENE + toggled))
    ui = slicer.util.childWidgetVariables(root)
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    assert ui.selector.mrmlScene() is None
    root.setMRMLScene(slicer.mrmlScene)
    assert ui.selector.currentNode() is volume and root.mrmlScene() is slicer.mrmlScene
    assert ui.section.collapsed and ui.section.text == "Advanced" and ui.label.text == "Seed:"
    assert ui.folderEdit.filters == 0x21
    assert ui.anonymise.checked and ui.anonymise.SlicerParameterName == "anonymise"
    assert slicer.util.findChild(root, "anonymise") == ui.anonymise
    root.show()
    ui.anonymise.checked = False
    assert not ui.section.visible
    with pytest.raises(AttributeError):
        _ = ui.noSuchWidget


def test_a_spanned_row_is_as_high_as_its_first_column_would_need(qtHost, tmp_path):
    """As in Qt 5.15; a size hint of the item's own counts before it."""
    import qt
    import slicer

    root = slicer.util.loadUI(write(tmp_path, ['<widget class="QTableWidget" name="table"/>']))
    table = slicer.util.childWidgetVariables(root).table
    table.setRowCount(1)
    table.setColumnCount(2)
    table.setColumnWidth(0, 40)
    table.setColumnWidth(1, 400)
    table.setSpan(0, 0, 1, 2)
    table.setItem(0, 0, qt.QTableWidgetItem("words that fit on one line"))
    table.resizeRowsToContents()
    assert table.rowHeight(0) > 4 * table.fontMetrics().height()
    table.item(0, 0).setSizeHint(qt.QSize(0, 33))
    table.resizeRowsToContents()
    assert table.rowHeight(0) in (33, 34)


def test_a_selector_that_is_not_connected_has_no_scene(qtHost, tmp_path):
    import slicer

    root = slicer.util.loadUI(write(tmp_path, [], connections=""))
    root.setMRMLScene(slicer.mrmlScene)
    assert slicer.util.findChild(root, "selector").mrmlScene() is None


@pytest.mark.parametrize(
    ("widget", "what"),
    [
        ('<widget class="ctkSuperButton" name="a"/>', "neither"),
        ('<widget class="ctkSliderWidget" name="a"/>', "customwidget"),
        ('<widget class="QLabel" name="selector"/>', "twice"),
        ('<widget class="QLabel" name="SpinBox"/>', "another"),
        (
            '<widget class="QLabel" name="a"><property name="caption"><string>x</string></property></widget>',
            "no property",
        ),
        (
            '<widget class="QLabel" name="a"><property name="alignment"><set>Qt::A::AlignTop</set></property></widget>',
            "Qt 5",
        ),
    ],
)
def test_a_wrong_widget_raises(qtHost, tmp_path, widget, what):
    import slicer

    with pytest.raises(UiError, match=what):
        slicer.util.loadUI(write(tmp_path, [widget]))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<sender>Panel", "<sender>Pannel"),
        ("<receiver>selector", "<receiver>selecter"),
        ("<signal>mrmlSceneChanged(vtkMRMLScene*)", "<signal>sceneChanged(vtkMRMLScene*)"),
        ("<signal>mrmlSceneChanged(vtkMRMLScene*)", "<signal>mrmlSceneChanged(vtkMRMLNode*)"),
        ("<slot>setMRMLScene(vtkMRMLScene*)", "<slot>setScene(vtkMRMLScene*)"),
        ("<slot>setMRMLScene(vtkMRMLScene*)", "<slot>setVisible(bool)"),
    ],
)
def test_a_wrong_connection_raises(qtHost, tmp_path, old, new):
    import slicer

    with pytest.raises(UiError, match="connection"):
        slicer.util.loadUI(write(tmp_path, [], SCENE.replace(old, new)))
    qtHost.takeErrors()


def test_a_missing_file_raises(qtHost, tmp_path):
    import slicer

    with pytest.raises(RuntimeError, match="file not found"):
        slicer.util.loadUI(str(tmp_path / "none.ui"))
