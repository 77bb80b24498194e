"""Enumerations as PythonQt has them: values are integers in the class's own namespace, and the type has no members."""

import enum


class QtEnum(int):
    """A value such as ``qt.QMessageBox.Ok``; ``|``, ``&`` and ``~`` keep its type, other arithmetic gives an int."""

    def __new__(cls, member):
        value = int.__new__(cls, member.value)
        value._member = member
        return value

    def _toQt(self):
        return self._member

    def _combine(self, other, operation):
        if (
            isinstance(other, QtEnum)
            and isinstance(self._member, enum.Flag)
            and type(other._member) is type(self._member)
        ):
            return QtEnum(getattr(self._member, operation)(other._member))
        return getattr(int, operation)(self, int(other)) if isinstance(other, int) else NotImplemented

    def __or__(self, other):
        return self._combine(other, "__or__")

    def __and__(self, other):
        return self._combine(other, "__and__")

    def __invert__(self):
        return QtEnum(~self._member) if isinstance(self._member, enum.Flag) else ~int(self)

    def __repr__(self):
        return f"{type(self._member).__qualname__}.{self._member.name}"

    __str__ = int.__repr__


class QtEnumType:
    """The type of an enumeration. It can be called with an integer; its values are members of the class around it."""

    def __init__(self, owner, pysideEnum):
        self.__dict__.update(_owner=owner, _enum=pysideEnum)

    def __call__(self, value=0):
        return QtEnum(self._enum(int(value)))

    def __getattr__(self, name):
        scoped = f"{self._owner}.{self._enum.__name__}.{name}"
        raise AttributeError(f"PythonQt's enumerations are not scoped: write qt.{self._owner}.{name}, not qt.{scoped}")

    def __setattr__(self, name, value):
        raise AttributeError(f"{self._enum.__name__} is an enumeration: '{name}' cannot be set")


def enumMember(pysideClass, name):
    """The value ``name`` of an enumeration nested in the class or one of its bases, or None."""
    for base in pysideClass.__mro__:
        for nested in vars(base).values():
            if isinstance(nested, enum.EnumMeta) and name in nested.__members__:
                return QtEnum(nested.__members__[name])
    return None
