"""Dialogs that would block: each one needs an answer given before, and is kept in ``dialogs.shown``."""

from dataclasses import dataclass

from PySide6.QtWidgets import QDialog, QMessageBox

from Testing.host import pythonQtProxy
from Testing.host.pythonQtConvert import toPython


@dataclass
class Shown:
    """One dialog: ``kind`` is "message", "file", "folder", "input", "link" or "dialog"."""

    kind: str
    title: str
    text: str
    answer: object = None


class Dialogs:
    """The answers for the dialogs to come and the record of those shown."""

    def __init__(self):
        self.shown = []
        self._answers = []

    def answer(self, *answers):
        """Answer the next dialogs: a button's name ("Ok", "Yes"), a path or list of paths, a number, or a callable."""
        self._answers.extend(answers)

    def ask(self, kind, title, text, argument=None):
        """The next answer; raises AssertionError where no answer was given, since the dialog would wait for ever."""
        shown = Shown(kind, title, text)
        self.shown.append(shown)
        if not self._answers:
            raise AssertionError(f"a {kind} dialog would block, give dialogs.answer(...) before it: {title!r} {text!r}")
        answer = self._answers.pop(0)
        shown.answer = answer(argument) if callable(answer) else answer
        return shown.answer

    def reset(self):
        """Forget all; raises AssertionError when answers are left that no dialog asked for."""
        left, self._answers, self.shown = self._answers, [], []
        if left:
            raise AssertionError(f"no dialog asked for the answers {left}")


dialogs = Dialogs()


def _button(name):
    return getattr(QMessageBox.StandardButton, name) if isinstance(name, str) else name


def _execMessage(box):
    answer = _button(dialogs.ask("message", box.windowTitle(), box.text(), pythonQtProxy.wrap(box)))
    button = box.button(QMessageBox.StandardButton(int(answer.value if hasattr(answer, "value") else answer)))
    if button is None:
        offered = [each.text() for each in box.buttons()] or ["OK"]
        if not (offered == ["OK"] and answer == QMessageBox.StandardButton.Ok):
            raise AssertionError(f"the answer {answer} is none of the buttons {offered}: {box.text()!r}")
    return toPython(answer).__int__()


def _execDialog(dialog):
    result = dialogs.ask("dialog", dialog.windowTitle(), "", pythonQtProxy.wrap(dialog))
    return int(result if result is not None else QDialog.DialogCode.Rejected.value)


def _staticMessage(parent, title, text, buttons=None, defaultButton=None):
    return toPython(_button(dialogs.ask("message", title, text)))


def _file(kind, empty):
    def ask(parent=None, caption="", folder="", *rest):
        answer = dialogs.ask(kind, caption, folder)
        return tuple(answer) if isinstance(answer, (list, tuple)) else (answer or empty)

    return ask


def _openUrl(url):
    dialogs.shown.append(Shown("link", "", url._object.toString()))
    return True


def install():
    """Put the scripted dialogs in the place of those of Qt that block."""
    static = pythonQtProxy.staticOverrides
    for name in ("question", "information", "warning", "critical", "about"):
        static["QMessageBox", name] = _staticMessage
    for name in ("getOpenFileName", "getSaveFileName"):
        static["QFileDialog", name] = _file("file", "")
    static["QFileDialog", "getOpenFileNames"] = _file("file", ())
    static["QFileDialog", "getExistingDirectory"] = _file("folder", "")
    for name in ("getText", "getItem", "getInt", "getDouble"):
        static["QInputDialog", name] = lambda parent, title, label, *rest: dialogs.ask("input", title, label)
    static["QDesktopServices", "openUrl"] = _openUrl
    pythonQtProxy.overrides["QMessageBox", "exec"] = _execMessage
    pythonQtProxy.overrides["QDialog", "exec"] = _execDialog
