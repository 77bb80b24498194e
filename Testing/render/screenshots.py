"""Makes the pictures of Resources/Screenshots: ``python -m Testing.render.screenshots`` (some minutes on 2 cores).

The panel before, during and after a detection, four views of its result, a worklist, and a case in which one side is
absent: all with the real engine and the default weights, on phantoms made here.
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import slicer
from PIL import Image

from CarotidLandmarkLib.landmarks.detection import Detection, write_detection
from CarotidLandmarkLib.landmarks.points import LABELS
from CarotidLandmarkLib.phantom import phantom_volume
from CarotidLandmarkLib.volume.ct import CTVolume, write_volume
from CarotidLandmarkLib.volume.geometry import Grid
from CarotidLandmarkLib.worklist.marks import Session
from CarotidLandmarkLib.worklist.worklist import FILTERS
from Testing.host.mrmlHost import REPOSITORY, bootSlicer
from Testing.host.pythonQt import installQtHost
from Testing.host.pythonQtDrive import click, grab, processEvents, waitUntil
from Testing.host.views import SliceView, ThreeDView
from Testing.panel.worklistHelp import writeBatch

from CarotidLandmarkSlicer.ownedNodes import ownedNodes  # isort: skip (the host puts it on the path)

FOLDER = REPOSITORY / "Resources" / "Screenshots"
MODULE = REPOSITORY / "CarotidLandmark" / "CarotidLandmark.py"
SEED, SIDE = 71, "right"  # the side of the fork view
PANEL = (420, 860)
VIEW = (560, 420)
BORDER = 4
WIDE_MM = 130.0  # field of view
CAMERA_DIRECTION = (-0.45, 0.75, 0.48)


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    host = bootSlicer()
    module = installQtHost().loadModule(str(MODULE))
    volume, truth = phantom_volume(SEED, split="test", kind="neck", spacing=(0.45, 0.6))
    whole = addVolume(volume, "Neck CTA phantom")
    module.enter(*PANEL)
    processEvents()
    ui, run = module.widget.panel.ui, module.widget.logic.run
    grab(module.panel.parentWidget(), FOLDER / "panel-before.png", scale=2)

    click(ui.detectButton)
    waitUntil(lambda: run.fraction > 0.6 or not run.busy, 120)
    grab(module.panel.parentWidget(), FOLDER / "panel-during.png", scale=2)
    waitUntil(lambda: not run.busy, 120)
    processEvents()
    grab(module.panel.parentWidget(), FOLDER / "panel-after.png", scale=2)

    landmarkScene = module.widget.logic.landmarkScene
    slices = [SliceView(host, name, VIEW) for name in ("Red", "Green", "Yellow")]
    forkFourUp(host, slices, module.widget.panel, SIDE, FOLDER / "four-up.png")
    worklist(module, volume, landmarkScene.detection(landmarkScene.landmarkNode(whole)), FOLDER / "panel-worklist.png")

    for node in (landmarkScene.landmarkNode(whole), whole):
        slicer.mrmlScene.RemoveNode(node)
    half = addVolume(leftOf(volume, truth["right"]), "Neck CTA phantom, one side")
    ui.volumeSelector.setCurrentNode(half)
    click(ui.detectButton)
    waitUntil(lambda: not run.busy, 120)
    processEvents()
    grab(module.panel.parentWidget(), FOLDER / "panel-one-side-absent.png", scale=2)
    fourUp(host, slices, landmarkScene, half, "left", WIDE_MM, FOLDER / "four-up-one-side-absent.png")
    module.unload()


def worklist(module, volume, found, path):
    """The upper panel with the worklist of ten cases, in which that volume and detection are the case that is open."""
    import qt

    panel = module.widget.panel
    ui, run = panel.ui, module.widget.logic.worklist
    with tempfile.TemporaryDirectory() as folder:
        results = writeBatch(Path(folder), 10, review=(0, 2, 5, 7))
        scan = Path(folder, "scans", "neck05.nrrd")
        write_volume(volume, scan, compress=False)
        found = {**found, "volume": {"path": str(scan), "sha256": None, "series_uid": None}, "case": scan.stem}
        found["landmarks"][1].update(status="review", reasons=["The passes disagree by more than in good cases."])
        write_detection(results / f"{scan.stem}.detection.json", Detection.from_dict(found))
        scan.with_name("neck07.nrrd").unlink()
        ui.folderEdit.currentPath = str(Path(folder, "corrections"))
        ui.worklistSection.collapsed = False
        run.open(str(results), str(Path(folder, "corrections")), "QA")
        waitUntil(lambda: not run.isReading, 120)
        key = next(place.case.key for place in run.worklist.places if place.case.name == "neck02")
        other = Session(Path(folder, "corrections"), "AB")
        other.enter(key)
        key = next(place.case.key for place in run.worklist.places if place.case.name == "neck00")
        other.exported(key, 2)
        ui.worklistFilterCombo.setCurrentIndex(FILTERS.index("all"))
        run.refresh()
        run.show("neck05")
        waitUntil(lambda: run.volumeNode is not None, 120)
        processEvents()
        contents = module.panel.parentWidget()
        grab(contents, path, scale=2)
        end = 2 * ui.forkSection.mapTo(contents, qt.QPoint(0, 0)).y()  # the rest is in the other pictures
        with Image.open(path) as picture:
            picture.crop((0, 0, picture.width, end)).save(path)
        run.close()
        run.closeCase()
        ui.worklistSection.collapsed = True
        ui.folderEdit.currentPath = ""


def addVolume(volume, name):
    """Add a CTVolume of the library to the scene."""
    node = slicer.util.addVolumeFromArray(volume.array, np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.grid.affine, name)
    node.CreateDefaultDisplayNodes()
    return node


def leftOf(volume, point):
    """The volume (along the LPS axes) as if the scan began 15 mm to the patient's left of a point."""
    grid = volume.grid
    first = int(np.ceil(grid.world_to_index(point)[0] + 15 / grid.spacing[0]))
    size = (grid.size[0] - first, *grid.size[1:])
    grid = Grid(size, grid.spacing, grid.index_to_world([first, 0, 0]), grid.direction)
    return CTVolume(volume.array[:, :, first:], grid)


