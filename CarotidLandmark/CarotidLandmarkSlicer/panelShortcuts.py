"""Single-letter keys that work while the module is open."""

import qt


class Shortcuts:
    """Keys of the main window; actions maps a letter to what is called. Nothing is installed before install()."""

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
