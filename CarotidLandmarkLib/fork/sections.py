"""Calibres of a vessel, from cross-sections of the native volume at right angles to its course.

The waves of the trace give areas in a smoothed box above a threshold; here the edge of the lumen is looked for along
rays in each cross-section: where the HU are half way between lumen and tissue, to a fraction of a voxel. At calcium it
lies half way between the lumen and the calcium instead, and where nothing parts the lumen from what touches it, the
edges beside that place tell where it would be. What blur takes from a thin lumen's half height is given back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..volume.ct import CTVolume
from .box import AIR_HU, METAL_HU
from .trace import Branch, smoothed

STEP_MM, COURSE_MM = 1.0, 2.0  # between sections; SD of the Gaussian that evens the course of the trace
RAYS, REACH_MM, FINE_MM = 24, 7.0, 0.2
EVEN_STEPS, EVEN_RAYS = 0.5, 1.0  # SD of the Gaussians that quieten HU along the vessel and around it
HALF, CALCIUM, CALCIUM_MM = 0.5, 1.6, 1.6  # HU from tissue to lumen are 0 to 1; how deep a ray looks into calcium
LEAK, LEAK_MM, LEAST_RAYS = 1.4, 0.5, 0.5  # an edge so much farther than most is another vessel's
RISE = 1.05  # at least so many times as far as the ray beside it is an edge that rises to such a one
NEAR_MM = 1.5  # sections so near to a place count for it
MOST_SHIFT_MM, LEAST_SECTIONS = 1.5, 3
MOST_BLUR_MM, THIN_MM = 1.0, (1.5, 2.5)  # radii of lumens that get back all, and nothing, of what blur takes
CLEAR_MM = 3.0  # before this the course leads out of the middle of all three vessels

ANGLES = np.linspace(0, 2 * np.pi, RAYS, endpoint=False)
RADII = np.arange(0, REACH_MM + FINE_MM / 2, FINE_MM)


@dataclass
class Sections:
    """Cross-sections of one vessel from the fork outwards, about STEP_MM apart.

    length: (n,) mm along it. centre: (n, 3) LPS mm. diameter: (n,) mm of discs of the lumen's areas, NaN where the
    lumen does not stand out.
    """

    length: np.ndarray
    centre: np.ndarray
    diameter: np.ndarray

    @property
    def end(self) -> float:
        """Length in mm up to which diameters hold: the last section's course is not known on both sides."""
        return float(self.length[-1] - STEP_MM) if len(self.length) else 0.0

    def beside(self, point: np.ndarray) -> float:
        """Length at which the vessel, taken as straight near the fork, passes `point` (3,): below 0 before it begins.

        0 of an empty vessel.
        """
        clear = np.nonzero(self.length >= CLEAR_MM)[0][:-1]
        if not len(clear):
            return 0.0
        i = clear[np.linalg.norm(self.centre[clear] - point, axis=1).argmin()]
        way = self.centre[i + 1] - self.centre[i]
        return float(self.length[i] + (point - self.centre[i]) @ way / np.linalg.norm(way))

    def at(self, length: float, near_mm: float = NEAR_MM) -> float:
        """Diameter there, the median of what is within `near_mm`; NaN where half of it or more is not known."""
        near = self.diameter[np.abs(self.length - length) <= near_mm]
        known = near[np.isfinite(near)]
        return float(np.median(known)) if 2 * len(known) > len(near) else np.nan

    def place(self, length: float) -> np.ndarray:
        """Where the vessel is there (3,), or its end."""
        return np.array([np.interp(length, self.length, along) for along in self.centre.T])


def measure_sections(volume: CTVolume, branch: Branch, level: float, tissue: float) -> Sections:
    """The cross-sections of `branch` in `volume`; `level`, `tissue`: HU of its lumen and of what is around it."""
    nothing = Sections(np.zeros(0), np.zeros((0, 3)), np.zeros(0))
    if branch.length_mm < 3 * STEP_MM:
        return nothing
    centre = _even(branch.points)
    for turn in range(2):
        if len(centre) < LEAST_SECTIONS:  # a course that turns back on itself is short once it is smooth
            return nothing
        rays = _rays(centre)
        share = (sample(volume, centre[:, None, None] + rays[:, :, None] * RADII[:, None]) - tissue) / (level - tissue)
        share = ndimage.gaussian_filter1d(share, EVEN_STEPS, axis=0, mode="nearest")
        share = ndimage.gaussian_filter1d(share, EVEN_RAYS, axis=1, mode="wrap")
        edge = _without_leaks(_edges(share), strictly=turn == 1)
        if turn == 0:  # to the middle of the lumen
            shift = 2 / 3 * (edge[..., None] ** 3 * rays).sum(1) / np.maximum((edge**2).sum(1), 1e-6)[:, None]
            far = np.linalg.norm(shift, axis=1, keepdims=True)
            centre = _even(centre + np.nan_to_num(shift * np.minimum(1, MOST_SHIFT_MM / np.maximum(far, 1e-6))))
    radius = np.sqrt((edge**2).mean(1))
    thin = np.clip((THIN_MM[1] - radius) / (THIN_MM[1] - THIN_MM[0]), 0, 1)
    return Sections(_lengths(centre), centre, radius + np.sqrt(radius**2 + 2 * thin * _blur(share, edge) ** 2))


