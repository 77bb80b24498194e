"""What can go wrong with a scan, step by step, on any volume whose landmarks are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk
from scipy import ndimage
from scipy.spatial.transform import Rotation

from ..fork.box import cut_box
from ..fork.lumen import lumen_levels
from ..volume.ct import CTVolume
from ..volume.geometry import Grid

Points = Mapping[str, "np.ndarray | None"]
TISSUE_HU = 45.0
AIR_HU = -1024.0
LUMEN_REACH_MM = 80.0
NEAR_MM = 6.0  # of a landmark the lumen comes so near


@dataclass(frozen=True)
class Corrupted:
    """A volume and its landmarks, side -> (3,) LPS mm or None where none can be seen."""

    volume: CTVolume
    points: dict[str, np.ndarray | None]


@dataclass(frozen=True)
class Corruption:
    """steps: amounts from none to severe, in ``unit``. apply: (volume, points, amount, random numbers) -> Corrupted."""

    about: str
    unit: str
    steps: tuple[float, ...]
    apply: Callable[[CTVolume, Points, float, np.random.Generator], Corrupted]


def _with(volume: CTVolume, array: np.ndarray, grid: Grid | None = None) -> CTVolume:
    kept = np.clip(np.round(array), -32768, 32767).astype(np.int16)
    return CTVolume(kept, grid or volume.grid)


def _along(grid: Grid, axis: int, first: float, count: int, factor: int = 1) -> Grid:
    """Only ``count`` slices of ``grid``, the first of them at index ``first``, so many times as thick."""
    size, spacing, origin = np.array(grid.size), grid.spacing.copy(), np.zeros(3)
    size[axis], spacing[axis], origin[axis] = count, factor * spacing[axis], first
    return Grid(tuple(size), spacing, grid.index_to_world(origin), grid.direction)


def _noise_hu(volume: CTVolume) -> float:
    """Standard deviation in HU of the noise: of the differences of neighbours in soft tissue, without the outliers."""
    along = np.moveaxis(volume.array, 2 - volume.grid.slice_axis, 0)
    first, second = along[:, :, :-1].astype(np.float32), along[:, :, 1:].astype(np.float32)
    soft = (np.abs(first - TISSUE_HU) < 100) & (np.abs(second - TISSUE_HU) < 100)
    difference = (second - first)[soft]
    return float(1.4826 * np.median(np.abs(difference)) / np.sqrt(2)) if difference.size else 0.0


def add_noise(volume: CTVolume, points: Points, times: float, rng: np.random.Generator) -> Corrupted:
    """White noise, so that there is so many times as much of it as there was (10 HU at least)."""
    extra = np.sqrt(times**2 - 1) * max(_noise_hu(volume), 10.0)
    noise = rng.standard_normal(volume.array.shape, dtype=np.float32) * np.float32(extra)
    return Corrupted(_with(volume, volume.array + noise), dict(points))


def thicken_slices(volume: CTVolume, points: Points, thickness: float, rng: np.random.Generator) -> Corrupted:
    """Means of so many whole slices that each is at least about so thick (mm)."""
    axis = volume.grid.slice_axis
    factor = max(1, round(thickness / volume.grid.spacing[axis]))
    along = np.moveaxis(volume.array, 2 - axis, 0)
    count = len(along) // factor
    means = along[: count * factor].reshape(count, factor, *along.shape[1:]).mean(axis=1, dtype=np.float32)
    grid = _along(volume.grid, axis, (factor - 1) / 2, count, factor)
    return _in_view(_with(volume, np.moveaxis(means, 0, 2 - axis), grid), points)


def blur(volume: CTVolume, points: Points, fwhm_mm: float, rng: np.random.Generator) -> Corrupted:
    """A Gaussian of this full width at half maximum in all directions."""
    sigma = fwhm_mm / 2.3548 / volume.grid.spacing[::-1]
    return Corrupted(_with(volume, ndimage.gaussian_filter(volume.array.astype(np.float32), sigma)), dict(points))


def move(volume: CTVolume, points: Points, amplitude_mm: float, rng: np.random.Generator) -> Corrupted:
    """The patient swallows: everything is seen at its place and so far to the front and to the back of it."""
    steps = volume.grid.direction.T @ [0, amplitude_mm, 0] / volume.grid.spacing
    array = volume.array.astype(np.float32)
    moved = [ndimage.shift(array, sign * steps[::-1], order=1, mode="nearest") for sign in (-1, 1)]
    return Corrupted(_with(volume, 0.5 * array + 0.25 * (moved[0] + moved[1])), dict(points))


def cut_below(volume: CTVolume, points: Points, left_mm: float, rng: np.random.Generator) -> Corrupted:
    """The scan begins so far below the lower landmark; below 0, above it."""
    axis = volume.grid.slice_axis
    heights = [point[2] for point in points.values() if point is not None]
    if not heights:
        return Corrupted(volume, dict(points))
    places = np.arange(volume.grid.size[axis])[:, None] * np.eye(3)[axis]
    keep = np.flatnonzero(volume.grid.index_to_world(places)[:, 2] >= min(heights) - left_mm)
    keep = keep if len(keep) >= 8 else np.arange(volume.grid.size[axis])[-8:]
    grid = _along(volume.grid, axis, keep[0], len(keep))
    return _in_view(_with(volume, np.take(volume.array, keep, axis=2 - axis), grid), points)


def clip_hu(volume: CTVolume, points: Points, highest: float, rng: np.random.Generator) -> Corrupted:
    """No value above this."""
    return Corrupted(_with(volume, np.minimum(volume.array, highest)), dict(points))


def dim_contrast(volume: CTVolume, points: Points, share: float, rng: np.random.Generator) -> Corrupted:
    """The arteries at the landmarks with this share of their contrast medium; without any no landmark can be seen."""
    vessels = _lumen(volume, points)
    soft = ndimage.gaussian_filter(vessels.astype(np.float32), 0.5 / volume.grid.spacing[::-1])
    soft = np.minimum(2 * soft, 1)
    above = np.maximum(volume.array - TISSUE_HU, 0)
    seen = dict(points) if share > 0 else dict.fromkeys(points)
    return Corrupted(_with(volume, volume.array - (1 - share) * soft * above), seen)


def _lumen(volume: CTVolume, points: Points) -> np.ndarray:
    """(z, y, x) bool: what is as bright as the lumen beside each landmark, goes on from there and is not far away."""
    image = sitk.GetImageFromArray(volume.array)
    found = np.zeros(volume.array.shape, bool)
    for point in points.values():
        if point is None:
            continue
        at = volume.grid.world_to_index(point)
        reach = np.ceil(NEAR_MM / volume.grid.spacing).astype(int)
        low = np.maximum(np.round(at).astype(int) - reach, 0)
        near = volume.array[tuple(slice(a, a + 2 * r + 1) for a, r in zip(low[::-1], reach[::-1]))]
        for level in lumen_levels(cut_box(volume, point)):
            limits = (TISSUE_HU + 0.55 * (level - TISSUE_HU), TISSUE_HU + 1.6 * (level - TISSUE_HU))
            offset = np.argwhere((near >= limits[0]) & (near <= limits[1]))
            if not len(offset):
                continue
            away = (offset[:, ::-1] + low - at) * volume.grid.spacing
            seed = low + offset[np.square(away).sum(1).argmin()][::-1]
            grown = sitk.ConnectedThreshold(image, [[int(n) for n in seed]], *limits)
            voxels = np.argwhere(sitk.GetArrayViewFromImage(grown))
            away = np.linalg.norm(volume.grid.index_to_world(voxels[:, ::-1]) - point, axis=1)
            found[tuple(voxels[away <= LUMEN_REACH_MM].T)] = True
    return found


def add_metal(volume: CTVolume, points: Points, strength: float, rng: np.random.Generator) -> Corrupted:
    """A filling 45 mm before and 10 mm above each landmark, with rays through its slices of so many times 150 HU."""
    array = volume.array.astype(np.float32)
    body = array > -700
    for point in points.values():
        if point is None:
            continue
        metal = point + [0, -45, 10]
        for k in range(volume.grid.size[volume.grid.slice_axis]):
            _rays(volume, array, body, k, metal, 150 * strength, rng.uniform(0, 2 * np.pi))
    return Corrupted(_with(volume, np.clip(array, AIR_HU, 3071)), dict(points))


def _rays(
    volume: CTVolume, array: np.ndarray, body: np.ndarray, k: int, metal: np.ndarray, hu: float, phase: float
) -> None:
    """Add bright and dark rays around ``metal`` (3,) LPS mm to slice ``k`` of ``array``."""
    axis = volume.grid.slice_axis
    index = np.zeros(3)
    index[axis] = k
    weight = hu * np.exp(-(((volume.grid.index_to_world(index)[2] - metal[2]) / 6) ** 2))
    if abs(weight) < 1:
        return
    rows = [np.arange(n) for n in volume.grid.size]
    rows[axis] = np.array([k])
    where = np.stack(np.meshgrid(*rows[::-1], indexing="ij")[::-1], -1)
    away = volume.grid.index_to_world(where) - metal
    angle, distance = np.arctan2(away[..., 1], away[..., 0]), np.hypot(away[..., 0], away[..., 1])
    wave = np.sin(9 * angle + phase)
    slab = tuple(slice(None) if a != 2 - axis else slice(k, k + 1) for a in range(3))
    array[slab] += body[slab] * weight * np.sign(wave) * wave**2 / (1 + distance / 40)


def rotate(volume: CTVolume, points: Points, degrees: float, rng: np.random.Generator) -> Corrupted:
    """The patient lies turned by this angle, about any axis, around the volume's centre. No voxel is resampled."""
    axis = rng.standard_normal(3)
    turn = Rotation.from_rotvec(degrees * axis / np.linalg.norm(axis), degrees=True).as_matrix()
    center = volume.grid.center
    origin, direction = center + turn @ (volume.grid.origin - center), turn @ volume.grid.direction
    grid = replace(volume.grid, origin=origin, direction=direction)
    turned = {side: None if p is None else center + turn @ (p - center) for side, p in points.items()}
    return Corrupted(_with(volume, volume.array, grid), turned)