def fourUp(host, slices, landmarkScene, volumeNode, side, fieldOfViewMm, path):
    """Slicer's conventional layout at a landmark: axial and 3D above, coronal and sagittal below."""
    landmarkNode = landmarkScene.landmarkNode(volumeNode)
    threeD = ThreeDView(host, VIEW)
    for view in slices:
        view.viewNode.SetFieldOfView(fieldOfViewMm, fieldOfViewMm * VIEW[1] / VIEW[0], 1)
        view.viewNode.SetSliceVisible(True)
    landmarkScene.jumpTo(landmarkNode, side)
    camera = threeD.cameraNode
    camera.SetPosition(*(np.array(camera.GetFocalPoint()) + 1.7 * fieldOfViewMm * np.array(CAMERA_DIRECTION)))
    camera.SetViewUp(0, 0, 1)
    camera.ResetClippingRange()
    writeSheet(slices, threeD, path)


def forkFourUp(host, slices, panel, side, path):
    """The same layout in the fork view: the side's lumen with its ellipsoid, scales, no point over it."""
    threeD = ThreeDView(host, VIEW)
    for view in (*slices, threeD):
        view.viewNode.SetOrientationMarkerType(view.viewNode.OrientationMarkerTypeCube)
    for view in slices:
        view.viewNode.SetRulerType(view.viewNode.RulerTypeThin)
    panel.landmarks.table.select(side)
    panel.forks.toggleView()
    panel.ui.opacitySlider.value = 90
    landmarkNode = panel.landmarks.landmarkNode
    name = f"{landmarkNode.GetName()} {LABELS[side]}"
    hidden = [node for node in ownedNodes(landmarkNode) if not node.GetName().startswith(name)]
    for node in [landmarkNode, *hidden]:
        node.GetDisplayNode().SetVisibility(False)
    writeSheet(slices, threeD, path)
    for node in [landmarkNode, *hidden]:
        node.GetDisplayNode().SetVisibility(True)
    panel.ui.opacitySlider.value = 35
    panel.forks.toggleView()
    for view in slices:
        view.viewNode.SetRulerType(view.viewNode.RulerTypeNone)
        view.viewNode.SetOrientationMarkerType(view.viewNode.OrientationMarkerTypeNone)


def writeSheet(slices, threeD, path):
    """Write four views as one picture and close the 3D view."""
    axial, coronal, sagittal = slices
    width, height = VIEW
    sheet = np.full((2 * height + BORDER, 2 * width + BORDER, 3), 60, np.uint8)
    for number, view in enumerate((axial, threeD, coronal, sagittal)):
        y, x = (height + BORDER) * (number // 2), (width + BORDER) * (number % 2)
        sheet[y : y + height, x : x + width] = view.pixels()
    threeD.close()
    Image.fromarray(sheet).save(path)


if __name__ == "__main__":
    sys.exit(main())
