"""The landmarks of one volume in the panel: the table, the buttons below it, and what the keys do."""

from slicer.i18n import tr as _

from .panelPlacing import PointPlacing
from .panelTable import LandmarkTable, sideName

LABELS = {"left": "L", "right": "R"}


class LandmarkPanel:
    """Shows one landmark node and passes the reader's decisions on to the LandmarkScene.

    say(message) is called with what the user should know.
    """

    def __init__(self, ui, landmarkScene, say):
        self.ui = ui
        self.landmarkScene = landmarkScene
        self.say = say
        self.landmarkNode = None
        self.table = LandmarkTable(ui.landmarkTable, self.jumpTo)
        self.placing = PointPlacing(self._placed, self.update)
        ui.landmarkTable.connect("itemSelectionChanged()", self.updateButtons)
        for button, action in (
            (ui.acceptButton, self.accept),
            (ui.missingButton, self.markMissing),
            (ui.predictionButton, self.restorePrediction),
            (ui.placeButton, self.place),
            (ui.undoButton, self.undo),
            (ui.redoButton, self.redo),
        ):
            button.connect("clicked()", action)

    def setLandmarkNode(self, landmarkNode):
        """Show another node, or None."""
        if landmarkNode is not self.landmarkNode:
            self.placing.stop()
            self.landmarkNode = landmarkNode
        self.update()

    def update(self):
        """Show the node as it is now."""
        shown = self.landmarkNode is not None
        self.ui.landmarkTable.setVisible(shown)
        self.ui.landmarksHint.setVisible(not shown)
        self.table.show(self.landmarkScene.rows(self.landmarkNode) if shown else [])
        self.updateButtons()

    def updateButtons(self):
        """Enable what can be done with the selected landmark."""
        side = self.table.selectedSide()
        review = self.landmarkScene.reviews(self.landmarkNode)[side] if self.landmarkNode and side else None
        self.ui.acceptButton.enabled = review is not None and review.decision in ("unreviewed", "missing")
        self.ui.missingButton.enabled = review is not None and review.decision != "missing"
        self.ui.predictionButton.enabled = review is not None and review.decision != "unreviewed"
        self.ui.placeButton.enabled = review is not None
        self.ui.placeButton.checked = self.placing.active
        self.ui.undoButton.enabled = self.landmarkNode is not None
        self.ui.redoButton.enabled = self.landmarkNode is not None

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
            self.placing.stop()
            return
        side = self.table.selectedSide()
        self.placing.start(side, LABELS[side])
        self.updateButtons()
        self.say(_("{side}: click the bifurcation in a slice view; Esc ends.").format(side=sideName(side)))

    def undo(self):
        """Take the last step back."""
        self.placing.stop()
        self.say("" if self.landmarkScene.undo() else _("There is nothing to undo."))
        self.update()

    def redo(self):
        """Do the last step again."""
        self.placing.stop()
        self.say("" if self.landmarkScene.redo() else _("There is nothing to redo."))
        self.update()

    def step(self, count):
        """Select the landmark that is count rows further down, from the last to the first, and go there."""
        sides = self.table.sides
        if sides:
            side = sides[(sides.index(self.table.selectedSide()) + count) % len(sides)]
            self.table.select(side)
            self.jumpTo(side)

    def showFirst(self):
        """Select the landmark that needs to be looked at first, and go there if it has a place."""
        self.table.select(self.table.sides[0])
        self.landmarkScene.jumpTo(self.landmarkNode, self.table.sides[0])

    def jumpTo(self, side):
        """Show that landmark in all views."""
        if not self.landmarkScene.jumpTo(self.landmarkNode, side):
            self.say(_("{side}: there is no point to go to.").format(side=sideName(side)))

    def _decide(self, decision):
        self.placing.stop()
        decision(self.landmarkNode, self.table.selectedSide())
        self.say("")
        self.update()

    def _placed(self, side, ras):
        self.landmarkScene.place(self.landmarkNode, side, ras)
        self.say("")
        self.update()
