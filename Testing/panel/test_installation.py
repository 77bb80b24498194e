"""Installing torch, safetensors and psutil, with a pip and a PyTorch extension that only pretend."""

import os
import subprocess
import sys
import tempfile
import types
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest


class Computer:
    """Which packages are there, and what was asked, installed and said to pip in which order."""

    def __init__(self, monkeypatch, folder):
        self.monkeypatch, self.folder = monkeypatch, folder
        self.present = set()
        self.questions, self.done, self.constraints = [], [], []
        self.answer, self.error, self.works = True, None, True

    def find(self, name):
        return object() if name in self.present else None

    def ask(self, question):
        self.questions.append(question)
        return self.answer

    def pip(self, requirements):
        self._install(requirements[-1], requirements)

    def installTorch(self, askConfirmation=False, forceComputationBackend=None, torchVersionRequirement=None):
        self._install("torch", askConfirmation)

    def _install(self, name, how):
        *_, address = os.environ["PIP_CONSTRAINT"].split()
        self.constraints.append(Path(urllib.request.url2pathname(urlsplit(address).path)).read_text())
        self.done.append((name, how))
        if self.error:
            raise self.error
        if self.works:
            self.present.add(name)

    def addPyTorchExtension(self):
        module = types.ModuleType("PyTorchUtils")
        module.PyTorchUtilsLogic = lambda: types.SimpleNamespace(installTorch=self.installTorch)
        self.monkeypatch.setitem(sys.modules, "PyTorchUtils", module)


@pytest.fixture
def computer(qtHost, monkeypatch, tmp_path):
    import slicer
    from CarotidLandmarkSlicer import installation

    computer = Computer(monkeypatch, tmp_path)
    monkeypatch.setattr(installation.importlib.util, "find_spec", computer.find)
    monkeypatch.setattr(slicer.util, "pip_install", computer.pip)
    monkeypatch.delenv("PIP_CONSTRAINT", raising=False)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    return computer


def install(computer):
    from CarotidLandmarkSlicer import installation

    return installation.install(computer.ask)


def test_nothing_is_asked_where_nothing_is_missing(computer):
    computer.present |= {"torch", "safetensors", "psutil"}
    assert install(computer) == (True, "")
    assert computer.questions == computer.done == []


def test_one_question_lists_everything_with_its_size(computer):
    computer.addPyTorchExtension()
    assert install(computer) == (True, "")
    (question,) = computer.questions
    for words in ("torch:", "torchvision", "safetensors:", "psutil:", " MB"):
        assert words in question
    alone = [(name, ["--no-deps", name]) for name in ("safetensors", "psutil")]
    assert computer.done == [("torch", False), *alone]


def test_the_size_of_torch_depends_on_the_gpu(computer, monkeypatch):
    from CarotidLandmarkSlicer import installation

    sizes = []
    for gpu in (None, "/usr/bin/nvidia-smi"):
        monkeypatch.setattr(installation.shutil, "which", lambda name, gpu=gpu: gpu)
        sizes.append({each.name: each.megabytes for each in installation.missingPackages()})
    assert sizes[0]["torch"] < sizes[1]["torch"]
    assert all(each.reason for each in installation.missingPackages())


def test_only_what_is_missing_is_installed(computer):
    computer.present.add("torch")
    assert install(computer).ok
    assert [name for name, _ in computer.done] == ["safetensors", "psutil"]
    assert "torch:" not in computer.questions[0]


def test_declined(computer):
    computer.answer = False
    result = install(computer)
    assert not result.ok and "torch, safetensors, psutil" in result.reason and "declined" in result.reason
    assert computer.done == []
    computer.addPyTorchExtension()
    computer.answer = True
    assert install(computer).ok


def test_without_the_pytorch_extension_the_reason_says_what_to_do(computer):
    result = install(computer)
    assert not result.ok and "PyTorch extension" in result.reason
    assert computer.done == [] and "PIP_CONSTRAINT" not in os.environ


@pytest.mark.parametrize(
    "error", [RuntimeError("no network"), subprocess.CalledProcessError(1, "pip"), OSError("full")]
)
def test_a_failed_installation_leaves_its_reason(computer, error):
    computer.addPyTorchExtension()
    computer.error = error
    result = install(computer)
    assert not result.ok and str(error) in result.reason
    assert "PIP_CONSTRAINT" not in os.environ
    computer.error = None
    assert install(computer).ok


def test_an_installation_that_installs_nothing_is_no_success(computer):
    computer.addPyTorchExtension()
    computer.works = False
    result = install(computer)
    assert not result.ok and "torch, safetensors, psutil is still missing" in result.reason


def test_pip_is_held_to_the_applications_own_packages(computer, monkeypatch, tmp_path):
    import importlib.metadata

    computer.addPyTorchExtension()
    monkeypatch.setenv("PIP_CONSTRAINT", "/of/the/user.txt")
    folder = tmp_path / "a name with blanks"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    assert install(computer).ok
    assert len(computer.constraints) == 3
    for text in computer.constraints:
        assert f"numpy=={importlib.metadata.version('numpy')}\n" in text
        assert f"vtk=={importlib.metadata.version('vtk')}\n" in text
    assert os.environ["PIP_CONSTRAINT"] == "/of/the/user.txt"
