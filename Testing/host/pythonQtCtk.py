"""Stand-ins for the widgets of ctk that a plain panel uses: their properties, signals and slots, and a fair likeness.

What is neither a property nor a slot (nor Q_INVOKABLE) in CTK cannot be reached from PythonQt; so it is here.
"""

from PySide6.QtCore import Property, QRectF, QSettings, QSize, Qt, Signal, Slot
from PySide6.QtGui import QPainter, QPalette, QPen
from PySide6.QtWidgets import (
    QAbstractButton,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGroupBox,
    QHBoxLayout,
    QMessageBox,
    QSizePolicy,
    QSlider,
    QStyle,
    QStyleOption,
    QToolButton,
    QWidget,
)

from Testing.host import pythonQtDialogs

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
            child.setVisible(opened and not child.property("ctkHidden"))
        self.setMaximumHeight(_MAXIMUM_HEIGHT if opened else self._header)
        self.updateGeometry()
        self.contentsCollapsed.emit(not opened)

    def childEvent(self, event):
        if event.added() and event.child().isWidgetType() and self._collapsed():
            event.child().setVisible(False)
        super().childEvent(event)

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


class _SpinBox(QDoubleSpinBox):
    pass


class ctkDoubleSlider(QWidget):
    """A slider over floating point values."""

    valueChanged = Signal(float)
    sliderMoved = Signal(float)
    sliderPressed = Signal()
    sliderReleased = Signal()

    def __init__(self, orientation=Qt.Orientation.Horizontal, parent=None):
        if isinstance(orientation, QWidget):
            orientation, parent = Qt.Orientation.Horizontal, orientation
        super().__init__(parent)
        self._slider = QSlider(orientation, self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        self._value = 0.0
        self._fit()
        self._slider.valueChanged.connect(self._moved)
        self._slider.sliderPressed.connect(self.sliderPressed)
        self._slider.sliderReleased.connect(self.sliderReleased)

    def _fit(self):
        self._slider.blockSignals(True)
        self._slider.setRange(
            0, round((self.property("maximum") - self.property("minimum")) / self.property("singleStep"))
        )
        self._slider.setValue(round((self._value - self.property("minimum")) / self.property("singleStep")))
        self._slider.blockSignals(False)
        self._set(self._value)

    def _moved(self, position):
        self._set(self.property("minimum") + position * self.property("singleStep"))
        self.sliderMoved.emit(self._value)

    def _set(self, value):
        value = min(max(float(value), self.property("minimum")), self.property("maximum"))
        if value != self._value:
            self._value = value
            self._fit()
            self.valueChanged.emit(value)

    minimum = stored(float, "minimum", 0.0, "_fit")
    maximum = stored(float, "maximum", 99.0, "_fit")
    singleStep = stored(float, "singleStep", 1.0, "_fit")
    pageStep = stored(float, "pageStep", 10.0)
    tracking = stored(bool, "tracking", True)
    value = Property(float, lambda self: self._value, _set, notify=valueChanged)

    @Slot(float)
    def setValue(self, value):
        self._set(value)


class ctkSliderWidget(QWidget):
    """A slider with a spin box."""

    valueChanged = Signal(float)
    valueIsChanging = Signal(float)
    decimalsChanged = Signal(int)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._slider, self._spinBox = ctkDoubleSlider(), _SpinBox()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._spinBox)
        self._fit()
        self._slider.valueChanged.connect(self._set)
        self._spinBox.valueChanged.connect(self._set)

    def _fit(self):
        for name in ("minimum", "maximum", "singleStep"):
            self._slider.setProperty(name, self.property(name))
            self._spinBox.setProperty(name, self.property(name))
        self._spinBox.setDecimals(self.property("decimals"))
        self._spinBox.setPrefix(self.property("prefix"))
        self._spinBox.setSuffix(self.property("suffix"))
        self._set(self.__dict__.get("_value", 0.0))

    def _set(self, value):
        value = min(max(float(value), self.property("minimum")), self.property("maximum"))
        value = round(value, self.property("decimals"))
        changed, self._value = value != self.__dict__.get("_value", 0.0), value
        for part in (self._slider, self._spinBox):
            part.blockSignals(True)
            part.setProperty("value", value)
            part.blockSignals(False)
        if changed:
            self.valueChanged.emit(value)

    decimals = stored(int, "decimals", 2, "_fit")
    minimum = stored(float, "minimum", 0.0, "_fit")
    maximum = stored(float, "maximum", 99.0, "_fit")
    singleStep = stored(float, "singleStep", 1.0, "_fit")
    pageStep = stored(float, "pageStep", 10.0)
    prefix = stored(str, "prefix", "", "_fit")
    suffix = stored(str, "suffix", "", "_fit")
    tracking = stored(bool, "tracking", True)
    value = Property(float, lambda self: self._value, _set)
    spinBoxVisible = Property(
        bool, lambda self: not self._spinBox.isHidden(), lambda self, visible: self._spinBox.setVisible(visible)
    )

    @Slot(float)
    def setValue(self, value):
        self._set(value)

    @Slot(int)
    def setDecimals(self, decimals):
        self.setProperty("decimals", decimals)

    @Slot(bool)
    def setSpinBoxVisible(self, visible):
        self._spinBox.setVisible(visible)


class ctkPathLineEdit(QWidget):
    """A path with its history and a button to browse."""

    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._comboBox, self._button = QComboBox(), QToolButton()
        self._comboBox.setEditable(True)
        self._comboBox.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._comboBox.setMinimumContentsLength(8)
        self._button.setText("...")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._comboBox, 1)
        layout.addWidget(self._button)
        self._comboBox.editTextChanged.connect(self.currentPathChanged)
        self._button.clicked.connect(lambda: self.browse())

    def _showBrowse(self):
        self._button.setVisible(self.property("showBrowseButton"))

    currentPath = Property(
        str, lambda self: self._comboBox.currentText(), lambda self, path: self._comboBox.setEditText(path)
    )
    label = stored(str, "label", "")
    filters = stored(int, "filters", 0x1 | 0x2 | 0x4)
    nameFilters = stored("QStringList", "nameFilters", [])
    settingKey = stored(str, "settingKey", "")
    showBrowseButton = stored(bool, "showBrowseButton", True, "_showBrowse")
    showHistoryButton = stored(bool, "showHistoryButton", True)

    @Slot(str)
    def setCurrentPath(self, path):
        self._comboBox.setEditText(path)

    @Slot(result=QWidget)
    def comboBox(self):
        return self._comboBox

    @Slot()
    def browse(self):
        path = pythonQtDialogs.dialogs.ask("file", self.property("label"), self._comboBox.currentText())
        if path:
            self._comboBox.setEditText(path)

    @Slot()
    def addCurrentPathToHistory(self):
        if self._comboBox.findText(self._comboBox.currentText()) < 0:
            self._comboBox.addItem(self._comboBox.currentText())

    @Slot()
    def retrieveHistory(self):
        if self.property("settingKey"):
            self._comboBox.addItems(QSettings().value(self.property("settingKey"), [], type=list))


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


# Values of ctkPathLineEdit::Filter, unscoped as PythonQt has them.
PATH_FILTERS = {
    "Dirs": 1,
    "Files": 2,
    "Drives": 4,
    "Readable": 0x10,
    "Writable": 0x20,
    "Executable": 0x40,
    "Hidden": 0x100,
}
CLASSES = (
    ctkCollapsibleButton,
    ctkCollapsibleGroupBox,
    ctkDoubleSlider,
    ctkMessageBox,
    ctkPathLineEdit,
    ctkSliderWidget,
)
