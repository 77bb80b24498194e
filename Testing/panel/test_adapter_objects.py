"""The adapter for ``qt`` is as strict as PythonQt, or stricter: wrong code raises, right code works."""

from pathlib import Path

import numpy
import pytest

from Testing.host.pythonQtDrive import click, waitUntil


@pytest.fixture
def button(qtHost):
    import qt

    return qt.QPushButton("Detect")


def test_properties_are_attributes(button):
    button.text = "Cancel"
    button.enabled, button.checkable, button.checked = False, True, True
    button.setToolTip("stops")
    button.name = "detectButton"
    assert (button.text, button.enabled, button.checked, button.toolTip) == ("Cancel", False, True, "stops")
    assert button.objectName == button.name == "detectButton"
    assert button.isChecked() and button.className() == "QPushButton" and button.inherits("QWidget")


def test_dynamic_properties_are_attributes_once_set(button):
    button.setProperty("SlicerParameterName", "samples")
    assert button.SlicerParameterName == button.property("SlicerParameterName") == "samples"
    button.SlicerParameterName = "seed"
    assert button.property("SlicerParameterName") == "seed"


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda qt, b: b.text(), TypeError),
        (lambda qt, b: b.enabled(), TypeError),
        (lambda qt, b: qt.QComboBox().count(), TypeError),
        (lambda qt, b: qt.QSpinBox().value(), TypeError),
        (lambda qt, b: qt.QTableWidget().rowCount(), TypeError),
        (lambda qt, b: b.caption, AttributeError),
        (lambda qt, b: b.seText("x"), AttributeError),
        (lambda qt, b: b.isText(), AttributeError),
        (lambda qt, b: b.exec(), AttributeError),
        (lambda qt, b: qt.QDialog().exec(), AttributeError),
        (lambda qt, b: qt.QMessageBox().exec(), AttributeError),
        (lambda qt, b: qt.QTimer().callOnTimeout(print), AttributeError),
        (lambda qt, b: qt.QFormLayout().setRowVisible(0, False), AttributeError),
        (lambda qt, b: qt.QCheckBox().checkStateChanged, AttributeError),
        (lambda qt, b: qt.QSize(1, 2).toTuple(), AttributeError),
        (lambda qt, b: qt.QSize(1, 2).breadth(), AttributeError),
        (lambda qt, b: qt.Signal(), AttributeError),
        (lambda qt, b: qt.Slot(), AttributeError),
        (lambda qt, b: qt.Property(int), AttributeError),
        (lambda qt, b: qt.QtCore, AttributeError),
        (lambda qt, b: qt.QPushButtn(), AttributeError),
        (lambda qt, b: qt.QLabel(text="x"), TypeError),
        (lambda qt, b: b.setText(text="x"), TypeError),
        (lambda qt, b: b.setText(None), TypeError),
        (lambda qt, b: b.setText(3), TypeError),
        (lambda qt, b: qt.QTableWidgetItem().setText(None), TypeError),
        (lambda qt, b: b.setEnabled(numpy.bool_(True)), TypeError),
        (lambda qt, b: qt.QSpinBox().setValue(numpy.int64(3)), TypeError),
        (lambda qt, b: qt.QFile(Path("x")), TypeError),
        (lambda qt, b: isinstance(b, qt.QWidget), TypeError),
        (lambda qt, b: qt.QPushButton.show(b), AttributeError),
        (lambda qt, b: str(qt.QByteArray(b"x")), TypeError),
        (lambda qt, b: bytes(qt.QByteArray(b"x")), TypeError),
        (lambda qt, b: qt.QByteArray(b"x").decode(), AttributeError),
    ],
)
def test_wrong_use_raises(qtHost, button, wrong, error):
    import qt

    with pytest.raises(error):
        wrong(qt, button)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("caption", "x", AttributeError),
        ("setText", print, AttributeError),
        ("clicked", print, AttributeError),
        ("width", 3, AttributeError),
        ("isActiveWindow", True, AttributeError),
        ("text", 3, TypeError),
        ("text", None, TypeError),
        ("enabled", 1, TypeError),
        ("enabled", numpy.bool_(True), TypeError),
        ("minimumWidth", 3.5, TypeError),
        ("minimumWidth", True, TypeError),
        ("minimumWidth", numpy.int64(3), TypeError),
        ("focusPolicy", "StrongFocus", TypeError),
        ("icon", "icon.png", TypeError),
        ("shortcut", "Ctrl+D", TypeError),
    ],
)
def test_wrong_assignment_raises(button, name, value, error):
    before = button.text
    with pytest.raises(error):
        setattr(button, name, value)
    assert button.text == before


