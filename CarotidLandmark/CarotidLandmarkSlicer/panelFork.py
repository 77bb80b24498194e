"""The fork section: what the lumen says of the points, the view of a fork, and what other modules get of it."""

from slicer.i18n import tr as _

from CarotidLandmarkLib.landmarks.points import SIDES

from . import extractCenterline
from .panelMeasures import MeasuresTable
from .panelTable import dressChip, sideName

# RGB by check, after Okabe and Ito: the colour blind tell them apart, and the words are on them.
CHECK_COLORS = {"verified": (0.0, 0.50, 0.37), "unclear": (0.94, 0.86, 0.26), "contradicted": (0.75, 0.28, 0.0)}
NOT_CHECKED_COLOR = (0.60, 0.62, 0.65)


class ForkPanel:
    """Shows the forks of one landmark node.

    forkScene: a ForkScene. say(message) is called with what the user should know; selectedSide() returns the side whose
    row is selected, or None.
    """

    def __init__(self, ui, forkScene, say, selectedSide):
        self.ui = ui
        self.forkScene = forkScene
        self.say = say
        self.selectedSide = selectedSide
        self.landmarkNode = None
        self.reviews = {}
        self.measures = MeasuresTable(ui.measuresTable)
        self.seedBoxes = {"left": ui.leftSeedsCheckBox, "right": ui.rightSeedsCheckBox}
        for side, name in (("left", ui.leftForkName), ("right", ui.rightForkName)):
            name.text = sideName(side)
            name.setStyleSheet("QLabel { margin: 3px 0px; }")  # as the chip beside it has it
            self.seedBoxes[side].text = sideName(side)
            self.seedBoxes[side].connect("toggled(bool)", lambda checked: self.updateButtons())
        for button, action in (
            (ui.forkViewButton, self.toggleView),
            (ui.copyButton, self.copy),
            (ui.extractButton, self.sendToExtractCenterline),
            (ui.cropButton, self.makeBox),
        ):
            button.connect("clicked()", action)
        ui.landmarkTable.connect("itemSelectionChanged()", self.updateButtons)

    def show(self, landmarkNode, reviews):
        """Show the forks of a node with its LandmarkReviews, or None and none."""
        self.landmarkNode = landmarkNode
        self.reviews = {review.side: review for review in reviews}
        forks = {side: self.reviews[side].fork if side in self.reviews else None for side in SIDES}
        hasForks = any(forks.values())
        self.ui.forkHintLabel.text = "" if hasForks else self._hint()
        self.ui.forkHintLabel.setVisible(not hasForks)
        for side in SIDES:
            self._showCheck(side)
        self.measures.show(forks)
        self.ui.measuresLabel.text = "" if self.ui.measuresTable.rowCount else _("Nothing was measured.")
        self.ui.measuresLabel.setVisible(hasForks and not self.ui.measuresTable.rowCount)
        self.updateButtons()

    def updateButtons(self):
        """Enable what can be done with the forks and the selected landmark."""
        ui, node, side = self.ui, self.landmarkNode, self.selectedSide()
        isShown = self.forkScene.isShown
        canTurn = node is not None and side is not None and self.forkScene.planes(node, side) is not None
        ui.forkViewButton.text = _("Back to standard views") if isShown else _("Fork view")
        ui.forkViewButton.enabled = isShown or canTurn
        if isShown:
            ui.forkViewButton.toolTip = _("What the views showed before (F).")
        elif canTurn:
            ui.forkViewButton.toolTip = _(
                "Turn the slice views to the plane of the three vessels, across the carina and along the ICA (F)."
            )
        else:
            ui.forkViewButton.toolTip = _("The vessels of the selected landmark were not followed.")
        for box in (ui.lumenCheckBox, ui.centrelinesCheckBox):
            box.enabled = self._hasVessels()
        for each, box in self.seedBoxes.items():
            box.enabled = self._hasSeeds(each)
        ui.extractButton.enabled = bool(self._chosenSides())
        ui.extractButton.toolTip = (
            _("Make the seeds at the ends of the vessels and open SlicerVMTK's Extract Centerline with them.")
            if ui.extractButton.enabled
            else _("No side is chosen whose vessels were followed far enough.")
        )
        ui.cropButton.enabled = self._hasVessels()
        ui.cropButton.toolTip = (
            _("Make a box around the vessels of both sides, for the module Crop Volume.")
            if ui.cropButton.enabled
            else _("No vessels were followed.")
        )
        ui.copyButton.enabled = ui.measuresTable.rowCount > 0

    def toggleView(self):
        """Turn the views to the selected fork, or back to what they showed before."""
        if not self.ui.forkViewButton.enabled:
            return
        if self.forkScene.isShown:
            self.forkScene.restoreViews()
        else:
            self.forkScene.show(self.landmarkNode, self.selectedSide())
        self.updateButtons()

    def follow(self, side):
        """Turn views that show a fork to that of the side, now that the user has gone there."""
        if self.forkScene.isShown:
            self.forkScene.show(self.landmarkNode, side)

    def copy(self):
        """Copy the measures."""
        self.measures.copy()
        self.say(_("The measures were copied."))

    def sendToExtractCenterline(self):
        """Make the seeds of the chosen sides and hand those of one on, the selected landmark's if it is chosen."""
        sides = self._chosenSides()
        made = {side: self.forkScene.makeSeeds(self.landmarkNode, side) for side in sides}
        side = self.selectedSide() if self.selectedSide() in made else sides[0]
        seedsNode, lumenNode = made[side]
        names = ", ".join(f"\u201c{node.GetName()}\u201d" for node, _lumen in made.values())
        if not extractCenterline.isInstalled():
            self.say(
                _(
                    "{seeds} made. Extract Centerline is part of SlicerVMTK: install it from the Extensions Manager, "
                    "then send again."
                ).format(seeds=names)
            )
            return
        self.say(_("Extract Centerline has “{seeds}” and the lumen.").format(seeds=seedsNode.GetName()))
        extractCenterline.openWith(lumenNode, seedsNode)

    def makeBox(self):
        """Make the box around the forks."""
        name = self.forkScene.makeRoi(self.landmarkNode).GetName()
        self.say(_("“{box}” was made: choose it in Crop Volume.").format(box=name))

    def _showCheck(self, side):
        chip = getattr(self.ui, f"{side}ForkChip")
        label = getattr(self.ui, f"{side}ForkLabel")
        review = self.reviews.get(side)
        fork = None if review is None else review.fork
        name = _("not checked") if fork is None else checkName(fork.check)
        dressChip(chip, name, NOT_CHECKED_COLOR if fork is None else CHECK_COLORS[fork.check])
        label.text = "" if review is None else describeFork(review)
        chip.toolTip = label.toolTip = "\n".join(fork.notes) if fork is not None else ""

    def _hint(self):
        if self.landmarkNode is None:
            return _("No forks yet. Choose a neck CT and click Detect.")
        if all(review.predictedRas is None for review in self.reviews.values()):
            return _("No bifurcation was found, so there is no lumen to look at.")
        return _("The lumen was not looked at: detect with “Check the points by the lumen” (Advanced).")

    def _hasVessels(self):
        return self.landmarkNode is not None and self.forkScene.hasVessels(self.landmarkNode)

    def _hasSeeds(self, side):
        review = self.reviews.get(side)
        return review is not None and review.chip != "missing" and self.forkScene.hasSeeds(self.landmarkNode, side)

    def _chosenSides(self):
        return [side for side, box in self.seedBoxes.items() if box.enabled and box.checked]


def checkName(check):
    """Return what the lumen says of a point, in the user's language."""
    return {"verified": _("verified"), "unclear": _("unclear"), "contradicted": _("contradicted")}[check]


def describeFork(review):
    """Return why the lumen says so, in sentences."""
    fork = review.fork
    if fork is None:
        return _("There is no point here to look at.") if review.predictedRas is None else _("Nothing is known.")
    words = list(fork.reasons)
    if fork.distance_mm is not None:
        words.append(_("The carina of the lumen is {distance:.1f} mm away.").format(distance=fork.distance_mm))
    if fork.vessels is not None and fork.internal_probability is None:
        words.append(_("Which branch is the internal carotid cannot be told."))
    if review.decision == "moved":
        words.append(_("This is about the point as it was detected."))
    return " ".join(words)