def lose_slices(volume: CTVolume, points: Points, gap_mm: float, rng: np.random.Generator) -> Corrupted:
    """A gap so wide beside each landmark, bridged by a straight line from slice to slice."""
    axis = volume.grid.slice_axis
    along = np.moveaxis(volume.array.astype(np.float32), 2 - axis, 0)
    missing = round(gap_mm / volume.grid.spacing[axis])
    for point in points.values():
        if point is None or not missing:
            continue
        middle = volume.grid.world_to_index(point)[axis] + rng.uniform(-0.5, 0.5) * missing
        first = int(np.clip(round(middle - missing / 2), 1, max(1, len(along) - missing - 1)))
        last = min(first + missing, len(along) - 1)
        for k in range(first, last):
            share = (k - first + 1) / (last - first + 1)
            along[k] = (1 - share) * along[first - 1] + share * along[last]
    return Corrupted(_with(volume, np.moveaxis(along, 0, 2 - axis)), dict(points))


def quantise(volume: CTVolume, points: Points, step_hu: float, rng: np.random.Generator) -> Corrupted:
    """Grey values in steps of so many HU; 16 is 8 bits of a scanner's 12."""
    return Corrupted(_with(volume, np.round(volume.array / step_hu) * step_hu), dict(points))


def _in_view(volume: CTVolume, points: Points) -> Corrupted:
    """With those landmarks that the volume holds."""
    held = {s: p if p is not None and float(volume.grid.distance_inside(p)) > 0 else None for s, p in points.items()}
    return Corrupted(volume, held)


CORRUPTIONS = {
    "noise": Corruption("More noise", "times", (1, 2, 4, 8), add_noise),
    "slices": Corruption("Thicker slices", "mm", (0.6, 1, 2, 3, 4.5, 6), thicken_slices),
    "motion": Corruption("Motion", "mm", (0, 1, 2, 3), move),
    "blur": Corruption("Blur", "mm FWHM", (0, 1, 2, 3, 4), blur),
    "field of view": Corruption("Cut below", "mm left below", (60, 20, 10, 5, 0, -10), cut_below),
    "clipped": Corruption("Clipped", "HU at most", (3071, 1000, 500, 300, 200), clip_hu),
    "contrast": Corruption("Less contrast medium", "share left", (1, 0.75, 0.5, 0.25, 0.1, 0), dim_contrast),
    "metal": Corruption("Metal", "times 150 HU", (0, 1, 2, 4), add_metal),
    "rotation": Corruption("Turned", "degrees", (0, 15, 30, 45), rotate),
    "missing slices": Corruption("Slices missing", "mm", (0, 2, 5, 10), lose_slices),
    "grey values": Corruption("Fewer grey values", "HU a step", (1, 8, 16, 32), quantise),
}
