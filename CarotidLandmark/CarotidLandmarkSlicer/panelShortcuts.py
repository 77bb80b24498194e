"""Keys that work while the module is open, and what the panel's fields leave to them and to the panel."""

import qt
import slicer

FIELDS = ("QComboBox", "QAbstractSlider", "QAbstractSpinBox")


class Shortcuts:
    """Keys of the main window; actions maps a key to what is called. Nothing is installed before install()."""

    def __init__(self, window, actions):
        self.window = window
        self.actions = actions
        self.installed = []

    def install(self):
        """Begin to listen; a second call changes nothing."""
        if self.installed:
            return
        for key, action in self.actions.items():
            shortcut = qt.QShortcut(self.window)
            shortcut.setKey(qt.QKeySequence(key))
            shortcut.connect("activated()", action)
            self.installed.append(shortcut)

    def remove(self):
        """Take all keys back."""
        for shortcut in self.installed:
            shortcut.setEnabled(False)
            shortcut.setParent(None)
            shortcut.deleteLater()
        self.installed = []


class FieldFilter:
    """Keeps the wheel from changing the fields below root, over which it shall scroll, and letters from number fields.

    actions maps a letter to what is called when it is typed into a number field; it works until the filter is dropped.
    """

    def __init__(self, root, actions):
        class Filter(qt.QWidget):
            def eventFilter(self, watched, event):
                if event.type() == qt.QEvent.Wheel:
                    event.ignore()
                    return True
                if event.type() != qt.QEvent.KeyPress or not watched.inherits("QAbstractSpinBox"):
                    return False
                action = actions.get(event.text().upper())
                if action is not None:
                    action()
                return action is not None

        self.filter = Filter()
        for widget in slicer.util.findChildren(root):
            if any(widget.inherits(name) for name in FIELDS) and not widget.inherits("QScrollBar"):
                widget.installEventFilter(self.filter)
