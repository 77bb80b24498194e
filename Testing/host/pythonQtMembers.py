"""What a name means on a Qt object, looked up in PythonQt's order: property, signal or method, enumeration."""

import enum
import types

from PySide6.QtCore import QMetaMethod, QObject, QTimer

from Testing.host.pythonQtEnums import enumMember

PYTHON_METHODS = ("className", "inherits", "connect", "disconnect")

# In PySide6 only, or in Qt 6 but not, or not in the same form, in the Qt 5.15 of Slicer's stable releases.
_NOT_FOR_MODULES = {
    "QAbstractItemView": {"keyboardSearchFlags", "setKeyboardSearchFlags", "setUpdateThreshold", "updateThreshold"},
    "QAction": {"associatedObjects"},
    "QByteArray": {"assign", "erase", "first", "last", "percentDecoded", "sliced", "slice", "toStdString"},
    "QCheckBox": {"checkStateChanged"},
    "QColor": {"fromString", "isValidColorName", "toTuple"},
    "QComboBox": {"labelDrawingMode", "setLabelDrawingMode"},
    "QFormLayout": {"isRowVisible", "setRowVisible"},
    "QHeaderView": {"isSortIndicatorClearable", "setSortIndicatorClearable"},
    "QLabel": {"resourceProvider", "setResourceProvider"},
    "QLayout": {"setHorizontalSizeConstraint", "setSizeConstraints", "setVerticalSizeConstraint"},
    "QMessageBox": {"options", "setOption", "setOptions", "testOption"},
    "QObject": {
        "connectNotify",
        "disconnectNotify",
        "emit",
        "isQmlExposed",
        "isQuickItemType",
        "metaObject",
        "receivers",
    },
    "QPixmap": {"deviceIndependentSize"},
    "QPoint": {"toTuple"},
    "QProcess": {"error", "failChildProcessModifier", "setUnixProcessParameters", "startCommand"},
    "QShortcut": {"keys", "setKeys"},
    "QSize": {"toTuple"},
    "QTimer": {"callOnTimeout", "id", "intervalAsDuration"},
    "QWidget": {"accessibleIdentifier", "setAccessibleIdentifier"},
}

staticOverrides = {}  # (class, method) -> function(*arguments)
_kinds = {}
overrides = {}  # (class, method) -> function(pyside, *arguments)


def overriding(pysideClass, name, table):
    """The function that takes the place of a method, or None."""
    return next((table[base.__name__, name] for base in pysideClass.__mro__ if (base.__name__, name) in table), None)


def notForModules(pysideClass, name):
    return any(name in _NOT_FOR_MODULES.get(base.__name__, ()) for base in pysideClass.__mro__)


def member(pyside, name):
    """A kind ("Property", "Signal", "Slot", ...; None: no such name) and, for a property, its QMetaProperty."""
    cls = type(pyside)
    if name == "name" and isinstance(pyside, QObject) and pyside.metaObject().indexOfProperty("name") < 0:
        name = "objectName"
    if notForModules(cls, name):
        raise AttributeError(f"{cls.__name__}.{name} is not the same in PythonQt with Qt 5 and with Qt 6")
    if (cls, name) not in _kinds:
        _kinds[cls, name] = _kind(pyside, name)
    kind = _kinds[cls, name]
    if kind == "Property":
        meta = pyside.metaObject()
        return kind, meta.property(meta.indexOfProperty(name))
    dynamic = pyside.dynamicPropertyNames() if kind is None and isinstance(pyside, QObject) else []
    return "Dynamic property" if name in [bytes(each).decode() for each in dynamic] else kind, None


def _kind(pyside, name):
    cls = type(pyside)
    if isinstance(pyside, QObject):
        meta = pyside.metaObject()  # not staticMetaObject, which PySide6 spoils where an object is deleted
        if meta.indexOfProperty(name) >= 0 and not (name == "singleShot" and isinstance(pyside, QTimer)):
            return "Property"
        methods = [meta.method(index) for index in range(meta.methodCount())]
        kinds = {method.methodType() for method in methods if bytes(method.name()).decode() == name}
        if kinds:
            return "Signal" if QMetaMethod.MethodType.Signal in kinds else "Slot"
        if name in PYTHON_METHODS:
            return "Slot"
    if overriding(cls, name, overrides) or overriding(cls, name, staticOverrides):
        return "Slot"
    for base in cls.__mro__:
        found = vars(base).get("raise_" if name == "raise" else name)
        if isinstance(found, (types.MethodDescriptorType, types.BuiltinFunctionType, staticmethod)):
            return "Slot"
        if isinstance(found, enum.EnumMeta):
            return "Enum"
    return "EnumValue" if enumMember(cls, name) is not None else None
