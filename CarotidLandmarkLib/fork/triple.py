"""A common carotid and its two daughters in a lumen, and what speaks against their being that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .box import SPACING_MM
from .lumen import BEYOND, RIM_VOXELS
from .tree import Tree

BELOW_MM, ABOVE_MM = (10.0, 15.0), (8.0, 12.0)  # where the vessels are looked at, along each from the fork
SEEN_MM, LIKE_SHARE = (3.0, 16.0), 0.75  # from there to there so much of each vessel has to be as bright as the lumen
AROUND = 0.5 * np.array([[0, 0, 0], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0.0]])  # places looked at, in radii,
LIKE_PLACES = 2  # of which so many are enough: the others may be calcium
CLEAR_SHARE = 0.25  # of each vessel some of them lie away from calcium, whose rim is as bright as a lumen
COMMON_MM, DAUGHTER_MM = (1.5, 6.2), (0.95, 6.0)  # radii there
ROUND_MM, MOST_OVAL = (7.0, 16.0), 1.5  # the common carotid is round there; two vessels side by side are not
DAUGHTER_SHARE, WIDER_SHARE = (0.3, 1.8), 0.48  # of the common carotid's radius, and the wider one's at least
OTHER_SHARE = 0.6  # so wide a vessel, or one wider than a daughter, does not leave the common carotid below the fork,
CROSSING_MM, CROSSING_SHARE = (5.9, 6.0, 12.0), (0.5, 1.0, 1.0)  # nor, so near to it, so wide a one go down there,
NECK_SHARE = 0.6  # but through a neck that is narrower than this share of it the wave has leaked into another vessel
TURN_MM = 4.0  # a branch that rises or falls by less goes sideways
JOINED_MM, JOINED_SHARE = 2.5, 0.4  # nor has one been aside for so long that is so wide and comes back
SISTER_MM, SISTER_SHARE = (3.0, 12.0), 0.6  # where a sister is looked at, and its radius at least,
SISTER_MOST_MM = 5.5  # and at most: a vein is wider


@dataclass(eq=False)
class Arm:
    """One vessel from the fork on: length (n,) mm from it, centre (n, 3) mm from the box's middle, radius (n,) mm, and
    the nodes of the tree that it fills."""

    length: np.ndarray
    centre: np.ndarray
    radius: np.ndarray
    nodes: list[int]

    @property
    def rise(self) -> float:
        """How much higher it ends than it begins, mm."""
        return float(self.centre[-1, 2] - self.centre[0, 2])

    def extended(self, on: Arm) -> Arm:
        """This vessel and beyond its end another, which begins near there."""
        skip = 2 if len(on.length) > 3 else 0
        return Arm(
            np.append(self.length, self.length[-1] + on.length[skip:]),
            np.concatenate([self.centre, on.centre[skip:]]),
            np.append(self.radius, on.radius[skip:]),
            self.nodes + on.nodes,
        )

    def at(self, *lengths: float) -> np.ndarray:
        """Radii there, each the median of 3 mm of vessel; 0 beyond its end."""
        out = []
        for length in lengths:
            near = np.abs(self.length - length) <= 1.5
            out.append(float(np.median(self.radius[near])) if length <= self.length[-1] + 1 and near.any() else 0.0)
        return np.array(out)

    def place(self, length: float) -> np.ndarray:
        """Where it is there (3,), or its end."""
        return np.array([np.interp(length, self.length, along) for along in self.centre.T])


@dataclass
class Triple:
    """common, and two daughters, the wider first; score: how much of it is there; rest: the other branches, each with
    the length at which it leaves, negative along the common, positive along a daughter. below: (3,) mm from the box's
    middle, the fork farther down of which the vessel below is a daughter, see `follow`."""

    tree: Tree
    common: Arm
    daughters: tuple[Arm, Arm]
    rest: list[tuple[float, Arm]]
    score: float
    below: np.ndarray | None = None

    def apart(self, other: Triple) -> float:
        """How far in mm the fork of another, or a daughter 10 mm on, lies from this one's. Puts those in this order."""
        orders = []
        for order in (other.daughters, other.daughters[::-1]):
            pairs = [(own.place(10.0), its.place(10.0)) for own, its in zip(self.daughters, order)]
            pairs.append((self.common.centre[0], other.common.centre[0]))
            orders.append((max(float(np.linalg.norm(own - its)) for own, its in pairs), order))
        distance, other.daughters = min(orders, key=lambda pair: pair[0])
        return distance

    def unlike(self, hu: np.ndarray, level: float, tissue: float, calcified: bool = False) -> list[str]:
        """What speaks against contrast all along the vessels, in a box of HU (z, y, x); calcified: calcium was followed
        as if it were lumen, and some has to be seen beside it."""
        out = []
        calcium = calcified and ndimage.binary_dilation(hu > level + BEYOND * (level - tissue), iterations=RIM_VOXELS)
        for name, arm in (("below", self.common), ("above", self.daughters[0]), ("above", self.daughters[1])):
            part = (arm.length > SEEN_MM[0]) & (arm.length < SEEN_MM[1])
            places = arm.centre[part, None] + arm.radius[part, None, None] * AROUND
            index = np.moveaxis(places[..., ::-1], -1, 0) / SPACING_MM + np.array(hu.shape)[:, None, None] // 2
            values = (ndimage.map_coordinates(hu, index, order=1) - tissue) / (level - tissue)
            alike = (values > 0.5) & (values < 1.5)
            clear = alike & (ndimage.map_coordinates(calcium, index, order=0) == 0) if calcified else alike
            if len(alike) and (alike.sum(1) >= LIKE_PLACES).mean() < LIKE_SHARE:
                out.append(f"A vessel {name} is not as bright as the lumen at the point.")
            elif len(alike) and clear.any(1).mean() < CLEAR_SHARE:
                out.append(f"A vessel {name} shows no lumen beside its calcium.")
        return out

    def _joined_below(self) -> float:
        """Radius in mm of the widest vessel that has left the common carotid and comes back to it below the fork."""
        early, late = self.tree.joined.T
        widest = 0.0
        for end in early[np.isin(late, self.common.nodes) & ~np.isin(early, self.common.nodes)]:
            aside = [node for node in self.tree.path(int(end)) if node not in self.common.nodes]
            if self.tree.time[end] - self.tree.time[aside[0]] >= JOINED_MM:
                widest = max(widest, float(np.median(self.tree.radius[aside])))
        return widest

    def fork_below(self) -> np.ndarray | None:
        """Where (3,) a vessel like the common carotid leaves it below the fork, and climbs, perhaps after going down.

        It is the sister of what is taken for the common carotid.
        """
        least = SISTER_SHARE * float(self.common.at(*BELOW_MM).mean())
        for leaves, arm in self.rest:
            lowest = int(arm.centre[:, 2].argmin())
            climbs = arm.length - arm.length[lowest]
            high = arm.centre[lowest:, 2].max() - arm.centre[lowest, 2]
            if leaves < -TURN_MM and high > SISTER_MM[1]:
                wide = float(np.median(arm.radius[(climbs >= SISTER_MM[0]) & (climbs <= SISTER_MM[1])]))
                if least < wide < SISTER_MOST_MM:
                    return arm.centre[lowest]
        return None

    def mask(self, shape: tuple[int, ...]) -> np.ndarray:
        """(z, y, x) bool of `shape`, the voxels of the three vessels."""
        out = np.zeros(shape, dtype=bool)
        first = self.tree.first + np.array(shape) // 2
        where = tuple(slice(a, a + n) for a, n in zip(first, self.tree.nodes.shape))
        nodes = [node for arm in (self.common, *self.daughters) for node in arm.nodes]
        out[where] = np.isin(self.tree.nodes, nodes)
        return out

    def calibres(self) -> list[str]:
        """What of the radii speaks against a carotid fork: it may be narrowed all the same, or have a thin daughter."""
        out = []
        below = self.common.at(*BELOW_MM)
        if self._reaches(self.common) and not (below.min() >= COMMON_MM[0] and below.max() <= COMMON_MM[1]):
            out.append(f"The vessel below has a radius of {below.min():.1f} to {below.max():.1f} mm.")
        for arm in filter(self._reaches, self.daughters):
            above = arm.at(*ABOVE_MM)
            if not (above.min() >= DAUGHTER_MM[0] and above.max() <= DAUGHTER_MM[1]):
                out.append(f"A vessel above has a radius of {above.min():.1f} to {above.max():.1f} mm.")
            elif not DAUGHTER_SHARE[0] * below.mean() <= above.mean() <= DAUGHTER_SHARE[1] * below.mean():
                out.append(f"The vessels have radii of {below.mean():.1f} mm below and {above.mean():.1f} mm above.")
        return out

    def _reaches(self, arm: Arm) -> bool:
        """Whether a vessel is followed as far as it is looked at."""
        return bool(arm.length[-1] + 1 >= (BELOW_MM if arm is self.common else ABOVE_MM)[1])

    def defects(self) -> list[str]:
        """What speaks against a carotid fork, none for one that is all there."""
        named = [("The vessel below", self.common), *(("A vessel above", arm) for arm in self.daughters)]
        out = [f"{n} is followed for {arm.length[-1]:.0f} mm only." for n, arm in named if not self._reaches(arm)]
        out += self.calibres()
        below = self.common.at(*BELOW_MM)
        there = [node for node, far in zip(self.common.nodes, self.common.length) if ROUND_MM[0] < far < ROUND_MM[1]]
        if there and np.median(self.tree.oval[there]) > MOST_OVAL:
            out.append("The vessel below is not round: it is two that touch.")
        if 0 < self.daughters[0].at(*ABOVE_MM).mean() < WIDER_SHARE * below.mean():
            out.append("Both vessels above are much thinner than the one below.")
        thinner = min(float(arm.at(*ABOVE_MM).mean()) for arm in self.daughters)
        for leaves, arm in self.rest:
            wide = float(arm.at(6.0)[0])
            up, down = arm.rise > TURN_MM, arm.rise < -TURN_MM
            both_ways = any(arm.rise * other.rise < 0 for at, other in self.rest if abs(at - leaves) < 0.5)
            leaks = both_ways and wide > 0 and arm.radius[1:5].min() < NECK_SHARE * wide
            share = wide / max(below.mean(), 0.1)
            between = 3 - self.common.length[-1] < leaves < -1
            aside = up and between and (share > OTHER_SHARE or wide > thinner)
            crosses = down and share > np.interp(abs(leaves), CROSSING_MM, CROSSING_SHARE, right=np.inf)
            if (aside or crosses) and not leaks:
                where = "below" if leaves < 0 else "above"
                out.append(f"Another wide vessel leaves {abs(leaves):.0f} mm {where} the fork.")
        if self._joined_below() > JOINED_SHARE * below.mean():
            out.append("Two vessels come together below the fork.")
        return out
