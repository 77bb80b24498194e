"""How the points of a landmark node look, also after undo and redo, which know nothing of displays."""

import slicer

_GLYPH_PERCENT = 2.0
_TEXT_PERCENT = 3.6
_COLOR = (1.0, 0.3, 0.3)


def styleDisplay(node):
    """Give a fiducial node a display, unless it has one, and that the look of landmarks."""
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetUseGlyphScale(True)
    display.SetGlyphScale(_GLYPH_PERCENT)
    display.SetTextScale(_TEXT_PERCENT)
    display.SetSelectedColor(_COLOR)
    display.GetTextProperty().SetShadow(False)
    display.SetSnapMode(display.SnapModeUnconstrained)


class DisplayKeeper:
    """Made before a step of undo or redo; tidy() then styles the displays that are new and removes those of nobody."""

    def __init__(self, scene, landmarkNodes):
        self.scene = scene
        self.before = _displays(scene)
        self.ours = [node.GetDisplayNode() for node in landmarkNodes]
        self.storages = {node: node.GetStorageNode() for node in landmarkNodes if node.GetStorageNode() is not None}

    def tidy(self, landmarkNodes):
        """Put the displays of these nodes right, and remove display and storage of those that were undone."""
        for node in landmarkNodes:
            if node.GetDisplayNode() is None or node.GetDisplayNode() not in self.before:
                styleDisplay(node)
        for display in _displays(self.scene):
            if (display in self.ours or display not in self.before) and display.GetDisplayableNode() is None:
                self.scene.RemoveNode(display)
        for node, storage in self.storages.items():
            if not self.scene.IsNodePresent(node):
                self.scene.RemoveNode(storage)


def _displays(scene):
    return slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialDisplayNode", scene)
