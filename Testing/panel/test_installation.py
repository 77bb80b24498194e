"""Installing what the engine needs, with a pip that only pretends, and with the real one from a folder of wheels."""

import importlib.metadata
import os
import re
import subprocess
import sys
import types
import venv
import zipfile
from pathlib import Path

import pytest

from Testing.host.mrmlHost import REPOSITORY

NAMES = ["openvino", "safetensors", "psutil"]
OTHER = "cp27-cp27m-win32"


class Computer:
    """Which packages are there, and what was asked and said to pip, by whom."""

    def __init__(self):
        self.present = set()
        self.questions, self.commands, self.constraints, self.requesters = [], [], [], []
        self.answer, self.error, self.works = "", None, True

    def ask(self, question):
        self.questions.append(question)
        return self.answer

    def pip(self, arguments, requester=None):
        self.requesters.append(requester)
        at = arguments.index("-c")
        self.constraints.append(Path(arguments[at + 1]).read_text())
        self.commands.append(arguments[:at] + arguments[at + 2 :])
        if self.error:
            raise self.error
        if self.works:
            self.present |= set(NAMES) & set(arguments)


@pytest.fixture
def installation(qtHost):
    from CarotidLandmarkSlicer import installation

    return installation


@pytest.fixture
def computer(installation, monkeypatch):
    computer = Computer()
    monkeypatch.setattr(installation, "isInstalled", lambda name: name in computer.present)
    monkeypatch.setitem(sys.modules, "slicer.packaging", types.SimpleNamespace(pip_install=computer.pip))
    return computer


def makeWheel(folder, name, tag="py3-none-any"):
    """Write a wheel that holds an empty module of its name."""
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-{tag}.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", "")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        wheel.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")


def test_nothing_is_asked_where_nothing_is_missing(installation, computer):
    computer.present |= set(NAMES)
    assert installation.install(computer.ask) == (True, "")
    assert computer.questions == computer.commands == []


def test_one_question_names_what_is_missing_and_its_size_and_one_pip_installs_it(installation, computer):
    computer.present.add("psutil")
    assert installation.install(computer.ask) == (True, "")
    (question,) = computer.questions
    megabytes = installation.DOWNLOAD_MB[sys.platform]["openvino"]
    assert re.search(rf"openvino: .*about {megabytes} MB\n", question) and "safetensors: " in question
    assert "psutil" not in question and "torch" not in question.lower()
    assert computer.commands == [["--no-deps", "--ignore-installed", "openvino", "safetensors"]]
    assert computer.requesters == ["CarotidLandmark"]


def test_an_application_without_slicer_packaging_installs_by_slicer_util(installation, computer, monkeypatch):
    import slicer

    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    monkeypatch.setattr(slicer.util, "pip_install", computer.pip)
    assert installation.install(computer.ask).ok
    assert computer.commands == [["--no-deps", "--ignore-installed", *NAMES]] and computer.requesters == [None]


def test_declined(installation, computer):
    computer.answer = None
    result = installation.install(computer.ask)
    assert not result.ok and "openvino, safetensors, psutil" in result.reason and "declined" in result.reason
    assert computer.commands == []
    computer.answer = ""
    assert installation.install(computer.ask).ok


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("no network"), "(no network)"),
        (subprocess.CalledProcessError(1, ["pip", "/a/path"]), "(pip: 1)"),
        (OSError("full"), "(full)"),
    ],
)
def test_a_failed_installation_leaves_its_reason(installation, computer, error, words):
    computer.error = error
    result = installation.install(computer.ask)
    assert not result.ok and words in result.reason and "from a folder" in result.reason
    computer.error = None
    assert installation.install(computer.ask).ok


def test_an_installation_that_installs_nothing_is_no_success(installation, computer):
    computer.works = False
    result = installation.install(computer.ask)
    assert not result.ok and "openvino, safetensors, psutil is still missing" in result.reason


def test_pip_is_held_to_the_applications_own_packages(installation, computer):
    assert installation.install(computer.ask).ok
    (text,) = computer.constraints
    for name in ("numpy", "vtk"):
        assert f"{name}=={importlib.metadata.version(name)}\n" in text


