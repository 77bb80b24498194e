"""Designer files: loaded by Qt's own loader, after a check of all that the loader would only warn of."""

import re
import xml.etree.ElementTree as ElementTree

from PySide6 import QtWidgets
from PySide6.QtCore import SIGNAL, SLOT, QBuffer, QIODevice, QObject

from Testing.host import pythonQtCtk, pythonQtCtkInputs, pythonQtMrml
from Testing.host.pythonQtEnums import enumMember
from Testing.host.pythonQtMembers import overrides
from Testing.host.pythonQtSignals import signals
from Testing.host.pythonQtTable import QTableWidget5

_STAND_INS = {each.__name__: each for each in (*pythonQtCtk.CLASSES, *pythonQtCtkInputs.CLASSES, *pythonQtMrml.CLASSES)}
_LAYOUT_PROPERTIES = {"leftMargin", "topMargin", "rightMargin", "bottomMargin", "margin", "spacing"}
_LAYOUT_PROPERTIES |= {"horizontalSpacing", "verticalSpacing", "sizeConstraint", "fieldGrowthPolicy", "rowWrapPolicy"}
_LAYOUT_PROPERTIES |= {"labelAlignment", "formAlignment"}
_UNSAFE_NAMES = {"Slider", "SpinBox", "hboxLayout"}  # children of ctk's own widgets have them


class UiError(Exception):
    """The .ui file asks for something that Slicer does not have."""


def _className(name):
    found = _STAND_INS.get(name) or getattr(QtWidgets, "QFrame" if name == "Line" else name, None)
    if found is None:
        raise UiError(f"class {name} is neither in Qt nor among the stand-ins {', '.join(sorted(_STAND_INS))}")
    return found


def _properties(cls, onlyOwn=False):
    widget = cls()  # PySide6 spoils a class's staticMetaObject where an object of the class is deleted
    meta = widget.metaObject()
    return {
        meta.property(index).name() for index in range(meta.propertyOffset() if onlyOwn else 0, meta.propertyCount())
    }


def _checkWidgets(root):
    declared = {each.findtext("class"): each.findtext("header") for each in root.iter("customwidget")}
    names = [each.get("name") for each in root.iter("widget")] + [each.get("name") for each in root.iter("layout")]
    twice = {name for name in names if name and names.count(name) > 1}
    if twice:
        raise UiError(f"object names used twice: {', '.join(sorted(twice))}")
    for element in root.iter("widget"):
        cls, name = _className(element.get("class")), element.get("name")
        if element.get("class") in _STAND_INS and element.get("class") not in declared:
            raise UiError(f"{name}: class {element.get('class')} has no <customwidget> entry")
        if name in _UNSAFE_NAMES:
            raise UiError(f"{name}: children of ctk's widgets have this name, choose another")
        known = _properties(cls) | ({"orientation"} if element.get("class") == "Line" else set())
        for prop in element.findall("property"):
            if prop.get("stdset") != "0" and prop.get("name") not in known:
                raise UiError(f"{name}: {element.get('class')} has no property '{prop.get('name')}'")
    for element in root.iter("layout"):
        for prop in element.findall("property"):
            if prop.get("name") not in _LAYOUT_PROPERTIES:
                raise UiError(f"{element.get('name')}: {element.get('class')} has no property '{prop.get('name')}'")


def _checkEnumerations(root):
    """Refuse the form that only Qt 6 reads, and give the flags of our own properties as numbers."""
    for element in root.iter("widget"):
        standIn = _STAND_INS.get(element.get("class"))
        for prop in element.findall("property"):
            for value in [each for each in prop if each.tag in ("enum", "set") and each.text]:
                names = value.text.split("|")
                if any(name.count("::") > 1 for name in names):
                    raise UiError(f"{element.get('name')}: Qt 5 does not know {value.text}, leave the type out")
                if standIn and prop.get("name") in _properties(standIn, onlyOwn=True):
                    value.tag, value.text = "number", str(sum(enumMember(standIn, n.split("::")[-1]) for n in names))


def _takeConnections(root):
    connections = root.find("connections")
    if connections is None:
        return []
    root.remove(connections)
    return [[each.findtext(tag) for tag in ("sender", "signal", "receiver", "slot")] for each in connections]


def _connect(widget, sender, signal, receiver, slot):
    def named(name):
        found = widget if widget.objectName() == name else widget.findChild(QObject, name)
        if found is None:
            raise UiError(f"connection {signal} -> {slot}: there is no object '{name}'")
        return found

    source, target = named(sender), named(receiver)
    if signal not in signals(source):
        raise UiError(f"connection: {sender} has no signal {signal}")
    wanted = re.sub(r"vtkMRML\w+\*", "PyObject", slot)
    if target.metaObject().indexOfMethod(wanted) < 0:
        raise UiError(f"connection: {receiver} has no slot {slot}")
    if not QObject.connect(source, SIGNAL(signals(source)[signal]), target, SLOT(wanted)):
        raise UiError(f"connection: {signal} of {sender} does not fit {slot} of {receiver}")


def load(loader, device, parent=None):
    """The widget of a .ui file (an open QFile); raises UiError where Slicer's loader would only warn."""
    root = ElementTree.fromstring(bytes(device.readAll().data()))
    _checkWidgets(root)
    _checkEnumerations(root)
    connections = _takeConnections(root)
    for element in root.iter("widget"):
        if element.get("class") == "QTableWidget":
            element.set("class", QTableWidget5.__name__)
    buffer = QBuffer()
    buffer.setData(ElementTree.tostring(root))
    buffer.open(QIODevice.OpenModeFlag.ReadOnly)
    for cls in (*_STAND_INS.values(), QTableWidget5):
        loader.registerCustomWidget(cls)
    widget = loader.load(buffer, parent)
    for connection in connections:
        _connect(widget, *connection)
    return widget


def install():
    """Make ``qt.QUiLoader().load`` the checked one."""
    overrides["QUiLoader", "load"] = load
