"""Sample data: a phantom that the library makes on this computer, when it is first asked for."""

import os
import subprocess
import tempfile
import time

import slicer
from slicer.i18n import tr as _

from CarotidLandmarkLib import __version__
from CarotidLandmarkLib.errors import CannotRunError, CarotidLandmarkError

from .engineChild import engineCommand
from .installation import missingPackages

NAME = "Carotid CTA phantom"
NODE_NAME = "CarotidCTAPhantom"
SPLIT, SEED = "test", 7  # 314 x 314 x 176 voxels, both bifurcations in view


def register():
    """Offer the phantom in the module Sample Data."""
    from SampleData import SampleDataLogic

    icons = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "Resources", "Icons")
    SampleDataLogic.registerCustomSampleDataSource(
        category="Carotid Landmark",
        sampleName=NAME,
        uris="",
        fileNames=None,
        nodeNames=NODE_NAME,
        thumbnailFileName=os.path.join(icons, "CarotidLandmark.png"),
        customDownloader=_onClicked,
    )


def loadPhantom():
    """Make the phantom, unless it is in the application's cache, load it and return its volume node.

    It takes about 20 s, in which the application stays usable. Raises CannotRunError.
    """
    path = os.path.join(slicer.mrmlScene.GetCacheManager().GetRemoteCacheDirectory(), f"{NODE_NAME}-{__version__}.nrrd")
    if not os.path.isfile(path):
        _makePhantom(path)
    return slicer.util.loadVolume(path, properties={"name": NODE_NAME})


def _onClicked(source):
    try:
        return [loadPhantom()]
    except CarotidLandmarkError as error:
        slicer.util.errorDisplay(str(error))
        return []


def _makePhantom(path):
    if missingPackages():
        raise CannotRunError(
            _("The phantom is made with PyTorch, which is not installed: press Detect in Carotid Landmark once.")
        )
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as folder:
            _run(["phantom", "--out", folder, "--split", SPLIT, "--seed", str(SEED)])
            os.replace(os.path.join(folder, f"{SPLIT}-{SEED:05d}.nrrd"), path)
    except OSError as error:
        raise CannotRunError(
            _(
                "The phantom cannot be written to {path} ({reason}): choose another cache folder in the settings."
            ).format(path=path, reason=error.strerror or error)
        ) from error


def _run(arguments):
    """Run the library's command line in a child process; events of the application are worked off meanwhile."""
    program, _arguments, environment = engineCommand()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        child = subprocess.Popen(
            [program, "-m", "CarotidLandmarkLib", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        try:
            while child.poll() is None:
                slicer.app.processEvents()
                time.sleep(0.02)
        finally:
            child.kill()
            child.wait()
        if child.returncode != 0:
            log.seek(0)
            last = (log.read().strip().splitlines() or [""])[-1]
            raise CannotRunError(_("The phantom could not be made: {reason}").format(reason=last))