def test_a_folder_without_the_right_wheels_is_told_in_words_and_pip_not_begun(installation, computer, tmp_path):
    computer.answer = str(tmp_path)
    for name in ("openvino", "safetensors"):
        makeWheel(tmp_path, name, OTHER)
    (tmp_path / "psutil is not here.whl").touch()
    result = installation.install(computer.ask)
    assert not result.ok and f"{tmp_path} holds no wheel of openvino, safetensors, psutil: " in result.reason
    makeWheel(tmp_path, "psutil")
    makeWheel(tmp_path, "safetensors")
    reason = installation.install(computer.ask).reason
    assert "wheels of openvino for another system or Python" in reason and "download --no-deps openvino`" in reason
    computer.answer = str(tmp_path / "nowhere")
    assert "holds no wheel of" in installation.install(computer.ask).reason
    assert computer.commands == []


def test_the_real_pip_installs_from_a_folder_without_a_network(installation, computer, monkeypatch, tmp_path):
    """What is half there, after a pip that was killed, is installed anew."""
    environment, wheels = tmp_path / "environment", tmp_path / "wheels of mine"
    venv.create(environment, with_pip=False)
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    (site,) = environment.rglob("site-packages")
    wheels.mkdir()
    for name in NAMES:
        makeWheel(wheels, name)
    half = site / "openvino-1.0.dist-info"
    half.mkdir()
    (half / "METADATA").write_text("Metadata-Version: 2.1\nName: openvino\nVersion: 1.0\n")
    (site / "openvino.py").touch()

    def isInstalled(name):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "path", [str(site)])
            patch.delitem(sys.modules, name, raising=False)
            return realIsInstalled(name)

    def pip(arguments, requester):
        subprocess.run([sys.executable, "-m", "pip", "--python", python, "install", "-q", *arguments], check=True)

    monkeypatch.undo()
    realIsInstalled = installation.isInstalled
    monkeypatch.setattr(installation, "isInstalled", isInstalled)
    monkeypatch.setitem(sys.modules, "slicer.packaging", types.SimpleNamespace(pip_install=pip))
    assert [each.name for each in installation.missingPackages()] == NAMES
    assert installation.install(lambda question: str(wheels)) == (True, "")
    assert installation.missingPackages() == []


def test_the_question_offers_download_folder_and_cancel(qtHost):
    import slicer
    from CarotidLandmarkSlicer.panelInstallation import FOLDER, askForSource

    qtHost.dialogs.answer("Download")
    assert askForSource("Three packages, 60 MB.") == ""
    assert qtHost.dialogs.shown[-1].text == "Three packages, 60 MB."
    for button, path, expected in (
        ("Cancel", None, None),
        ("From a folder\u2026", "/w", "/w"),
        ("From a folder\u2026", "", None),
    ):
        qtHost.dialogs.answer(*[button, path][: 1 if path is None else 2])
        assert askForSource("?") == expected
    assert slicer.util.settingsValue(FOLDER, "") == "/w"


def test_where_the_application_tests_itself_nobody_is_asked(qtHost, monkeypatch):
    import slicer
    from CarotidLandmarkSlicer.panelInstallation import askForSource

    monkeypatch.setattr(slicer.app, "testingEnabled", lambda: True)
    assert askForSource("?") == "" and qtHost.dialogs.shown == []


def test_the_packages_are_those_of_the_library_and_the_guide_has_their_sizes(installation):
    lines = installation.requirementsFile().read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == NAMES, "no pins: the application decides"
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    needed = re.search(r"^dependencies = \[(.*)\]", project, re.MULTILINE)[1]
    assert all(f'"{name}"' in needed for name in NAMES)
    guide = (REPOSITORY / "Resources/Guide/For-radiologists.md").read_text(encoding="utf-8")
    for platform, name in (("linux", "Linux"), ("win32", "Windows"), ("darwin", "macOS, Intel")):
        download, disk = installation.DOWNLOAD_MB[platform]["openvino"], installation.DISK_MB[platform]
        assert re.search(rf"^\| {name} \| {download} MB \| {disk} MB \|", guide, re.MULTILINE), name
