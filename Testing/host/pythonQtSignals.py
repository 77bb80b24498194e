"""Signals by their C++ signature, and callbacks whose exceptions are kept instead of only printed."""

import sys
import traceback
import types

from PySide6.QtCore import SIGNAL, QMetaMethod, QMetaObject, QObject
from shiboken6 import getCppPointer

from Testing.host.pythonQtConvert import toPython, toQt

callbackErrors = []
_connections = {}  # address of the sender -> [(signature, callable, deliver)]


def signals(pyside):
    """The C++ signatures of an object's signals, each with the one that PySide6 knows."""
    meta = pyside.metaObject()
    found = {}
    for index in range(meta.methodCount()):
        method = meta.method(index)
        if method.methodType() == QMetaMethod.MethodType.Signal:
            signature = bytes(method.methodSignature()).decode()
            vtkType = getattr(type(pyside), "vtkSignals", {}).get(bytes(method.name()).decode())
            found[signature.replace("PyObject", vtkType) if vtkType else signature] = signature
    return found


def recordError(error):
    """Print an exception as PythonQt would, and keep it for the test to fail on."""
    traceback.print_exception(type(error), error, error.__traceback__, file=sys.stderr)
    callbackErrors.append(error)


def _argumentCount(function):
    """How many positional arguments PythonQt passes at most: it only looks into Python functions and methods."""
    method = isinstance(function, types.MethodType)
    code = getattr(function.__func__ if method else function, "__code__", None)
    if code is None or code.co_flags & 0x04:
        return None
    return code.co_argcount - (1 if method else 0)


def _deliverer(function):
    count = _argumentCount(function)

    def deliver(*arguments):
        try:
            function(*[toPython(argument) for argument in arguments[:count]])
        except Exception as error:
            recordError(error)

    return deliver


def _normalized(pyside, signature):
    if not isinstance(signature, str):
        raise TypeError(f"a signal is named by its C++ signature as a str, not by {signature!r}")
    known = signals(pyside)
    normalized = bytes(QMetaObject.normalizedSignature(signature)).decode()
    if normalized not in known:
        name = normalized.split("(")[0]
        near = [each for each in known if each.split("(")[0] == name]
        hint = f"; there is {', '.join(near)}" if near else ""
        raise ValueError(f"signal '{signature}' does not exist on {pyside.metaObject().className()}{hint}")
    return normalized, known[normalized]


def connect(pyside, signature, function):
    """Call the function at each emission; raises for a signal that does not exist and for what cannot be called."""
    normalized, known = _normalized(pyside, signature)
    if not callable(function):
        raise TypeError(f"'{signature}' is connected to {function!r}, which cannot be called")
    address, deliver = getCppPointer(pyside)[0], _deliverer(function)
    if address not in _connections:
        QObject.connect(pyside, SIGNAL("destroyed()"), lambda: _connections.pop(address, None))
    _connections.setdefault(address, []).append((normalized, function, deliver))
    QObject.connect(pyside, SIGNAL(known), deliver)
    return True


def disconnect(pyside, signature, function=None):
    """Undo ``connect``; raises for what was not connected, where PythonQt would return False."""
    normalized, known = _normalized(pyside, signature)
    entries = _connections.get(getCppPointer(pyside)[0], [])
    matching = [entry for entry in entries if entry[0] == normalized and function in (None, entry[1])]
    if not matching:
        raise ValueError(f"'{signature}' of {pyside.metaObject().className()} is not connected to {function!r}")
    for entry in matching if function is None else matching[:1]:
        entries.remove(entry)
        QObject.disconnect(pyside, SIGNAL(known), entry[2])
    return True


class BoundSignal:
    """``widget.clicked``: has connect, disconnect and emit, and is neither called nor assigned."""

    def __init__(self, pyside, name):
        overloads = [each for each in signals(pyside) if each.split("(")[0] == name]
        longest = max(overloads, key=lambda each: (each.count(","), len(each)))
        self._pyside, self._name, self._signature = pyside, name, longest
        arguments = longest[len(name) + 1 : -1]
        others = [each[len(name) + 1 : -1] for each in overloads]
        self._ambiguous = overloads if any(not arguments.startswith(each) for each in others) else None

    def _chosen(self):
        if self._ambiguous:
            raise TypeError(f"'{self._name}' has several signatures, name one: {', '.join(self._ambiguous)}")
        return self._signature

    def connect(self, function):
        return connect(self._pyside, self._chosen(), function)

    def disconnect(self, function=None):
        return disconnect(self._pyside, self._chosen(), function)

    def emit(self, *arguments):
        getattr(self._pyside, self._name).emit(*[toQt(argument) for argument in arguments])

    def __call__(self, *arguments):
        raise TypeError(f"'{self._name}' is a signal and cannot be called")
