"""Stand-ins for ctk's containers (inputs in ``pythonQtCtkInputs``): properties, signals, slots and a fair likeness.

What is neither a property nor a slot (nor Q_INVOKABLE) in CTK cannot be reached from PythonQt; so it is here.
"""

from PySide6.QtCore import Property, QEvent, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QPainter, QPalette, QPen
from PySide6.QtWidgets import (
    QAbstractButton,
    QCheckBox,
    QGroupBox,
    QMessageBox,
    QSizePolicy,
    QStyle,
    QStyleOption,
    QWidget,
)

_MAXIMUM_HEIGHT = 16777215


def stored(kind, name, default, changed=None):
    """A Qt property kept in ``self._values``; ``changed`` names a method of self to call after setting it."""

    def read(self):
        return self.__dict__.setdefault("_values", {}).get(name, default)

    def write(self, value):
        self.__dict__.setdefault("_values", {})[name] = value
        if changed:
            getattr(self, changed)()

    return Property(kind, read, write)


class ctkCollapsibleButton(QAbstractButton):
    """A header that opens and closes what is laid out below it."""

    contentsCollapsed = Signal(bool)

    def __init__(self, text="", parent=None):
        text, parent = ("", text) if isinstance(text, QWidget) else (text, parent)
        super().__init__(parent)
        self._shown = {}  # child -> whether it is to be seen when the section opens
        self._header = self.fontMetrics().height() + 10
        self.setText(text)
        self.setCheckable(True)
        self.setChecked(True)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self.setContentsMargins(2, self._header, 2, 2)
        self.toggled.connect(self._apply)

    def _collapsed(self):
        return not self.isChecked()

    def _setCollapsed(self, collapsed):
        self.setChecked(not collapsed)

    collapsed = Property(bool, _collapsed, _setCollapsed, notify=contentsCollapsed)
    flat = stored(bool, "flat", False, "update")
    collapsedHeight = stored(int, "collapsedHeight", 10, "update")

    def _apply(self, opened):
        for child in self.findChildren(QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly):
            if opened:
                child.setVisible(self._shown.pop(child, not child.isHidden()))
            else:
                self._hide(child)
        self.setMaximumHeight(_MAXIMUM_HEIGHT if opened else self._header)
        self.updateGeometry()
        self.contentsCollapsed.emit(not opened)

    def _hide(self, child):
        self._shown.setdefault(child, not child.isHidden())
        child.hide()

    def childEvent(self, event):
        if event.child().isWidgetType():
            if event.added():
                event.child().installEventFilter(self)
            else:
                self._shown.pop(event.child(), None)
        super().childEvent(event)

    def eventFilter(self, child, event):
        """A child that is shown while the section is closed stays hidden until it opens."""
        if event.type() == QEvent.Type.ShowToParent and self._collapsed():
            self._shown[child] = True
            child.hide()
        return super().eventFilter(child, event)

    def hitButton(self, position):
        return position.y() < self._header

    def sizeHint(self):
        layout = self.layout()
        if layout is None or self._collapsed():
            return QSize(self.fontMetrics().horizontalAdvance(self.text()) + 40, self._header)
        return layout.totalSizeHint()

    def minimumSizeHint(self):
        layout = self.layout()
        return QSize(40, self._header) if layout is None or self._collapsed() else layout.totalMinimumSize()

    def paintEvent(self, event):
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette = self.palette()
        frame = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        if not self._collapsed():
            painter.setPen(QPen(palette.color(QPalette.ColorRole.Mid), 1))
            painter.drawRoundedRect(frame, 3, 3)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(palette.color(QPalette.ColorRole.Button).darker(106))
        painter.drawRoundedRect(QRectF(0, 0, self.width(), self._header - 4), 3, 3)
        arrow = QStyleOption()
        arrow.initFrom(self)
        arrow.rect.setRect(6, (self._header - 4) // 2 - 4, 9, 9)
        kind = QStyle.PrimitiveElement.PE_IndicatorArrowRight
        if not self._collapsed():
            kind = QStyle.PrimitiveElement.PE_IndicatorArrowDown
        self.style().drawPrimitive(kind, arrow, painter, self)
        painter.setPen(palette.color(QPalette.ColorRole.ButtonText))
        painter.drawText(22, 0, self.width() - 24, self._header - 4, Qt.AlignmentFlag.AlignVCenter, self.text())


class ctkCollapsibleGroupBox(QGroupBox):
    """A group box that its check mark opens and closes."""

    def __init__(self, title="", parent=None):
        title, parent = ("", title) if isinstance(title, QWidget) else (title, parent)
        super().__init__(title, parent)
        self.setCheckable(True)
        self.toggled.connect(self._apply)

    def _apply(self, opened):
        for child in self.findChildren(QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly):
            child.setVisible(opened)

    collapsed = Property(bool, lambda self: not self.isChecked(), lambda self, value: self.setChecked(not value))


class ctkMessageBox(QMessageBox):
    """A message box with "Don't show this message again"."""

    dontShowAgain = stored(bool, "dontShowAgain", False)
    dontShowAgainSettingsKey = stored(str, "dontShowAgainSettingsKey", "", "_offer")
    dontShowAgainVisible = stored(bool, "dontShowAgainVisible", False, "_offer")

    def _offer(self):
        self.setCheckBox(QCheckBox("Don't show this message again"))

    @Slot(bool)
    def setDontShowAgain(self, dontShow):
        self.setProperty("dontShowAgain", dontShow)


CLASSES = (ctkCollapsibleButton, ctkCollapsibleGroupBox, ctkMessageBox)
