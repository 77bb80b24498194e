"""Wrappers around PySide6 objects that follow PythonQt's rules, stricter than the original.

Properties are attributes and nothing but, methods are what Qt (or, for a widget of ctk and qMRML, its slots) has,
signals go by their C++ signatures, enumerations are not scoped; whatever else is asked raises.
"""

import enum
import functools
import types
import weakref

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets
from shiboken6 import Shiboken, isValid

from Testing.host import pythonQtSignals
from Testing.host.pythonQtConvert import isQObject, readProperty, toPython, toQt, writeProperty
from Testing.host.pythonQtEnums import QtEnumType, enumMember
from Testing.host.pythonQtMembers import PYTHON_METHODS, member, notForModules, overrides, overriding, staticOverrides

_STRICT_STR = {"QByteArray"}
_COMPILERS = ("__firstlineno__", "__static_attributes__", "__classcell__")

_classes = {}
_wrappers = weakref.WeakValueDictionary()


class QtClass(type):
    """The type of every class in ``qt`` and ``ctk``."""

    def __new__(metaclass, name, bases, namespace):
        if any(hasattr(base, "_pyside") for base in bases):
            own = {each for each in namespace if each not in ("__module__", "__qualname__", "__doc__", *_COMPILERS)}
            if own != {"eventFilter"} or bases[0]._pyside is not QtWidgets.QWidget:
                raise TypeError(f"{name}: the one Python subclass that is tried in PythonQt is a QWidget's eventFilter")
            pyside = type(name, (QtWidgets.QWidget,), {"eventFilter": _filterEvent})
            namespace = {**namespace, "_pyside": pyside, "__slots__": ()}
        return super().__new__(metaclass, name, bases, namespace)

    def __call__(cls, *arguments, **keywords):
        if keywords:
            raise TypeError(
                f"{cls.__name__}: PythonQt's constructors take no keywords ({', '.join(keywords)}); set properties"
            )
        pyside = cls._pyside
        if issubclass(pyside, QtWidgets.QWidget) and QtWidgets.QApplication.instance() is None:
            raise RuntimeError("no QApplication: call installQtHost() first")
        return wrap(pyside(*[toQt(argument) for argument in arguments]), cls)

    def __instancecheck__(cls, instance):
        if type(instance) is cls or cls.__name__ == "Wrapper" or not isinstance(instance, Wrapper):
            return type.__instancecheck__(cls, instance)
        if isinstance(instance._object, cls._pyside):
            raise TypeError(f"PythonQt's classes do not inherit from each other: ask .inherits('{cls.__name__}')")
        return False

    def _toQt(cls):
        return cls._pyside

    def __getattr__(cls, name):
        pyside = cls.__dict__.get("_pyside")
        if pyside is None or name.startswith("__"):
            raise AttributeError(name)
        override = overriding(pyside, name, staticOverrides)
        if override:
            return Method(pyside, name, override)
        value = enumMember(pyside, name)
        if value is not None:
            return value
        found = None if notForModules(pyside, name) else getattr(pyside, name, None)
        if isinstance(found, enum.EnumMeta):
            return QtEnumType(cls.__name__, found)
        if isinstance(found, type) and issubclass(found, Shiboken.Object):
            return classOf(found)
        if isinstance(found, types.BuiltinFunctionType):
            return Method(pyside, name, found)
        raise AttributeError(f"type object '{cls.__name__}' has no attribute '{name}'")

    def __setattr__(cls, name, value):
        raise AttributeError(f"'{name}' cannot be set on the class {cls.__name__}")


class Method:
    """A bound method or a static one of a Qt class."""

    def __init__(self, owner, name, function):
        self._owner, self._name, self._function = owner, name, function

    def __call__(self, *arguments, **keywords):
        if keywords:
            raise TypeError(f"{self._name}: PythonQt's methods take no keywords ({', '.join(keywords)})")
        if any(argument is None for argument in arguments):
            self._refuseNoneForText(arguments)
        return toPython(self._function(*[toQt(argument) for argument in arguments]))

    def _refuseNoneForText(self, arguments):
        from shibokensupport.signature import get_signature

        owner = self._owner if isinstance(self._owner, type) else type(self._owner)
        signatures = get_signature(getattr(owner, self._name, None)) or []
        signatures = signatures if isinstance(signatures, list) else [signatures]
        kinds = [[p.annotation for p in s.parameters.values() if p.name != "self"] for s in signatures]
        kinds = [each for each in kinds if len(each) >= len(arguments)]
        for index, argument in enumerate(arguments):
            if argument is None and kinds and all(each[index] is str for each in kinds):
                raise TypeError(f"{self._name}: argument {index + 1} is text, None would be shown as 'None'")

    def __eq__(self, other):
        return isinstance(other, Method) and (self._owner, self._name) == (other._owner, other._name)

    def __hash__(self):
        return hash((id(self._owner), self._name))

    def __repr__(self):
        return f"<method {self._name}>"


