"""Smooth lines and letters on an RGB array, with nothing but numpy."""

from __future__ import annotations

import numpy as np

# Each glyph: polylines of (x, y) digit pairs on a raster 4 wide and 6 high, y downwards.
GLYPHS = {
    "A": "062046 1434", "B": "003041423303334445360600", "C": "4130100105163645", "D": "00204244260600",
    "E": "40000646 0333", "F": "400006 0333", "G": "41301001051636454323", "H": "0006 4046 0343",
    "I": "1030 2026 1636", "J": "4045361605", "K": "0006 4003 0346", "L": "000646", "M": "0600234046",
    "N": "06004640", "O": "103041453616050110", "P": "06003041423303", "Q": "103041453616050110 2446",
    "R": "06003041423303 2346", "S": "413010010213334445361605", "T": "0040 2026", "U": "000516364540",
    "V": "002640", "W": "0016233640", "X": "0046 4006", "Y": "002340 2326", "Z": "00400646",
    "0": "103041453616050110", "1": "112026 1636", "2": "01103041420646", "3": "0110304142334445361605 1333",
    "4": "36300444", "5": "400003334445361605", "6": "30100105163645443303", "7": "004016",
    "8": "103041423313020110 130405163645443313", "9": "163645413010010213 1343", ".": "2626", "-": "1333",
    "%": "4006 0010110100 3545463635", " ": "",
}  # fmt: skip
ADVANCE = 6.0  # raster units from one letter to the next


def blend(image: np.ndarray, coverage: np.ndarray, color: tuple[int, int, int]) -> None:
    """Paint `color` over `image` (H, W, 3) float, in place, where `coverage` (H, W) is above 0 and up to 1."""
    image += coverage[..., None] * (np.array(color, dtype=np.float64) - image)


def draw_lines(
    image: np.ndarray, lines: list[np.ndarray], color: tuple[int, int, int], width: float, halo: float = 0.0
) -> None:
    """Polylines, each (N, 2) of pixel (x, y), with round ends, `width` pixels wide, in a dark rim of `halo` pixels."""
    points = np.concatenate(lines)
    margin = width / 2 + halo + 2
    height, breadth = image.shape[:2]
    x0, y0 = np.maximum(np.floor(points.min(0) - margin), 0).astype(int)
    x1, y1 = np.minimum(np.ceil(points.max(0) + margin) + 1, (breadth, height)).astype(int)
    if x1 <= x0 or y1 <= y0:
        return
    y, x = np.mgrid[y0:y1, x0:x1]
    distance = np.full(x.shape, np.inf)
    for line in lines:
        for start, stop in zip(line[:-1], line[1:]):
            along = stop - start
            share = ((x - start[0]) * along[0] + (y - start[1]) * along[1]) / max(along @ along, 1e-12)
            share = np.clip(share, 0, 1)
            distance = np.minimum(distance, np.hypot(x - start[0] - share * along[0], y - start[1] - share * along[1]))
    part = image[y0:y1, x0:x1]
    if halo:
        blend(part, 0.75 * np.clip(width / 2 + halo + 0.5 - distance, 0, 1), (0, 0, 0))
    blend(part, np.clip(width / 2 + 0.5 - distance, 0, 1), color)


def draw_text(
    image: np.ndarray,
    text: str,
    corner: tuple[float, float],
    height: float,
    color: tuple[int, int, int],
    anchor: float = 0.0,
) -> None:
    """`text` in capitals, its top at corner[1]; corner[0] is its left end (anchor 0), middle (0.5) or right end (1)."""
    unit = height / 6
    left = corner[0] - anchor * text_width(text, height)
    lines = []
    for number, letter in enumerate(text.upper()):
        for stroke in GLYPHS[letter].split():
            raster = np.array([int(digit) for digit in stroke], dtype=np.float64).reshape(-1, 2)
            lines.append((raster + (number * ADVANCE, 0)) * unit + (left, corner[1]))
    if lines:
        draw_lines(image, lines, color, width=max(unit * 0.85, 1.2), halo=1.5)


def text_width(text: str, height: float) -> float:
    """Pixels that `text` takes at a letter height."""
    return (len(text) * ADVANCE - 2) * height / 6
