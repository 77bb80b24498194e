"""What the engine needs and the application may lack: torch, by the PyTorch extension, safetensors and psutil."""

import contextlib
import importlib.metadata
import importlib.util
import logging
import os
import shutil
import tempfile
from collections import namedtuple
from pathlib import Path

import slicer
from slicer.i18n import tr as _

PROTECTED = ("numpy", "SimpleITK", "vtk", "scipy", "pillow")  # the application's own; pip must leave them as they are

Requirement = namedtuple("Requirement", "name reason megabytes")
InstallationResult = namedtuple("InstallationResult", "ok reason")


def missingPackages():
    """Return a Requirement for each package that is not there; its size is that of the download, roughly."""
    importlib.invalidate_caches()
    gpu = shutil.which("nvidia-smi") is not None
    requirements = [
        Requirement("torch", _("runs the network; with torchvision, by the PyTorch extension"), 3000 if gpu else 250),
        Requirement("safetensors", _("reads the weights"), 1),
        Requirement("psutil", _("knows how much memory is free"), 1),
    ]
    return [requirement for requirement in requirements if importlib.util.find_spec(requirement.name) is None]


def install(ask):
    """Install what is missing, after ask(question) has said True; nothing is asked where nothing is missing.

    Returns an InstallationResult: ok, and the reason where it is False. Blocks while pip works.
    """
    missing = missingPackages()
    if not missing:
        return InstallationResult(True, "")
    names = ", ".join(requirement.name for requirement in missing)
    if not ask(_question(missing)):
        reason = _("Detection needs {names}, and its installation was declined; Detect asks again.")
        return InstallationResult(False, reason.format(names=names))
    try:
        with _protected():
            for requirement in missing:
                if requirement.name == "torch":
                    _installTorch()
                else:
                    slicer.util.pip_install(["--no-deps", requirement.name])
    except ImportError:
        logging.exception("CarotidLandmark: installation of %s", names)
        reason = _("Install the PyTorch extension in the Extensions Manager and start the application again.")
        return InstallationResult(False, reason)
    except Exception as error:  # pip and PyTorchUtils raise almost anything
        logging.exception("CarotidLandmark: installation of %s", names)
        reason = _("The installation of {names} has failed ({error}): check the network, and the Python console.")
        return InstallationResult(False, reason.format(names=names, error=error))
    left = ", ".join(requirement.name for requirement in missingPackages())
    if left:
        reason = _("{names} is still missing after its installation: the Python console says why.").format(names=left)
        return InstallationResult(False, reason)
    return InstallationResult(True, "")


def _question(missing):
    lines = [_("{name}: {reason}, about {megabytes:,} MB").format(**requirement._asdict()) for requirement in missing]
    return _("Detection needs packages that are not installed yet:\n\n{packages}\n\nDownload and install them?").format(
        packages="\n".join(lines)
    )


def _installTorch():
    import PyTorchUtils  # an extension of its own

    PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=False)


@contextlib.contextmanager
def _protected():
    """Hold pip, also where the PyTorch extension calls it, to the versions of PROTECTED that are installed."""
    lines = []
    for name in PROTECTED:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            lines.append(f"{name}=={importlib.metadata.version(name)}\n")
    kept = os.environ.get("PIP_CONSTRAINT")
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder).resolve() / "constraints.txt"
        constraints.write_text("".join(lines), encoding="utf-8")
        os.environ["PIP_CONSTRAINT"] = " ".join(filter(None, [kept, constraints.as_uri()]))  # pip splits it at blanks
        try:
            yield
        finally:
            if kept is None:
                del os.environ["PIP_CONSTRAINT"]
            else:
                os.environ["PIP_CONSTRAINT"] = kept
