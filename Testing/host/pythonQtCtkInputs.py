"""Stand-ins for ctk's sliders and path edit."""

import enum
import re

from PySide6.QtCore import Property, QSettings, Qt, Signal, Slot
from PySide6.QtGui import QRegularExpressionValidator
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QHBoxLayout, QSizePolicy, QSlider, QToolButton, QWidget

from Testing.host.pythonQtCtk import stored
from Testing.host.pythonQtDialogs import Shown, dialogs

_FILTERS = {"Dirs": 1, "Files": 2, "Drives": 4, "AllEntries": 7, "Readable": 16, "Writable": 32, "Executable": 64}
_FILES = _FILTERS["Files"]
_DEFAULT_FILTERS = 24663  # entries of any kind but "." and "..", readable and executable


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
        self._slider, self._spinBox = ctkDoubleSlider(), QDoubleSpinBox()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._spinBox.setMinimumWidth(84)
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
    maximum = stored(float, "maximum", 99.99, "_fit")
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
    """A path with its history and a button to browse. currentPathChanged is only for what the name filters accept."""

    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._comboBox, self._button, self._isValid = QComboBox(), QToolButton(), False
        self._comboBox.setEditable(True)
        self._comboBox.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self._comboBox.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._comboBox.setMinimumContentsLength(8)
        self._edit = self._comboBox.lineEdit()
        self._button.setText("...")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._comboBox, 1)
        layout.addWidget(self._button)
        self._filter()
        self._edit.textChanged.connect(self._changed)
        self._button.clicked.connect(lambda: self.browse())

    def _filter(self):
        patterns = [
            re.escape(each).replace(r"\*", ".*") for text in self.property("nameFilters") for each in _globs(text)
        ]
        self._edit.setValidator(QRegularExpressionValidator("|".join(patterns) or ".+", self._edit))

    @Slot(str)  # else PySide6 splits the properties over two meta objects
    def _changed(self, path):
        wasValid, self._isValid = self._isValid, self._edit.hasAcceptableInput()
        if self._isValid:
            self.currentPathChanged.emit(path)
        if self._isValid != wasValid:
            self.validInputChanged.emit(self._isValid)

    def _showBrowse(self):
        self._button.setVisible(self.property("showBrowseButton"))

    currentPath = Property(str, lambda self: self._edit.text(), lambda self, path: self._edit.setText(path))
    label = stored(str, "label", "")
    Filter = enum.IntFlag("Filter", _FILTERS)
    filters = stored(int, "filters", _DEFAULT_FILTERS)
    nameFilters = stored("QStringList", "nameFilters", [], "_filter")
    settingKey = stored(str, "settingKey", "")
    showBrowseButton = stored(bool, "showBrowseButton", True, "_showBrowse")
    showHistoryButton = stored(bool, "showHistoryButton", True)

    @Slot(str)
    def setCurrentPath(self, path):
        self._edit.setText(path)

    @Slot(result=QWidget)
    def comboBox(self):
        return self._comboBox

    @Slot()
    def browse(self):
        folder = self.property("filters") & _FILES == 0
        path = dialogs.ask(Shown("folder" if folder else "file", self.property("label"), self._edit.text()))
        if path:
            self._edit.setText(path)

    @Slot()
    def addCurrentPathToHistory(self):
        if self._comboBox.findText(self._edit.text()) < 0:
            self._comboBox.addItem(self._edit.text())

    @Slot()
    def retrieveHistory(self):
        if self.property("settingKey"):
            self._comboBox.addItems(QSettings().value(self.property("settingKey"), [], type=list))


def _globs(nameFilter):
    """The patterns in "*.txt" or in "Texts (*.txt *.md)"."""
    inside = re.search(r"\((.*)\)", nameFilter)
    return (inside.group(1) if inside else nameFilter).split()


CLASSES = (ctkDoubleSlider, ctkPathLineEdit, ctkSliderWidget)
