"""A volume on its way to the engine: a raw .nrrd file, exact in voxels and geometry, in a folder of its own."""

import contextlib
import os
import shutil
import sys
import tempfile
import time

import numpy as np
import qt
import slicer
from slicer.i18n import tr as _

from CarotidLandmarkLib.errors import BadInputError, CannotRunError, CarotidLandmarkError

from .coordinates import ijkToRas, rasFromLps

FOLDER_PREFIX = "CarotidLandmark-volume-"
STALE_S = 24 * 3600
SLAB_BYTES = 8 << 20
SPARE_BYTES = 64 << 20
NRRD_TYPES = {
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "float32": "float",
    "float64": "double",
}


def writeVolume(volumeNode, folder):
    """Write the volume as `folder`/volume.nrrd, uncompressed, and return the path.

    Voxels keep their type; geometry is the volume's own IJK to RAS matrix, without a parent transform.
    Raises BadInputError for a volume that is no scalar one and CannotRunError where the disk does not take it.
    """
    path = os.path.join(folder, "volume.nrrd")
    for _fraction in _slabs(volumeNode, path):
        pass
    return path


class VolumeTransfer:
    """Writes a volume from the event loop, a slab at a time, into a private folder that remove() deletes.

    volumeNode: a vtkMRMLScalarVolumeNode; it may leave the scene meanwhile. parentFolder: the application's temporary
    one unless given. `reference` says where the volume came from: its file's "path" and "series_uid", None where there
    is none.
    """

    def __init__(self, volumeNode, parentFolder=None):
        self.reference = {"path": _storedPath(volumeNode), "series_uid": seriesUid(volumeNode)}
        self.path = ""
        self._volumeNode = volumeNode
        self._parentFolder = parentFolder
        self._folder = None
        self._timer = qt.QTimer()
        self._timer.interval = 0
        self._timer.connect("timeout()", self._writeSlab)

    def start(self, onWritten, onFailed):
        """onWritten(path) or onFailed(sentence) is called later, from the event loop; neither after remove()."""
        self._onWritten, self._onFailed = onWritten, onFailed
        self._slabs = self._write()
        self._timer.start()

    def remove(self):
        """Stop writing and delete the file, which another process may hold open for a moment longer on Windows."""
        self._timer.stop()
        self._slabs = None
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            if os.path.exists(self._folder):
                qt.QTimer.singleShot(1000, lambda: shutil.rmtree(self._folder, ignore_errors=True))

    def _write(self):
        parentFolder = self._parentFolder or slicer.app.temporaryPath
        try:
            _removeStaleFolders(parentFolder)
            # as the engine's sentences have it: on Windows the application's own paths have slashes
            self._folder = os.path.normpath(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=parentFolder))
        except OSError as error:
            raise _diskError(parentFolder, error) from error
        self.path = os.path.join(self._folder, "volume.nrrd")
        yield from _slabs(self._volumeNode, self.path)

    def _writeSlab(self):
        try:
            next(self._slabs)
        except StopIteration:
            self._timer.stop()
            self._onWritten(self.path)
        except CarotidLandmarkError as error:
            self.remove()
            self._onFailed(str(error))


def _slabs(volumeNode, path):
    """Writes a slab before each step; yields the fraction that is written."""
    image = volumeNode.GetImageData()
    if image is None or image.GetNumberOfScalarComponents() != 1 or image.GetNumberOfPoints() == 0:
        raise BadInputError(_("'{name}' is not a volume of one value a voxel.").format(name=volumeNode.GetName()))
    voxels = slicer.util.arrayFromVolume(volumeNode)
    header = _header(volumeNode, voxels)
    try:
        _requireSpace(os.path.dirname(path), voxels.nbytes)
        with open(path, "wb", buffering=0) as file:
            file.write(header)
            step = max(SLAB_BYTES // voxels[0].nbytes, 1)
            for first in range(0, len(voxels), step):
                rest = memoryview(np.ascontiguousarray(voxels[first : first + step])).cast("B")
                while rest:
                    rest = rest[file.write(rest) :]
                yield min((first + step) / len(voxels), 1.0)
    except OSError as error:
        raise _diskError(os.path.dirname(path), error) from error


def _header(volumeNode, voxels):
    axes = rasFromLps(ijkToRas(volumeNode)[:3].T)
    columns = ["(" + ",".join(repr(float(value)) for value in axis) + ")" for axis in axes]
    lines = [
        "NRRD0004",
        f"type: {NRRD_TYPES[voxels.dtype.name]}",
        "dimension: 3",
        "space: left-posterior-superior",
        "sizes: {2} {1} {0}".format(*voxels.shape),
        f"space directions: {' '.join(columns[:3])}",
        "kinds: domain domain domain",
        f"endian: {sys.byteorder}",
        "encoding: raw",
        f"space origin: {columns[3]}",
    ]
    return ("\n".join(lines) + "\n\n").encode()


def _requireSpace(folder, needed):
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE_BYTES:
        raise CannotRunError(
            _(
                "The folder '{folder}' has {free} MB free and the volume needs {needed} MB: free some space, or choose "
                "another temporary folder in the application's settings."
            ).format(folder=folder, free=free >> 20, needed=(needed + SPARE_BYTES) >> 20)
        )


def _diskError(folder, error):
    return CannotRunError(
        _(
            "The volume cannot be written to '{folder}' ({reason}): free some space, or choose another temporary "
            "folder in the application's settings."
        ).format(folder=folder, reason=error.strerror or error)
    )


def _removeStaleFolders(parentFolder):
    """What an application that was killed has left."""
    for entry in os.scandir(parentFolder):
        with contextlib.suppress(OSError):
            if entry.name.startswith(FOLDER_PREFIX) and time.time() - entry.stat().st_mtime > STALE_S:
                shutil.rmtree(entry.path)


def _storedPath(volumeNode):
    storage = volumeNode.GetStorageNode()
    return (storage.GetFullNameFromFileName() or None) if storage else None


def seriesUid(volumeNode):
    """The UID of the DICOM series that the volume was loaded from, None if it is not known."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(volumeNode.GetScene())
    item = hierarchy.GetItemByDataNode(volumeNode) if hierarchy else 0
    uid = hierarchy.GetItemUID(item, slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMUIDName()) if item else ""
    return uid or None
