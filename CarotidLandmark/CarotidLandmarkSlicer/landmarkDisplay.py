"""How the points of a landmark node look."""

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