def test_qt_classes_have_no_python_subclasses(qtHost):
    import qt

    with pytest.raises(TypeError, match="subclass"):
        type("MyDialog", (qt.QDialog,), {})


def test_enumerations_are_integers_without_scope(button):
    import qt

    label = qt.QLabel()
    label.alignment = qt.Qt.AlignRight | qt.Qt.AlignVCenter
    assert label.alignment == qt.Qt.AlignRight | qt.Qt.AlignVCenter
    label.setAlignment(qt.Qt.AlignLeft)
    assert label.alignment & qt.Qt.AlignLeft
    button.focusPolicy = qt.Qt.NoFocus
    assert button.focusPolicy == qt.Qt.NoFocus == 0
    assert qt.QSizePolicy().horizontalPolicy() == qt.QSizePolicy.Fixed
    assert qt.Qt.UserRole + 1 == 257
    for scoped in (
        lambda: qt.Qt.CursorShape.WaitCursor,
        lambda: qt.Qt.AlignmentFlag.AlignLeft,
        lambda: qt.QMessageBox.StandardButton.Ok,
        lambda: qt.QSizePolicy.Policy.Fixed,
    ):
        with pytest.raises(AttributeError, match="not scoped"):
            scoped()


def test_values_and_lists_come_back_as_pythonqt_has_them(qtHost):
    import qt

    table = qt.QTableWidget(2, 1)
    item = qt.QTableWidgetItem("left")
    table.setItem(0, 0, item)
    item.setData(qt.Qt.UserRole, "left")
    table.selectRow(0)
    assert table.rowCount == 2 and table.item(0, 0).text() == "left" and table.item(1, 0) is None
    assert table.item(0, 0).data(qt.Qt.UserRole) == "left"
    assert isinstance(table.selectedItems(), tuple) and table.selectedItems()[0] == item
    assert item.background().color().name() == qt.QBrush().color().name()
    assert table.size.width() == table.width
    parent = qt.QWidget()
    layout = qt.QVBoxLayout(parent)
    child = qt.QLabel("x", parent)
    layout.addWidget(child)
    assert parent.layout() is layout and child in parent.children() and layout.itemAt(0).widget() is child
    assert qt.QByteArray(b"\xff\x00").data() == b"\xff\x00"


def test_a_destroyed_object_says_so(qtHost):
    import qt

    label = qt.QLabel("x")
    label.deleteLater()
    waitUntil(lambda: not _usable(label), 2)
    with pytest.raises(ValueError, match="destroyed"):
        label.text = "y"


def _usable(label):
    try:
        return bool(label.text)
    except ValueError:
        return False


def test_settings_come_back_as_text(qtHost):
    import qt
    import slicer

    settings = qt.QSettings()
    settings.setValue("CarotidLandmark/anonymise", False)
    settings.setValue("CarotidLandmark/samples", 50)
    settings.setValue("CarotidLandmark/folders", ["a", "b"])
    assert settings.value("CarotidLandmark/anonymise") == "false"
    assert settings.value("CarotidLandmark/samples") == "50"
    assert settings.value("CarotidLandmark/folders") == ("a", "b")
    assert settings.value("CarotidLandmark/nothing") is None and settings.value("CarotidLandmark/nothing", 3) == 3
    assert slicer.util.settingsValue("CarotidLandmark/anonymise", True, converter=slicer.util.toBool) is False


def test_settings_do_not_outlive_the_test(qtHost):
    import qt

    assert not qt.QSettings().contains("CarotidLandmark/samples")


def test_a_click_needs_a_button_that_a_user_could_click(button):
    clicks = []
    button.connect("clicked()", lambda: clicks.append(1))
    with pytest.raises(AssertionError, match="not visible"):
        click(button)
    button.show()
    click(button)
    button.enabled = False
    with pytest.raises(AssertionError, match="disabled"):
        click(button)
    assert clicks == [1]