class Wrapper(metaclass=QtClass):
    """What a module holds instead of the PySide6 object."""

    __slots__ = ("_object", "__weakref__")

    def _toQt(self):
        return alive(self)

    def className(self):
        return type(self).__name__

    def inherits(self, name):
        return name in [base.__name__ for base in type(self._object).__mro__]

    def connect(self, signature, function, *rest):
        _refuseReceiver(rest)
        return pythonQtSignals.connect(alive(self), signature, function)

    def disconnect(self, signature, function=None, *rest):
        _refuseReceiver(rest)
        return pythonQtSignals.disconnect(alive(self), signature, function)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__} has no attribute named '{name}'")
        return _attribute(alive(self), type(self), name)

    def __setattr__(self, name, value):
        pyside = alive(self)
        kind, metaProperty = member(pyside, name)
        if kind == "Property":
            if not metaProperty.isWritable():
                raise AttributeError(f"Property '{name}' of {type(self).__name__} object is not writable")
            writeProperty(pyside, metaProperty, value)
        elif kind == "Dynamic property":
            pyside.setProperty(name, toQt(value))
        elif kind:
            raise AttributeError(f"{kind} '{name}' can not be overwritten on {type(self).__name__} object")
        else:
            what = "creating new attributes on C++ objects is not allowed"
            raise AttributeError(f"'{name}' does not exist on {type(self).__name__} and {what}")

    def __delattr__(self, name):
        raise AttributeError(f"'{name}' can not be deleted")

    def __eq__(self, other):
        if not isinstance(other, Wrapper):
            return NotImplemented
        return self._object is other._object if isQObject(self._object) else self._object == other._object

    def __hash__(self):
        return id(self._object) if isQObject(self._object) else hash(self._object)

    def __repr__(self):
        return f"<{type(self).__name__} of the PythonQt adapter at {id(self._object):#x}>"

    def __str__(self):
        if type(self).__name__ in _STRICT_STR:
            raise TypeError(f"str() of a {type(self).__name__} differs between versions: use .data().decode()")
        return repr(self)

    def __dir__(self):
        names = {name for name in dir(type(self._object)) if not name.startswith("_")}
        return sorted(names | set(PYTHON_METHODS))


def _filterEvent(pyside, watched, event):
    """``eventFilter`` of a Python subclass, as Qt calls it."""
    wrapper = _wrappers.get(id(pyside))
    if wrapper is None:  # its owner has let go of it
        return False
    try:
        isTaken = wrapper.eventFilter(wrap(watched), wrap(event))
        if not isinstance(isTaken, bool):
            raise TypeError(f"eventFilter returns True or False, not {isTaken!r}")
        return isTaken
    except Exception as error:
        pythonQtSignals.recordError(error)
        return False


def _refuseReceiver(rest):
    if rest:
        raise TypeError(
            "connect a signal to something callable, such as widget.setVisible, not to a receiver and a slot"
        )


def alive(wrapper):
    """The wrapper's PySide6 object; raises ValueError once C++ has deleted it."""
    if not isValid(wrapper._object):
        raise ValueError(f"Trying to use a destroyed {type(wrapper).__name__} object")
    return wrapper._object


def classOf(pysideClass):
    """The adapter's class for a class of PySide6 or one of the stand-ins for ctk and qMRML."""
    if pysideClass not in _classes:
        name = pysideClass.__name__
        _classes[pysideClass] = type.__new__(QtClass, name, (Wrapper,), {"_pyside": pysideClass, "__slots__": ()})
    return _classes[pysideClass]


def wrap(pyside, cls=None):
    """The one wrapper of a PySide6 object."""
    if id(pyside) not in _wrappers:
        wrapper = object.__new__(cls or classOf(type(pyside)))
        object.__setattr__(wrapper, "_object", pyside)
        _wrappers[id(pyside)] = wrapper
    return _wrappers[id(pyside)]


def _attribute(pyside, cls, name):
    if name in ("exec", "raise", "print"):
        raise AttributeError(f"write {name}_, which PythonQt has in every version, not {name}")
    target = name[:-1] if name in ("exec_", "raise_", "print_") else name
    kind, metaProperty = member(pyside, target)
    if kind == "Property":
        return readProperty(pyside, metaProperty)
    if kind == "Dynamic property":
        return toPython(pyside.property(name))
    if kind == "Signal":
        return pythonQtSignals.BoundSignal(pyside, name)
    if kind == "EnumValue":
        return enumMember(type(pyside), name)
    if kind == "Enum":
        return getattr(cls, name)
    if kind == "Slot":
        override = overriding(type(pyside), target, overrides)
        if override:
            return Method(pyside, target, functools.partial(override, pyside))
        static = overriding(type(pyside), target, staticOverrides)
        return Method(pyside, target, static or getattr(pyside, "raise_" if target == "raise" else target))
    raise AttributeError(f"{type(pyside).__name__} has no attribute named '{name}'")


class QtModule(types.ModuleType):
    """``qt``: one flat namespace."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        for module in (QtCore, QtGui, QtWidgets, QtUiTools):
            member = getattr(module, name, None)
            if isinstance(member, type) and (issubclass(member, Shiboken.Object) or name == "Qt"):
                return classOf(member)
        what = (
            "has no signals, slots or properties of one's own"
            if name in ("Signal", "Slot", "Property")
            else "no such class"
        )
        raise AttributeError(f"qt.{name}: PythonQt {what}")
