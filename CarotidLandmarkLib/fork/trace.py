"""The carotid fork around a point of a CT: its lumen, its three vessels and its carina."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from ..landmarks.points import as_position
from ..volume.ct import CTVolume
from ..volume.geometry import Grid
from .arms import find_triples, follow, starts_below
from .beside import brighter_vessel, sister_at_end
from .box import SPACING_MM, cut_box
from .carina import find_carina
from .course import along_trunk, trusted, unshared
from .lumen import LEAST_BRIGHT_MM3, Recipe, bright_volume, lumen_levels, lumen_mask, ordered_masks, tissue_level
from .names import probability_internal
from .tree import part_at_middle
from .triple import BELOW_MM, Arm, Triple

NEAR_MM = 28.0  # height above and below the point within which the fork is looked for
MOST_VOXELS, MOST_WORK = 150_000, 300_000  # a part with more is bone; all parts that are tried together have no more
ALIKE = 0.015  # parts whose voxels differ by so little show the same vessels
SHORT_MM = 18.0  # what is not longer, and does not go on below, is no vessel
ENOUGH_MM = 16.0  # of volume on either side of the point, to judge it
MISSING = {
    "volume": "The point lies outside of the volume.",
    "contrast": "No vessel with contrast lies beside the point.",
    "lumen": "What is bright beside the point is too thin or too uneven for a lumen.",
    "vessel": "What is bright beside the point does not go on as a vessel: it is bone, cartilage or calcium.",
    "fork": "No vessel that divides was found at the point.",
}
TOLD = 0.65  # a probability that names the daughters
CLOSE_MM = 2.5  # a carina so near to the point is the one that is meant
EVEN_NODES = 1.5  # SD of the Gaussian that takes the wave's steps out of a vessel's course


class Candidate(NamedTuple):
    """A fork in one of the masks; the lower `penalty`, the likelier it is the one that is meant."""

    penalty: float
    triple: Triple
    defects: list[str]
    carina: np.ndarray
    recipe: Recipe
    level: float


@dataclass
class Branch:
    """A vessel from the fork outwards.

    points: (n, 3) LPS mm of its smoothed middle, about 1 mm apart but where it touches another, as far as it goes on
    evenly (see course.py). radii: (n,) mm of discs of its cross-sections' areas; within about 4 mm of the fork they are
    wider than the vessel.
    """

    points: np.ndarray
    radii: np.ndarray

    @property
    def length_mm(self) -> float:
        return float(np.linalg.norm(np.diff(self.points, axis=0), axis=1).sum())


@dataclass
class Fork:
    """What a CT shows around a point; what could not be traced is None, and `notes` says why.

    side: of SIDES. point: (3,) LPS mm, where it was looked. grid: voxels of the box around it, None outside of the
    volume. lumen: (z, y, x) bool on `grid`, what the three vessels hold. level_hu: of the lumen. tissue_hu: of what is
    around it. common, internal, external: the vessels.
    internal_probability: that the last two are not the other way round, None where that cannot be told. carina: (3,)
    LPS mm, where the lumens part. below: (3,) LPS mm, another fork farther down, of which the common one is a daughter;
    None if there is none. sister: where the volume ends below, a vessel like the common one runs beside it. missing:
    the key of MISSING of what there is not, or None. calcified: calcium was followed as if it were lumen. defects:
    sentences on what speaks against a carotid fork, calibres: those of them that only say how wide a vessel is. notes:
    sentences on the quality.
    """

    side: str
    point: np.ndarray
    grid: Grid | None = None
    lumen: np.ndarray | None = None
    level_hu: float | None = None
    tissue_hu: float | None = None
    common: Branch | None = None
    internal: Branch | None = None
    external: Branch | None = None
    internal_probability: float | None = None
    carina: np.ndarray | None = None
    below: np.ndarray | None = None
    sister: bool = False
    missing: str | None = None
    calcified: bool = False
    defects: list[str] = field(default_factory=list)
    calibres: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def trace_fork(volume: CTVolume, point_lps: Sequence[float] | np.ndarray, side: str) -> Fork:
    """The fork of `side` ("left" or "right", the patient's) of which `point_lps` (3,), LPS mm, is thought the carina.

    Masks of what is as bright as the lumen, at several thresholds; through each a wave is sent up from below the point
    (fast marching, Sethian, PNAS 1996; Deschamps and Cohen, Medical Image Analysis 2001), whose front parts where the
    vessel does (Zahlten et al. 1995). The first mask that shows a fork without defects counts, else the best.
    Never fails for a strange point: the Fork of one in air, bone, a vein or outside of the volume says what is missing.
    Raises ValueError where `point_lps` are not three finite numbers.
    """
    point = as_position(point_lps)
    fork = Fork(side, point)
    if volume.grid.distance_inside(point) < 0:
        return _without(fork, "volume")
    cut = False
    for way, words in ((-1, "below"), (1, "above")):
        if volume.grid.distance_inside(point + [0, 0, way * ENOUGH_MM]) < 0:
            cut = True
            fork.notes.append(f"The volume ends less than {ENOUGH_MM:.0f} mm {words} the point.")
    box = cut_box(volume, point)
    fork.grid = box.grid
    levels = lumen_levels(box)
    fork.tissue_hu = tissue_level(box)
    if not levels:
        return _without(fork, "lumen" if bright_volume(box) > LEAST_BRIGHT_MM3 else "contrast")
    fork.level_hu = levels[0]
    crop = box.hu.shape[0] // 2 - round(NEAR_MM / SPACING_MM)
    best: Candidate | None = None
    tried: list[int] = []
    vessel = False
    for recipe, level in ordered_masks(levels):
        part = part_at_middle(lumen_mask(box.hu[crop:-crop], recipe, level, fork.tissue_hu), recipe.rim_mm)
        voxels = int(part.mask.sum()) if part else 0
        vessel = vessel or voxels > MOST_VOXELS
        if (
            part is None
            or voxels > min(MOST_VOXELS, MOST_WORK - sum(tried))
            or any(abs(voxels - n) < ALIKE * n for n in tried)
        ):
            continue
        tried.append(voxels)
        starts = starts_below(part)
        vessel = vessel or bool(starts) or max(part.mask.shape) * SPACING_MM > SHORT_MM
        for triple in find_triples(part, starts)[:3]:
            lines = [arm.centre for arm in triple.daughters]
            carina = find_carina(box.hu, lines[0], lines[1], level, fork.tissue_hu)
            if carina is None:
                continue
            defects = triple.defects() + triple.unlike(box.hu, level, fork.tissue_hu, recipe.calcium)
            penalty = len(defects) + max(0.0, float(np.linalg.norm(carina)) / CLOSE_MM - 1)
            if best is None or penalty < best.penalty:
                best = Candidate(penalty, triple, defects, carina, recipe, level)
        if best and best.penalty == 0:
            break
    if best is None:
        return _without(fork, "fork" if vessel or cut else "vessel")
    if best.recipe.calcium:
        fork.calcified = True
        fork.notes.append("Calcium hides the lumen: the vessels were followed together with it.")
    fork.level_hu, fork.defects, fork.carina = best.level, best.defects, point + best.carina
    fork.calibres = best.triple.calibres()
    part = part_at_middle(lumen_mask(box.hu, best.recipe, best.level, fork.tissue_hu), best.recipe.rim_mm)
    triple = follow(best.triple, part) if part else best.triple
    if brighter_vessel(box.hu, fork.level_hu, fork.tissue_hu, triple.common, side):
        fork.defects = [*fork.defects, "A brighter vessel runs beside it, nearer to the midline: this may be the vein."]
    fork.sister = sister_at_end(box, fork.level_hu, fork.tissue_hu, triple.common)
    if triple.below is not None:
        fork.below = point + triple.below
        fork.defects = [*fork.defects, "The vessel below comes from another fork farther down."]
    probability = probability_internal(*triple.daughters, triple.rest, side)
    widest = float(triple.common.at(*BELOW_MM).mean())
    daughters = unshared(*(along_trunk(triple.tree, arm) for arm in triple.daughters))
    one, two = (trusted(arm, widest) for arm in daughters)
    triple.common, triple.daughters = trusted(triple.common, widest), (one, two)
    fork.lumen = triple.mask(box.hu.shape)
    fork.common = _branch(triple.common, point)
    if probability is not None and probability < 0.5:
        one, two, probability = two, one, 1 - probability
    fork.internal, fork.external = _branch(one, point), _branch(two, point)
    if probability is not None and probability >= TOLD:
        fork.internal_probability = probability
    else:
        fork.notes.append("Which daughter is the internal carotid cannot be told.")
    return fork


def _without(fork: Fork, missing: str) -> Fork:
    fork.missing = missing
    fork.notes.append(MISSING[missing])
    return fork


def _branch(arm: Arm, point: np.ndarray) -> Branch:
    return Branch(point + smoothed(arm.centre, EVEN_NODES), arm.radius.copy())


def smoothed(points: np.ndarray, sd: float) -> np.ndarray:
    """The curve through `points` (n, 3) after a Gaussian of that many of them; its ends stay."""
    reach = min(round(4 * sd), len(points) - 1)
    padded = np.pad(points, ((reach, reach), (0, 0)), "reflect", reflect_type="odd")
    return np.asarray(ndimage.gaussian_filter1d(padded, sd, axis=0)[reach : reach + len(points)])
