"""What the engine needs and the application may lack: the packages of Resources/requirements.txt."""

import contextlib
import importlib.metadata
import importlib.util
import logging
import sys
import tempfile
from collections import namedtuple
from pathlib import Path

import slicer
from slicer.i18n import tr as _

PROTECTED = ("numpy", "SimpleITK", "vtk", "scipy", "pillow")  # the application's own; pip must leave them as they are
# MB to download and on disk, with Python 3.12; of the packages that are not named here it is less than 1.
DOWNLOAD_MB = {"linux": {"openvino": 59}, "win32": {"openvino": 85}, "darwin": {"openvino": 38}}
DISK_MB = {"linux": 183, "win32": 257, "darwin": 155}

Requirement = namedtuple("Requirement", "name reason megabytes")
InstallationResult = namedtuple("InstallationResult", "ok reason")


def requirementsFile():
    """Return the path of the list of packages."""
    return Path(__file__).parents[1] / "Resources" / "requirements.txt"


def missingPackages():
    """Return a Requirement for each package that is not there, or only half; its size is that of the download."""
    importlib.invalidate_caches()
    reasons = {
        "openvino": _("runs the networks"),
        "safetensors": _("reads the weights"),
        "psutil": _("measures free memory"),
    }
    sizes = DOWNLOAD_MB.get(sys.platform, DOWNLOAD_MB["linux"])
    lines = requirementsFile().read_text(encoding="utf-8").splitlines()
    names = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return [Requirement(name, reasons[name], sizes.get(name, 1)) for name in names if not isInstalled(name)]


def isInstalled(name):
    """Whether a package is there with the list of its files, which pip writes last."""
    try:
        files = importlib.metadata.distribution(name).files
    except importlib.metadata.PackageNotFoundError:
        return False
    return files is not None and importlib.util.find_spec(name) is not None


def install(ask):
    """Install what is missing, after ask(question) has said from where; nothing is asked where nothing is missing.

    ask returns "" for a download, the path of a folder that holds the wheels, or None where the user declines.
    Returns an InstallationResult: ok, and the reason where it is False. Blocks while pip works.
    """
    missing = missingPackages()
    if not missing:
        return InstallationResult(True, "")
    names = [requirement.name for requirement in missing]
    folder = ask(_question(missing))
    if folder is None:
        return _failure(_("Detection needs {names}, and its installation was declined; Detect asks again."), names)
    problem = _folderProblem(Path(folder), names) if folder else ""
    if problem:
        return InstallationResult(False, problem)
    try:
        _pip(names, ["--no-index", "--find-links", folder] if folder else [])
    except Exception as error:  # pip raises almost anything
        logging.exception("CarotidLandmark: installation of %s", names)
        reason = _("The installation of {names} has failed ({error}): the Python console says why.")
        if not folder:
            reason += " " + _("Without a network, Detect can take them from a folder.")
        return _failure(reason, names, f"pip: {error.returncode}" if hasattr(error, "returncode") else error)
    left = [requirement.name for requirement in missingPackages()]
    if left:
        return _failure(_("{names} is still missing after its installation: the Python console says why."), left)
    return InstallationResult(True, "")


def _failure(reason, names, error=""):
    return InstallationResult(False, reason.format(names=", ".join(names), error=error))


def _question(missing):
    lines = [_("{name}: {reason}, about {megabytes} MB").format(**requirement._asdict()) for requirement in missing]
    return _(
        "Detection needs packages that are not installed yet:\n\n{packages}\n\nThey are downloaded once and take up "
        "to {disk} MB on the disk. The application's own packages stay as they are. Without a network, choose a folder "
        "that holds them as wheels."
    ).format(packages="\n".join(lines), disk=DISK_MB.get(sys.platform, DISK_MB["linux"]))


def _folderProblem(folder, names):
    """Return a sentence where a folder does not hold a wheel of each of names that this Python can use, else ""."""
    from packaging.tags import sys_tags
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    usable = set(sys_tags())
    fits = {}  # name -> whether any of its wheels is for this Python
    for wheel in folder.glob("*.whl"):
        with contextlib.suppress(InvalidWheelFilename):
            name, _version, _build, tags = parse_wheel_filename(wheel.name)
            fits[name] = fits.get(name, False) or not usable.isdisjoint(tags)
    wrong = [name for name in names if not fits.get(name)]
    if not wrong:
        return ""
    reason = _("{folder} holds no wheel of {names}: ")
    if all(name in fits for name in wrong):
        reason = _("{folder} holds wheels of {names} for another system or Python: ")
    reason += _(
        "fetch them by `pip download --no-deps {packages}` on a computer with this system and Python {version}."
    )
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return reason.format(folder=folder, names=", ".join(wrong), packages=" ".join(wrong), version=version)


def _pip(names, source):
    """Install packages without what they depend on, and held to the versions of PROTECTED that are installed."""
    lines = []
    for name in PROTECTED:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            lines.append(f"{name}=={importlib.metadata.version(name)}\n")
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("".join(lines), encoding="utf-8")
        # what is only half there cannot be uninstalled, but be written anew
        arguments = ["--no-deps", "--ignore-installed", "-c", str(constraints), *source, *names]
        try:
            from slicer.packaging import pip_install
        except ImportError:  # before Slicer 5.11
            slicer.util.pip_install(arguments)
        else:
            pip_install(arguments, requester="CarotidLandmark")
