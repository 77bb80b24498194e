"""Corrections: what the reader decided, to a folder that training and evaluation read, and earlier points back."""

import hashlib
import os
from pathlib import Path

import numpy as np
import slicer
from slicer.i18n import tr as _

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.corrections import (
    CORRECTED,
    FILE,
    Correction,
    case_name,
    latest_revisions,
    read_correction,
    write_correction,
)
from CarotidLandmarkLib.landmarks.detection import is_undecided
from CarotidLandmarkLib.landmarks.files import read_described_points
from CarotidLandmarkLib.landmarks.points import LABELS, SIDES, LandmarkSet
from CarotidLandmarkLib.volume.headers import is_dicom

from .coordinates import fromWorld, ijkToRas, isInside, rasFromLps, toWorld
from .dicomReport import dicomFiles, reportedPoints, reportOf, storedFiles
from .landmarkRecord import LandmarkRecord
from .review import isSamePoint
from .volumeTransfer import seriesUid, writeVolume
from .worklistCase import CASE

REFERABLE = (".nrrd", ".nii", ".nii.gz", ".mha")  # everything in one file


class CorrectionsExporter:
    """Exports and imports the decisions of a LandmarkScene; the format is CarotidLandmarkLib.landmarks.corrections'.

    Positions in files are LPS mm of the volume's own coordinates, without its parent transform.
    onExported(landmarkNode, folder, initials) is called after each export.
    """

    def __init__(self, landmarkScene):
        self.landmarkScene = landmarkScene
        self.onExported = lambda landmarkNode, folder, initials: None

    def export(self, landmarkNode, folder, initials, anonymise=True, copyVolume=False, report=False):
        """Write the decisions about a landmark node as a new revision in ``folder``; return the revision's folder.

        The volume is referred to, or copied (voxels and geometry, nothing else): if ``copyVolume``, if its files do not
        hold it as it is, and always if ``anonymise``, since any path or DICOM file can name the patient. ``report``:
        with a DICOM SR, which names the patient, too, and so is none of an anonymised correction.
        Raises BadInputError where nothing was reviewed, a point that was decided about lies outside of the volume, the
        sides are swapped, initials are missing, the volume is gone or there can be no report of it, and CannotRunError
        where the folder cannot be written.
        """
        volumeNode, detection = self.landmarkScene.source(landmarkNode)
        reviews = self.landmarkScene.reviews(landmarkNode)
        for side, review in reviews.items():
            if review.problem and review.decision != "unreviewed":
                raise BadInputError(f"{LABELS[side]}: {review.problem}")
        decided = {side: review.lps for side, review in reviews.items() if review.decision != "unreviewed"}
        if _areSwapped(decided):
            raise BadInputError(_("L lies to the patient's right of R: are the sides swapped?"))
        reference = None if anonymise or copyVolume else _reference(volumeNode)
        correction = Correction(
            case=case_name(_contentSha256(volumeNode)),
            reader=initials,
            statuses={side: review.status for side, review in reviews.items()},
            decisions={side: review.decision for side, review in reviews.items()},
            prediction=_volumePoints(volumeNode, {side: review.predictedRas for side, review in reviews.items()}),
            corrected=_volumePoints(volumeNode, {side: review.ras for side, review in reviews.items()}),
            volume=reference or {},
            model=detection["model"],
            settings=detection["settings"],
            anonymised=anonymise,
            worklist=volumeNode.GetAttribute(CASE),
        )
        reportBytes = None
        if report and not anonymise:
            reportBytes = reportOf(self.landmarkScene, landmarkNode, initials, dicomFiles(volumeNode))
        copy = None if reference else lambda path: writeVolume(volumeNode, str(path.parent))
        revision = write_correction(folder, correction, copy, reportBytes)
        LandmarkRecord(landmarkNode).markExported()
        self.onExported(landmarkNode, folder, initials)
        return str(revision)

    def importCorrections(self, landmarkNode, path):
        """Take over the points of ``path``, a .mrk.json or .fcsv file or a DICOM SR.

        Each side that the file names becomes accepted where its point is the prediction's, else moved or missing; what
        nobody has decided about, as a point that was detected, stays as it is here. Returns a sentence where an
        exported correction is of other voxels than these, or a report cannot be compared with the volume, else "".
        Raises BadInputError, with the scene as it was.
        """
        volumeNode, _detection = self.landmarkScene.source(landmarkNode)
        points, note = _readPoints(path, volumeNode)
        problem = ""
        if not points:
            problem = _("{path} holds points that were detected or not reviewed: nothing was decided there.")
        elif _areSwapped(points):
            problem = _("In {path} L lies to the patient's right of R: are the sides swapped, or is RAS called LPS?")
        if problem:
            raise BadInputError(problem.format(path=path))
        places = {side: None if p is None else _worldInside(volumeNode, side, p, path) for side, p in points.items()}
        reviews = self.landmarkScene.reviews(landmarkNode)
        for side, ras in places.items():
            if isSamePoint(ras, reviews[side].predictedRas):
                self.landmarkScene.restorePrediction(landmarkNode, side)
                self.landmarkScene.accept(landmarkNode, side)
            elif ras is None:
                self.landmarkScene.markMissing(landmarkNode, side)
            else:
                self.landmarkScene.place(landmarkNode, side, ras)
        return note

    def countCases(self, folder):
        """Return how many cases have been exported to ``folder``."""
        return len(latest_revisions(folder))


