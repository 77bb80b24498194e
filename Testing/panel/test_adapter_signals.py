"""Signals of the adapter: exact signatures only, PythonQt's number of arguments, no exception lost."""

import functools
import sys

import pytest

from Testing.host.pythonQtDrive import processEvents, waitUntil


@pytest.fixture
def button(qtHost):
    import qt

    button = qt.QPushButton("Detect")
    button.checkable = True
    return button


@pytest.mark.parametrize(
    "signature", ["clicked", "clicked(int)", "clikced()", "clicked(bool", "", "toggled()", b"clicked()"]
)
def test_a_wrong_signature_raises(button, signature):
    for call in (button.connect, button.disconnect):
        with pytest.raises((ValueError, TypeError)):
            call(signature, print)


def test_the_right_signature_connects_whatever_its_spaces(button):
    heard = []
    assert button.connect("clicked( bool )", lambda checked: heard.append(checked)) is True
    assert button.connect("clicked()", lambda: heard.append("no argument"))
    button.click()
    assert heard == [True, "no argument"]


def test_signals_are_attributes_that_connect_disconnect_and_emit(button):
    heard = []
    button.toggled.connect(heard.append)
    button.checked = True
    button.toggled.emit(False)
    button.toggled.disconnect(heard.append)
    button.checked = False
    assert heard == [True, False]
    with pytest.raises(TypeError):
        button.clicked()


def test_what_cannot_be_called_cannot_be_connected(button):
    with pytest.raises(TypeError):
        button.connect("clicked()", button.text)
    with pytest.raises(TypeError):
        button.clicked.connect(None)
    with pytest.raises(TypeError):
        button.connect("clicked()", button, "hide()")


def test_disconnecting_what_was_not_connected_raises(button):
    heard = []
    button.connect("clicked()", heard.clear)
    with pytest.raises(ValueError, match="not connected"):
        button.disconnect("clicked()", print)
    button.disconnect("clicked()", heard.clear)
    with pytest.raises(ValueError, match="not connected"):
        button.disconnect("clicked()", heard.clear)


def test_bound_methods_disconnect_by_equality(button):
    class Panel:
        clicks = 0

        def onClick(self):
            self.clicks += 1

    panel = Panel()
    button.connect("clicked()", panel.onClick)
    button.click()
    button.disconnect("clicked()", panel.onClick)
    button.click()
    assert panel.clicks == 1


def test_python_functions_get_as_many_arguments_as_they_take(button):
    heard = []
    button.connect("clicked(bool)", lambda: heard.append("none"))
    button.connect("clicked(bool)", lambda row=7: heard.append(row))
    button.connect("clicked(bool)", lambda *arguments: heard.append(arguments))
    button.click()
    assert heard == ["none", True, (True,)]


def test_other_callables_get_all_arguments(qtHost, button):
    button.connect("clicked(bool)", functools.partial(lambda: None))
    button.connect("clicked(bool)", button.hide)
    button.click()
    assert [type(error) for error in qtHost.takeErrors()] == [TypeError, TypeError]


def test_an_ambiguous_signal_needs_its_signature(qtHost):
    import slicer

    selector = slicer.qMRMLNodeComboBox()
    with pytest.raises(TypeError, match="currentNodeChanged"):
        selector.currentNodeChanged.connect(print)
    selector.connect("currentNodeChanged(vtkMRMLNode*)", print)
    selector.connect("currentNodeChanged(bool)", print)
    with pytest.raises(ValueError):
        selector.connect("currentNodeChanged(PyObject)", print)


def test_methods_of_other_objects_connect(qtHost, button):
    import qt

    label = qt.QLabel("x")
    button.connect("toggled(bool)", label.setVisible)
    button.checked = True
    assert label.visible
    button.disconnect("toggled(bool)", label.setVisible)
    button.checked = False
    assert label.visible


def _failing():
    raise ZeroDivisionError("in a callback")


def test_an_exception_in_a_callback_is_kept(qtHost, button, capsys):
    button.connect("clicked()", _failing)
    button.click()
    with pytest.raises(ZeroDivisionError):
        qtHost.check()
    qtHost.check()
    assert "in a callback" in capsys.readouterr().err


def test_an_exception_in_a_timer_or_an_observer_is_kept(qtHost):
    import qt
    import slicer

    qt.QTimer.singleShot(0, _failing)
    timer = qt.QTimer()
    timer.setSingleShot(True)
    timer.timeout.connect(_failing)
    timer.start(0)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    node.AddObserver("ModifiedEvent", lambda caller, event: _failing())
    node.Modified()
    waitUntil(lambda: not timer.active, 2)
    processEvents()
    assert [type(error) for error in qtHost.takeErrors()] == [ZeroDivisionError] * 3


def test_a_warning_of_qt_is_kept(qtHost):
    import qt

    parent = qt.QWidget()
    qt.QVBoxLayout(parent).addWidget(parent)
    assert len(qtHost.takeErrors()) == 1


def test_single_shot_of_a_timer_is_the_static_method(qtHost):
    import qt

    timer = qt.QTimer()
    with pytest.raises(AttributeError):
        timer.singleShot = True
    timer.setSingleShot(True)
    assert timer.isSingleShot()


def test_a_process_reads_writes_and_ends(qtHost):
    import qt

    process, heard = qt.QProcess(), []
    environment = qt.QProcessEnvironment()
    environment.insert("GREETING", "hello")
    process.setProcessEnvironment(environment)
    process.connect("readyReadStandardOutput()", lambda: heard.append(process.readAllStandardOutput().data()))
    process.connect("finished(int,QProcess::ExitStatus)", lambda code, status: heard.append((code, status)))
    program = "import os, sys; print(os.environ['GREETING'] + sys.stdin.read()); sys.exit(3)"
    process.start(sys.executable, ["-c", program])
    process.write(b" you")
    process.closeWriteChannel()
    with pytest.raises(TypeError):
        process.write("text")
    waitUntil(lambda: heard and isinstance(heard[-1], tuple), 20)
    assert b"".join(heard[:-1]).split() == [b"hello", b"you"]
    assert heard[-1] == (3, qt.QProcess.NormalExit) and process.state() == qt.QProcess.NotRunning


def test_a_process_that_cannot_start_says_so(qtHost):
    import qt

    process, errors = qt.QProcess(), []
    process.connect("errorOccurred(QProcess::ProcessError)", errors.append)
    process.start("/no/such/program", [])
    waitUntil(lambda: errors, 5)
    assert errors == [qt.QProcess.FailedToStart]
    with pytest.raises(AttributeError):
        process.error()
