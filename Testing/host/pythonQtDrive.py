"""What a test does with the panel: click, type, wait with the event loop running, take a picture."""

import time
from pathlib import Path

from PySide6.QtCore import QEvent, QEventLoop, QPoint, QPointF, Qt
from PySide6.QtGui import QKeySequence, QPixmap, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from Testing.host.pythonQtProxy import alive

NESTED_LAYOUTS = 10  # each hears of a change within it one round of the event loop after the inner one


def _visibleWidget(wrapper):
    widget = alive(wrapper)
    if not widget.isVisible():
        raise AssertionError(f"{wrapper.className()} '{widget.objectName()}' is not visible: a user cannot reach it")
    if not widget.isEnabled():
        raise AssertionError(f"{wrapper.className()} '{widget.objectName()}' is disabled: {widget.toolTip()!r}")
    return widget


def processEvents():
    QApplication.processEvents()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def click(wrapper, x=None, y=None):
    """A click of the left mouse button; raises AssertionError where a user could not click."""
    widget = _visibleWidget(wrapper)
    position = widget.rect().center() if x is None else QPoint(x, y)
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, position)
    processEvents()


def clickCell(wrapper, row, column):
    """A click into a cell of a table or a tree of items."""
    view = _visibleWidget(wrapper)
    index = view.model().index(row, column)
    view.scrollTo(index)
    position = view.visualRect(index).center()
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, position)
    processEvents()


def pressKey(wrapper, key):
    """Press a key ("D", "Ctrl+Z", "Delete") with the focus on the widget; shortcuts of its window react too."""
    widget = _visibleWidget(wrapper)
    widget.window().activateWindow()
    widget.setFocus()
    processEvents()
    combination = QKeySequence(key)[0]
    QTest.keyClick(widget, combination.key(), combination.keyboardModifiers())
    processEvents()


def typeText(wrapper, text):
    """Type a text with the focus on the widget."""
    widget = _visibleWidget(wrapper)
    widget.setFocus()
    QTest.keyClicks(widget, text)
    processEvents()


def turnWheel(wrapper, x=None, y=None, steps=1):
    """Turn the mouse wheel towards the user over the widget, or over what of it lies at ``x``, ``y``."""
    widget = _visibleWidget(wrapper)
    position = widget.rect().center() if x is None else QPoint(x, y)
    globalPlace, turn = widget.mapToGlobal(position), QPoint(0, -120 * steps)
    buttons, keys, phase = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase
    target = widget.childAt(position) or widget
    while target is not None:  # Qt passes on to the parents only what the system sends
        place = QPointF(target.mapFromGlobal(globalPlace))
        event = QWheelEvent(place, QPointF(globalPlace), QPoint(), turn, buttons, keys, phase, False)
        QApplication.sendEvent(target, event)
        target = None if event.isAccepted() else target.parentWidget()
    processEvents()


def waitUntil(predicate, seconds=10.0):
    """Run the event loop until the predicate holds; raises AssertionError after so many seconds."""
    end = time.monotonic() + seconds
    while not predicate():
        if time.monotonic() > end:
            raise AssertionError(f"not true within {seconds} s: {getattr(predicate, '__name__', predicate)}")
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        time.sleep(0.002)


def grab(wrapper, path, width=None, height=None, scale=1):
    """Write a picture of the widget as PNG, shown first where it is not; returns the path.

    ``width`` and ``height`` are in the widget's pixels, of which the picture has ``scale`` squared each.
    """
    widget: QWidget = alive(wrapper)
    if width or height:
        widget.resize(width or widget.sizeHint().width(), height or widget.sizeHint().height())
    if not widget.isVisible():
        widget.show()
    for _level in range(NESTED_LAYOUTS):
        processEvents()
    picture = QPixmap(widget.size() * scale)
    picture.setDevicePixelRatio(scale)
    widget.render(picture)
    if not picture.save(str(path), "PNG"):
        raise OSError(f"could not write {path}")
    return Path(path)