def _readPoints(path, volumeNode):
    """The points that are decisions, side -> (3,) LPS or None for missing; and a sentence where they may be of another
    volume, else ""."""
    isReport = os.path.isfile(path) and is_dicom(Path(path))
    folder, name = os.path.split(os.path.abspath(path))
    if isReport or name != CORRECTED or not os.path.isfile(os.path.join(folder, FILE)):
        named, note = reportedPoints(path, volumeNode) if isReport else (read_described_points(path), "")
        return {side: p.position for side, p in named.items() if not is_undecided(p.description)}, note
    correction = read_correction(folder)
    points = correction.truth().points
    note = ""
    if correction.case != case_name(_contentSha256(volumeNode)):
        note = _("They were made for other voxels than these: is it the same volume, cropped or saved in another way?")
    return {side: p for side, p in points.items() if side not in correction.unreviewed}, note


def _areSwapped(points):
    """Whether the left of two LPS points, side -> (3,) or None, lies to the right of the other."""
    left, right = (points.get(side) for side in SIDES)
    return left is not None and right is not None and left[0] < right[0]


def _volumePoints(volumeNode, points):
    """World points (side -> (3,) RAS or None) in the volume's own LPS."""
    placed = {side: ras for side, ras in points.items() if ras is not None}
    return LandmarkSet({side: rasFromLps(fromWorld(volumeNode, ras)) for side, ras in placed.items()})


def _worldInside(volumeNode, side, lps, path):
    """A point of the volume's own LPS in the world; raises BadInputError if it is not in the volume."""
    ras = rasFromLps(lps)
    if not isInside(volumeNode, ras):
        raise BadInputError(
            _("The point {label} of {path} lies outside of this volume: choose the file that belongs to it.").format(
                label=LABELS[side], path=path
            )
        )
    return toWorld(volumeNode, ras)


def _contentSha256(volumeNode):
    """The hash of voxels and geometry, the same whatever file they came from."""
    voxels = np.ascontiguousarray(slicer.util.arrayFromVolume(volumeNode))
    geometry = np.round(ijkToRas(volumeNode), 3) + 0.0
    digest = hashlib.sha256(repr((voxels.shape, voxels.dtype.name, geometry.tolist())).encode())
    digest.update(memoryview(voxels).cast("B"))
    return digest.hexdigest()


def _reference(volumeNode):
    """Where the volume can be read again ("path", "sha256", "series_uid"), None if no file holds it as it is."""
    from CarotidLandmarkLib.volume.ct import hash_files

    files = storedFiles(volumeNode)
    temporary = os.path.join(os.path.realpath(slicer.app.temporaryPath), "")
    if not files or volumeNode.GetModifiedSinceRead() or any(os.path.realpath(f).startswith(temporary) for f in files):
        return None
    uid = seriesUid(volumeNode)
    if len(files) == 1 and files[0].lower().endswith(REFERABLE):
        return {"path": files[0], "sha256": hash_files(files), "series_uid": uid}
    folders = {os.path.dirname(file) for file in files}
    if uid and len(folders) == 1 and all(is_dicom(file) for file in files):
        return {"path": folders.pop(), "sha256": hash_files(files), "series_uid": uid}
    return None
