"""A DICOM report of what the reader decided, in the study of the CT, and the points of a report for a volume."""

import json
import os

import numpy as np
import slicer
from slicer.i18n import tr as _

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.exchange.dicom_source import read_source
from CarotidLandmarkLib.exchange.dicom_sr import make_report
from CarotidLandmarkLib.exchange.dicom_sr_reading import read_report
from CarotidLandmarkLib.landmarks.detection import Detection
from CarotidLandmarkLib.landmarks.reading import Reading
from CarotidLandmarkLib.volume.enhanced import read_frames
from CarotidLandmarkLib.volume.headers import is_dicom, numbers

from .coordinates import ijkToRas, rasFromLps, transformPoint
from .landmarkRecord import LandmarkRecord
from .worklistCase import FILES, FRAME

SAME_VOXEL, SAME_MM = 0.1, 1e-3


def storedFiles(volumeNode):
    """Return the files that the volume was loaded from, sorted; none where it was made in the scene."""
    storage = volumeNode.GetStorageNode()
    if storage is None:
        files = json.loads(volumeNode.GetAttribute(FILES) or "[]")
        return files if all(os.path.isfile(file) for file in files) else []
    names = [storage.GetFullNameFromNthFileName(i) for i in range(storage.GetNumberOfFileNames())]
    files = sorted({storage.GetFullNameFromFileName() or "", *names} - {""})
    return files if all(os.path.isfile(file) for file in files) else []


def dicomFiles(volumeNode):
    """Return the DICOM files of the series that a volume shows; none where they are not known, or not all there.

    A volume that was saved since, by itself or with its scene, is stored elsewhere: a worklist or the DICOM
    database of the application knows them still.
    """
    listed = json.loads(volumeNode.GetAttribute(FILES) or "[]")
    uids = (volumeNode.GetAttribute("DICOM.instanceUIDs") or "").split()
    database = getattr(slicer, "dicomDatabase", None)
    indexed = sorted({database.fileForInstance(uid) for uid in uids}) if database else []
    for files in (storedFiles(volumeNode), listed, indexed):
        if files and all(os.path.isfile(file) and is_dicom(file) for file in files):
            return files
    return []


def reportOf(landmarkScene, landmarkNode, initials, files):
    """Return the report, as bytes, of a landmark node as it stands in the volume that is of the DICOM ``files``.

    Raises BadInputError where there are none, or the volume no longer lies where they say, and CannotRunError where
    highdicom is missing.
    """
    volumeNode, detection = landmarkScene.source(landmarkNode)
    source = read_source(files)
    wasMoved = not np.allclose(LandmarkRecord(landmarkNode).frame, np.eye(4), rtol=0, atol=1e-6)
    if wasMoved or not _liesWhere(volumeNode, files, source):
        raise BadInputError(
            _(
                "The volume does not lie where its DICOM files say, so that a DICOM SR would show the points "
                "elsewhere: load the series as it is and detect again, or export without the DICOM SR."
            )
        )
    reviews = landmarkScene.reviews(landmarkNode)
    readings = {side: Reading(review.decision, review.lps) for side, review in reviews.items()}
    return make_report(Detection.from_dict(detection), source, readings, initials)


def reportedPoints(path, volumeNode):
    """Return the points, side to NamedPoint, LPS, of a report, and a sentence where nothing tells whether it is of this
    volume, else "".

    Raises BadInputError for a report that has none, or whose frame of reference is another than that of the volume's
    DICOM files, and for a volume that no longer lies where these say.
    """
    report, files = read_report(path), dicomFiles(volumeNode)
    if not files:
        return report.points, _(
            "The DICOM files of this volume are not known, so nothing tells whether the report is about it: look at "
            "each point."
        )
    source = read_source(files)
    if report.frame_of_reference not in ("", source.frame_of_reference):
        sentence = _("The points of {path} are in another frame of reference: choose a report of this volume.")
        raise BadInputError(sentence.format(path=path))
    if not _liesWhere(volumeNode, files, source):
        sentence = _(
            "The volume does not lie where its DICOM files say, so that the points of {path} would lie elsewhere: "
            "load the series as it is."
        )
        raise BadInputError(sentence.format(path=path))
    return report.points, ""


def _positions(files, source):
    """(n, 3) LPS, where the first voxel of each slice lies."""
    positions = []
    for file, image in zip(files, source.images):
        at = image.get("ImagePositionPatient")
        frames = [at] if at else [numbers(file, "position", frame["position"], 3) for frame in read_frames(file)]
        positions += [list(map(float, position)) for position in frames]
    return np.array(positions)


def _liesWhere(volumeNode, files, source):
    """Whether each slice of the files begins at the first voxel of one of the volume's; of a volume of a worklist,
    whose slices are made anew where those of the files are uneven or tilted, whether it lies where it lay then."""
    frame = volumeNode.GetAttribute(FRAME)
    if frame:
        return np.allclose(ijkToRas(volumeNode), json.loads(frame), rtol=0, atol=SAME_MM)
    positions = _positions(files, source)
    toIndex = np.linalg.inv(ijkToRas(volumeNode))
    index = np.array([transformPoint(toIndex, rasFromLps(position)) for position in positions])
    away = np.abs(index - np.round(index)).max()
    inside = (index[:, 2] > -0.5) & (index[:, 2] < volumeNode.GetImageData().GetDimensions()[2] - 0.5)
    return bool(away < SAME_VOXEL and (np.round(index[:, :2]) == 0).all() and inside.all())
