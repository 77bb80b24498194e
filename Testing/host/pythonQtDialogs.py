"""Dialogs that would block: each one needs an answer given before, and is kept in ``dialogs.shown``."""

from dataclasses import dataclass

from PySide6.QtWidgets import QDialog, QMessageBox

from Testing.host.pythonQtMembers import overrides, staticOverrides
from Testing.host.pythonQtProxy import wrap


@dataclass
class Shown:
    """One dialog: ``kind`` is "message", "file", "folder", "input", "menu", "dialog" or "link".

    ``icon`` of a message is "information", "warning", "critical", "question" or "noicon".
    """

    kind: str
    title: str
    text: str
    icon: str = ""
    detail: str = ""
    answer: object = None


class Dialogs:
    """The answers for the dialogs to come and the record of those shown."""

    def __init__(self):
        self.shown = []
        self._answers = []

    def answer(self, *answers):
        """Answer the next dialogs, in order.

        A message takes a button's name ("Ok", "Yes") or text, a file dialog a path or a list of paths, a menu an
        action's text, any other dialog a result number. A callable is called with the dialog and returns the answer.
        """
        self._answers.extend(answers)

    def ask(self, shown, dialog=None):
        """The next answer; raises AssertionError where none was given, since the dialog would wait for ever."""
        self.shown.append(shown)
        if not self._answers:
            raise AssertionError(f"this would block, give dialogs.answer(...) before it: {shown}")
        answer = self._answers.pop(0)
        shown.answer = answer(dialog) if callable(answer) else answer
        return shown.answer

    def reset(self):
        """Forget all; raises AssertionError when answers are left that no dialog asked for."""
        left, self._answers, self.shown = self._answers, [], []
        if left:
            raise AssertionError(f"no dialog asked for the answers {left}")


dialogs = Dialogs()


def _plain(text):
    return text.replace("&", "")


def _execMessage(box):
    icon = box.icon().name.lower()
    answer = dialogs.ask(Shown("message", box.windowTitle().strip(), box.text(), icon, box.detailedText()), wrap(box))
    if not box.buttons():
        box.setStandardButtons(QMessageBox.StandardButton.Ok)
    named = {_plain(button.text()): button for button in box.buttons()}
    named.update({box.standardButton(button).name: button for button in box.buttons()})
    named.update({box.standardButton(button).value: button for button in box.buttons()})
    if answer not in named:
        raise AssertionError(f"the answer {answer!r} is none of the buttons {list(named)}: {box.text()!r}")
    box.show()
    named[answer].click()
    return box.result()


def _execDialog(dialog):
    dialog.setResult(
        int(dialogs.ask(Shown("dialog", dialog.windowTitle(), ""), wrap(dialog)) or QDialog.DialogCode.Rejected.value)
    )
    return dialog.result()


def _execMenu(menu, *position):
    text = dialogs.ask(
        Shown("menu", menu.title(), ", ".join(_plain(each.text()) for each in menu.actions())), wrap(menu)
    )
    chosen = [each for each in menu.actions() if _plain(each.text()) == text]
    if text and not chosen:
        raise AssertionError(f"the menu has no action {text!r}")
    for action in chosen:
        action.trigger()
    return chosen[0] if chosen else None


def _execLoop(*arguments):
    raise AssertionError("an event loop of one's own blocks the panel: use signals")


def _staticMessage(icon):
    def ask(parent, title, text, *buttons):
        answer = dialogs.ask(Shown("message", title, text, icon))
        return QMessageBox.StandardButton[answer] if isinstance(answer, str) else answer

    return ask


def _path(kind, empty):
    def ask(parent=None, caption="", folder="", *rest):
        return dialogs.ask(Shown(kind, caption, folder)) or empty

    return ask


def _input(parent, title, label, *rest):
    return dialogs.ask(Shown("input", title, label))


def _openUrl(url):
    dialogs.shown.append(Shown("link", "", url.toString()))
    return True


def install():
    """Put the scripted dialogs in the place of those of Qt that block."""
    for name in ("question", "information", "warning", "critical"):
        staticOverrides["QMessageBox", name] = _staticMessage(name)
    for name in ("getOpenFileName", "getSaveFileName"):
        staticOverrides["QFileDialog", name] = _path("file", "")
    staticOverrides["QFileDialog", "getOpenFileNames"] = _path("file", ())
    staticOverrides["QFileDialog", "getExistingDirectory"] = _path("folder", "")
    for name in ("getText", "getItem", "getInt", "getDouble"):
        staticOverrides["QInputDialog", name] = _input
    staticOverrides["QDesktopServices", "openUrl"] = _openUrl
    overrides["QMessageBox", "exec"] = _execMessage
    overrides["QDialog", "exec"] = _execDialog
    overrides["QMenu", "exec"] = _execMenu
    overrides["QEventLoop", "exec"] = _execLoop
    staticOverrides["QCoreApplication", "exec"] = _execLoop
