"""Dialogs never block: an answer was given before, or the call raises; what was shown is on record."""

import pytest

from Testing.host.pythonQtDrive import click


def test_a_dialog_without_an_answer_raises(qtHost):
    import ctk
    import qt
    import slicer

    for blocking in (
        lambda: slicer.util.errorDisplay("No volume."),
        lambda: slicer.util.confirmYesNoDisplay("Install?"),
        lambda: qt.QMessageBox.question(None, "Install", "Install torch?"),
        lambda: qt.QFileDialog.getOpenFileName(None, "Weights"),
        lambda: qt.QFileDialog.getExistingDirectory(None, "Folder"),
        lambda: qt.QInputDialog.getText(None, "Reader", "Initials"),
        lambda: qt.QDialog().exec_(),
        lambda: qt.QMessageBox().exec_(),
        lambda: qt.QMenu().exec_(),
        lambda: ctk.ctkPathLineEdit().browse(),
        lambda: qt.QEventLoop().exec_(),
    ):
        with pytest.raises(AssertionError, match="block"):
            blocking()


def test_slicers_own_displays_run_and_are_recorded(qtHost):
    import slicer

    qtHost.dialogs.answer("Ok", "Ok", "Yes", "No", "Cancel")
    slicer.util.errorDisplay("No volume.", detailedText="trace")
    slicer.util.warningDisplay("Short scan.")
    assert slicer.util.confirmYesNoDisplay("Install?") is True
    assert slicer.util.confirmYesNoDisplay("Install?") is False
    assert slicer.util.confirmOkCancelDisplay("Overwrite?") is False
    shown = [(each.icon, each.text, each.detail) for each in qtHost.dialogs.shown[:2]]
    assert shown == [("critical", "No volume.", "trace"), ("warning", "Short scan.", "")]


def test_an_answer_that_the_box_does_not_offer_raises(qtHost):
    import slicer

    qtHost.dialogs.answer("Retry")
    with pytest.raises(AssertionError, match="none of the buttons"):
        slicer.util.confirmYesNoDisplay("Install?")


def test_buttons_of_ones_own_are_answered_by_their_text(qtHost):
    import qt

    box = qt.QMessageBox()
    box.text = "Install torch?"
    install = box.addButton("&Install", qt.QMessageBox.AcceptRole)
    box.addButton(qt.QMessageBox.Cancel)
    qtHost.dialogs.answer("Install")
    box.exec_()
    assert box.clickedButton() == install


def test_static_dialogs_return_what_pythonqt_returns(qtHost):
    import qt

    qtHost.dialogs.answer("Yes", "/data/w.safetensors", ["/a", "/b"], "", "Dr")
    assert (
        qt.QMessageBox.question(None, "Install", "torch?", qt.QMessageBox.Yes | qt.QMessageBox.No) == qt.QMessageBox.Yes
    )
    assert qt.QFileDialog.getOpenFileName(None, "Weights", "", "*.safetensors") == "/data/w.safetensors"
    assert qt.QFileDialog.getOpenFileNames(None, "Volumes") == ("/a", "/b")
    assert qt.QFileDialog.getExistingDirectory(None, "Folder") == ""
    assert qt.QInputDialog.getText(None, "Reader", "Initials") == "Dr"
    assert [each.kind for each in qtHost.dialogs.shown] == ["message", "file", "file", "folder", "input"]
    with pytest.raises(TypeError):
        qt.QFileDialog.getOpenFileName(None, caption="Weights")


def test_a_callable_answer_works_the_dialog(qtHost):
    import qt

    dialog = qt.QDialog()
    edit = qt.QLineEdit("", dialog)

    def fill(shown):
        shown.children()[0].text = "AB"
        return qt.QDialog.Accepted

    qtHost.dialogs.answer(fill)
    assert dialog.exec_() == qt.QDialog.Accepted and edit.text == "AB"


def test_a_dialog_in_a_callback_fails_the_test_too(qtHost):
    import qt
    import slicer

    button = qt.QPushButton("x")
    button.connect("clicked()", lambda: slicer.util.errorDisplay("No volume."))
    button.show()
    click(button)
    assert "block" in str(qtHost.takeErrors()[0])


def test_answers_that_nobody_asked_for_are_told(qtHost):
    qtHost.dialogs.answer("Yes")
    with pytest.raises(AssertionError, match="no dialog asked"):
        qtHost.dialogs.reset()


def test_links_are_recorded_and_not_opened(qtHost):
    import qt

    qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile("/tmp/engine.log"))
    assert [(each.kind, each.text) for each in qtHost.dialogs.shown] == [("link", "file:///tmp/engine.log")]