def sample(volume: CTVolume, points: np.ndarray) -> np.ndarray:
    """Trilinear HU (...) float32 at LPS points (..., 3), within AIR_HU and METAL_HU; NaN outside of the volume."""
    index = np.moveaxis(volume.grid.world_to_index(points), -1, 0)[::-1]
    hu = ndimage.map_coordinates(volume.array, index, np.float32, order=1, mode="nearest")
    last = np.reshape(volume.array.shape, (3, *[1] * (points.ndim - 1))) - 0.5
    inside = ((index >= -0.5) & (index <= last)).all(0)
    return np.where(inside, np.nan_to_num(hu, nan=AIR_HU).clip(AIR_HU, METAL_HU), np.nan)


def _lengths(points: np.ndarray) -> np.ndarray:
    return np.append(0.0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1)))


def _even(points: np.ndarray) -> np.ndarray:
    """(m, 3) points STEP_MM apart on the smoothed curve through `points` (n, 3); its ends stay."""
    return _every(smoothed(_every(points, STEP_MM / 2), 2 * COURSE_MM / STEP_MM), STEP_MM)


def _every(points: np.ndarray, step: float) -> np.ndarray:
    along = _lengths(points)
    at = np.arange(0, along[-1] + 1e-6, step)
    return np.stack([np.interp(at, along, axis) for axis in points.T], 1)


def _rays(centre: np.ndarray) -> np.ndarray:
    """Unit vectors (n, RAYS, 3) across a curve (n, 3), turning as little as can be from one point to the next."""
    along = np.gradient(centre, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.empty_like(along)
    last = np.eye(3)[np.abs(along[0]).argmin()]
    for i, way in enumerate(along):
        last = last - (last @ way) * way
        last = last / np.linalg.norm(last)
        across[i] = last
    both = np.cross(along, across)
    return np.cos(ANGLES)[:, None] * across[:, None] + np.sin(ANGLES)[:, None] * both[:, None]


def _edges(share: np.ndarray) -> np.ndarray:
    """(n, rays) mm at which the lumen ends on each ray, inf where it does not or does not begin, as in the midst of
    calcium or of a clot; share: (n, rays, radii)."""
    low, high = _first(share < HALF), _first(share > CALCIUM)
    edge = np.where(low < len(RADII), _crossing(share, HALF, low), np.inf)
    index = np.arange(len(RADII))
    calcium = high < low
    deep = (index >= high[..., None]) & (index <= high[..., None] + CALCIUM_MM / FINE_MM)
    half = np.where(calcium, (1 + np.where(deep, share, 1).max(-1)) / 2, 0)
    edge = np.where(calcium, _crossing(share, half, _first(share > half[..., None])), edge)
    middle = share[..., 0].mean(-1, keepdims=True)
    known = (middle >= HALF) & (middle <= CALCIUM) & ~np.isnan(share).any(-1)
    return np.where(known, edge, np.inf)


def _first(mask: np.ndarray) -> np.ndarray:
    """Where each last axis is first true, its length where it never is."""
    return np.where(mask.any(-1), mask.argmax(-1), mask.shape[-1])


def _crossing(share: np.ndarray, value: float | np.ndarray, first: np.ndarray) -> np.ndarray:
    """mm at which rays pass `value` just before their index `first`."""
    high = np.clip(first, 1, len(RADII) - 1)[..., None]
    one = np.take_along_axis(share, high - 1, -1)[..., 0]
    two = np.take_along_axis(share, high, -1)[..., 0]
    step = np.where(two == one, 1.0, two - one)
    return (high[..., 0] - 1 + np.clip((value - one) / step, 0, 1)) * FINE_MM


def _blur(share: np.ndarray, edge: np.ndarray) -> float:
    """SD in mm of the Gaussian that makes the edges as steep as they are.

    It moves the half of a disc's height inwards by SD^2 / (2 radius): much for a thin lumen, and for others less than
    can be told from what else blurs or sharpens a CT.
    """
    known = np.isfinite(edge)
    at = np.clip(np.round(np.where(known, edge, 0) / FINE_MM).astype(int), 1, len(RADII) - 2)[..., None]
    inner, outer = (np.take_along_axis(share, at + way, -1)[..., 0] for way in (-1, 1))
    steep = ((inner - outer) / (2 * FINE_MM))[known & (outer < HALF) & (inner > HALF)]
    return min(1 / (np.sqrt(2 * np.pi) * float(np.median(steep))), MOST_BLUR_MM) if len(steep) else 0.0


def _without_leaks(edge: np.ndarray, strictly: bool) -> np.ndarray:
    """The same edges, those that belong to something else taken from the rays beside; NaN where few are left.

    strictly: so are those that rise to them, which are too far out as well: there the two lumens meet.
    """
    typical = np.median(np.minimum(edge, REACH_MM), axis=1, keepdims=True)
    good = edge <= np.minimum(LEAK * typical + LEAK_MM, REACH_MM - FINE_MM)
    for way in (1, -1) if strictly else ():
        rises = edge > RISE * np.roll(edge, -way, axis=1)
        for _ in range(RAYS // 2):
            good &= ~(rises & np.roll(~good, way, axis=1))
    out = np.full(edge.shape, np.nan)
    for row in np.nonzero(good.mean(1) > LEAST_RAYS)[0]:
        known = np.nonzero(good[row])[0]
        out[row] = np.interp(np.arange(RAYS), known, edge[row, known], period=RAYS)
    return out
