"""What goes into Qt and what comes out of it: PythonQt's conversions, without its guesses."""

import enum
import os

import numpy
from PySide6.QtCore import QObject
from shiboken6 import Shiboken

from Testing.host.pythonQtEnums import QtEnum

_WRITABLE = {
    "bool": (bool,),
    "int": (int,),
    "uint": (int,),
    "double": (int, float),
    "float": (int, float),
    "QString": (str,),
    "QStringList": (list, tuple),
    "QByteArray": (bytes,),
}


def toQt(value):
    """The PySide object, enumeration value or plain value to hand to Qt for what a module passed."""
    if hasattr(type(value), "_toQt"):
        return value._toQt()
    if isinstance(value, (list, tuple)):
        return [toQt(item) for item in value]
    if isinstance(value, dict):
        return {key: toQt(item) for key, item in value.items()}
    if isinstance(value, (numpy.generic, numpy.ndarray)) and not isinstance(value, float):
        raise TypeError(
            f"PythonQt does not take numpy's {type(value).__name__}: use int(), float(), bool() or .tolist()"
        )
    if isinstance(value, os.PathLike):
        raise TypeError(f"PythonQt does not take a {type(value).__name__}: convert it with str()")
    if isinstance(value, Shiboken.Object):
        raise TypeError(
            f"a bare PySide6 {type(value).__name__} reached the adapter: modules under test use qt, ctk and slicer"
        )
    return value


def toPython(value):
    """What a module sees of a value that came out of Qt: wrappers, unscoped enumeration values, tuples for lists."""
    from Testing.host.pythonQtProxy import wrap  # which needs this file

    if isinstance(value, enum.Enum):
        return QtEnum(value)
    if isinstance(value, Shiboken.Object):
        return wrap(value)
    if isinstance(value, (list, tuple)):
        return tuple(toPython(item) for item in value)
    if isinstance(value, dict):
        return {key: toPython(item) for key, item in value.items()}
    return value


def readProperty(pyside, metaProperty):
    try:
        return toPython(metaProperty.read(pyside))
    except RuntimeError:  # PySide6 converts no enumeration here; its getter does
        value = toPython(getattr(pyside, metaProperty.name())())
        return int(value) if isinstance(value, QtEnum) else value


def writeProperty(pyside, metaProperty, value):
    """Set a property; a value of another type than the property's own raises TypeError."""
    name, typeName = metaProperty.name(), metaProperty.typeName()
    converted = toQt(value)
    if metaProperty.isEnumType() or "::" in typeName:
        _writeEnumeration(pyside, name, typeName, value)
        return
    accepted = _WRITABLE.get(typeName)
    if accepted:
        fits = isinstance(value, accepted) and (bool in accepted or not isinstance(value, bool))
        if typeName == "QStringList":
            fits = fits and all(isinstance(item, str) for item in value)
    else:
        fits = typeName == "QVariant" or typeName.rstrip("*") in [base.__name__ for base in type(converted).__mro__]
    if not fits or not metaProperty.write(pyside, converted):
        kind = type(value).__name__
        raise TypeError(f"Property '{name}' of type '{typeName}' does not accept an object of type {kind} ({value!r})")


def _writeEnumeration(pyside, name, typeName, value):
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(
            f"Property '{name}' of type '{typeName}' does not accept an object of type {type(value).__name__}"
        )
    enumeration = type(getattr(pyside, name)())
    getattr(pyside, f"set{name[0].upper()}{name[1:]}")(enumeration(int(value)))


def isQObject(pyside):
    return isinstance(pyside, QObject)
