"""The landmarks of one volume in the panel: the table, the buttons below it, and what the keys do."""

from slicer.i18n import tr as _

from CarotidLandmarkLib.landmarks.points import LABELS

from .landmarkWatch import belongsElsewhere
from .panelPlacing import PointPlacing
from .panelShortcuts import Shortcuts
from .panelTable import LandmarkTable, sideName


class LandmarkPanel:
    """Shows one landmark node and passes the reader's decisions on to the LandmarkScene.

    say(message) is called with what the user should know, onTravelled() after undo and redo, with which landmark nodes
    come and go, onJumped(side) once all views show a landmark. window is where Escape is caught while a point is
    placed.
    """

    def __init__(self, ui, landmarkScene, say, onTravelled, onJumped, window):
        self.ui = ui
        self.landmarkScene = landmarkScene
        self.say = say
        self.onTravelled = onTravelled
        self.onJumped = onJumped
        self.landmarkNode = None
        self.reviews = {}
        self.table = LandmarkTable(ui.landmarkTable, self.jumpTo)
        self.placing = PointPlacing(self._placed, self._placingEnded, lambda: say(""))
        self.escape = Shortcuts(window, {"Esc": self.endPlacing})
        ui.landmarkTable.connect("itemSelectionChanged()", self.onSelected)
        for button, action in (
            (ui.acceptButton, self.accept),
            (ui.missingButton, self.markMissing),
            (ui.predictionButton, self.restorePrediction),
            (ui.placeButton, self.place),
            (ui.undoButton, self.undo),
            (ui.redoButton, self.redo),
        ):
            button.connect("clicked()", action)

    def show(self, landmarkNode, rows):
        """Show a node with its LandmarkReviews in the order of the table, or None and none."""
        if landmarkNode is not self.landmarkNode:
            self.placing.stop()
            self.landmarkNode = landmarkNode
        self.reviews = {review.side: review for review in rows}
        self.ui.landmarkTable.setVisible(bool(rows))
        self.ui.landmarksHint.setVisible(not rows)
        self.table.show(rows)
        self.updateButtons()

    def onSelected(self):
        """Another landmark was selected: a click places none that is not."""
        if self.placing.active and self.placing.side != self.table.selectedSide():
            self.endPlacing()
        self.updateButtons()

    def updateButtons(self):
        """Enable what can be done with the selected landmark, and undo and redo."""
        review = self.reviews.get(self.table.selectedSide())
        hasPrediction = review is not None and review.isDetected
        self.ui.acceptButton.enabled = hasPrediction and review.decision in ("unreviewed", "missing")
        self.ui.missingButton.enabled = review is not None and review.decision != "missing"
        self.ui.predictionButton.enabled = review is not None and review.decision != "unreviewed"
        self.ui.placeButton.enabled = review is not None
        self.ui.placeButton.checked = self.placing.active
        self.ui.undoButton.enabled = self.landmarkScene.canUndo
        self.ui.redoButton.enabled = self.landmarkScene.canRedo

    def accept(self):
        """The selected prediction is right."""
        if self.ui.acceptButton.enabled:
            self._decide(self.landmarkScene.accept)

    def markMissing(self):
        """The selected landmark is not in the volume."""
        if self.ui.missingButton.enabled:
            self._decide(self.landmarkScene.markMissing)

    def restorePrediction(self):
        """The selected landmark is as it was detected."""
        self._decide(self.landmarkScene.restorePrediction)

    def place(self):
        """Wait for a click at the selected landmark, or stop waiting."""
        if self.placing.active:
            self.endPlacing()
            return
        side = self.table.selectedSide()
        self.placing.start(side, LABELS[side])
        self.escape.install()
        self.updateButtons()
        self.say(_("{side}: click the bifurcation in a slice view; Esc ends.").format(side=sideName(side)))

    def endPlacing(self):
        """Wait for no click any more."""
        self.placing.stop()
        self.say("")

    def undo(self):
        """Take the last step back."""
        self._travel(self.landmarkScene.undo, _("There is nothing to undo."))

    def redo(self):
        """Do the last step again."""
        self._travel(self.landmarkScene.redo, _("There is nothing to redo."))

    def step(self, count):
        """Select the landmark that is count rows further down, from the last to the first, and go there."""
        sides = self.table.sides
        if sides:
            side = sides[(sides.index(self.table.selectedSide()) + count) % len(sides)]
            self.table.select(side)
            self.jumpTo(side)

    def showFirst(self):
        """Select the landmark that needs to be looked at first, and go there if it has a place."""
        self.placing.stop()
        self.table.select(self.table.sides[0])
        if self.landmarkScene.jumpTo(self.landmarkNode, self.table.sides[0]):
            self.onJumped(self.table.sides[0])

    def jumpTo(self, side):
        """Show that landmark in all views."""
        if self.landmarkScene.jumpTo(self.landmarkNode, side):
            self.onJumped(side)
        else:
            self.say(_("{side}: there is no point to go to.").format(side=sideName(side)))

    def _decide(self, decision):
        self.placing.stop()
        decision(self.landmarkNode, self.table.selectedSide())
        self.say("")

    def _placed(self, side, ras):
        self.landmarkScene.place(self.landmarkNode, side, ras)
        self.say("")

    def _placingEnded(self):
        self.escape.remove()
        self.updateButtons()

    def _travel(self, go, nothing):
        self.placing.stop()
        wasShown = self.landmarkNode is not None
        node = go()
        self.onTravelled()
        if node is None:
            self.say(nothing)
        elif wasShown and self.landmarkNode is None:
            self.say(_("“{name}” was taken back; Redo brings it back.").format(name=node.GetName()))
        elif node is not self.landmarkNode:
            self.say(belongsElsewhere(node))
        else:
            self.say("")
