"""Which three branches of a lumen are a common carotid and its two daughters."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import ndimage

from .box import SPACING_MM
from .tree import Part, Tree, grow

WIDEST_MM = 6.8  # radius of a cross-section that is no artery's: the wave has leaked, and is not followed
BELOW_MM, ABOVE_MM = (10.0, 15.0), (8.0, 12.0)  # where the vessels are looked at, along each from the fork
SEEN_MM, LIKE_SHARE = (3.0, 16.0), 0.75  # from there to there so much of each vessel has to be as bright as the lumen
COMMON_MM, DAUGHTER_MM = (1.5, 5.8), (0.7, 5.3)  # radii there
DAUGHTER_SHARE, WIDER_SHARE = (0.3, 1.8), 0.48  # of the common carotid's radius, and the wider one's at least
OTHER_SHARE, CROSSING_SHARE = 0.6, 0.5  # so wide a vessel does not leave the common carotid, nor go down at the fork,
NECK_SHARE = 0.6  # but through a neck that is narrower than this share of it the wave has leaked into another vessel
TURN_MM = 4.0  # a branch that rises or falls by less goes sideways
JOINED_MM, JOINED_SHARE = 2.5, 0.4  # nor has one been aside for so long that is so wide and comes back
FAR_MM, SAME_MM = 45.0, 3.0  # vessels are followed so far, if the fork is found again so near
START_MM, LEAST_BELOW_MM, REACH_MM = 22.0, 8.0, 46.0  # where waves start below the point, and how far they run
START_RADIUS_MM, MOST_STARTS, MOST_ENDS = (1.2, 6.8), 2, 14


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
    the length at which it leaves, negative along the common, positive along a daughter."""

    tree: Tree
    common: Arm
    daughters: tuple[Arm, Arm]
    rest: list[tuple[float, Arm]]
    score: float

    def apart(self, other: Triple) -> float:
        """How far in mm the fork of another, or a daughter 10 mm on, lies from this one's. Puts those in this order."""
        orders = []
        for order in (other.daughters, other.daughters[::-1]):
            pairs = [(own.place(10.0), its.place(10.0)) for own, its in zip(self.daughters, order)]
            pairs.append((self.common.centre[0], other.common.centre[0]))
            orders.append((max(float(np.linalg.norm(own - its)) for own, its in pairs), order))
        distance, other.daughters = min(orders, key=lambda pair: pair[0])
        return distance

    def unlike(self, hu: np.ndarray, level: float, tissue: float) -> list[str]:
        """What speaks against contrast all along the vessels, in a box of HU (z, y, x)."""
        out = []
        for name, arm in (("below", self.common), ("above", self.daughters[0]), ("above", self.daughters[1])):
            centre = arm.centre[(arm.length > SEEN_MM[0]) & (arm.length < SEEN_MM[1])]
            index = centre[:, ::-1].T / SPACING_MM + np.array(hu.shape)[:, None] // 2
            values = (ndimage.map_coordinates(hu, index, order=1) - tissue) / (level - tissue)
            if len(values) and np.mean((values > 0.5) & (values < 1.5)) < LIKE_SHARE:
                out.append(f"A vessel {name} is not as bright as the lumen at the point.")
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

    def mask(self, shape: tuple[int, ...]) -> np.ndarray:
        """(z, y, x) bool of `shape`, the voxels of the three vessels."""
        out = np.zeros(shape, dtype=bool)
        first = self.tree.first + np.array(shape) // 2
        where = tuple(slice(a, a + n) for a, n in zip(first, self.tree.nodes.shape))
        nodes = [node for arm in (self.common, *self.daughters) for node in arm.nodes]
        out[where] = np.isin(self.tree.nodes, nodes)
        return out

    def defects(self) -> list[str]:
        """What speaks against a carotid fork, none for one that is all there."""
        out = []
        below = self.common.at(*BELOW_MM)
        if self.common.length[-1] + 1 < BELOW_MM[1]:
            out.append(f"The vessel below is followed for {self.common.length[-1]:.0f} mm only.")
        elif not (below.min() >= COMMON_MM[0] and below.max() <= COMMON_MM[1]):
            out.append(f"The vessel below has a radius of {below.min():.1f} to {below.max():.1f} mm.")
        for arm in self.daughters:
            above = arm.at(*ABOVE_MM)
            if arm.length[-1] + 1 < ABOVE_MM[1]:
                out.append(f"A vessel above is followed for {arm.length[-1]:.0f} mm only.")
            elif not (above.min() >= DAUGHTER_MM[0] and above.max() <= DAUGHTER_MM[1]):
                out.append(f"A vessel above has a radius of {above.min():.1f} to {above.max():.1f} mm.")
            elif not DAUGHTER_SHARE[0] * below.mean() <= above.mean() <= DAUGHTER_SHARE[1] * below.mean():
                out.append(f"The vessels have radii of {below.mean():.1f} mm below and {above.mean():.1f} mm above.")
        if 0 < self.daughters[0].at(*ABOVE_MM).mean() < WIDER_SHARE * below.mean():
            out.append("Both vessels above are much thinner than the one below.")
        for leaves, arm in self.rest:
            wide = float(arm.at(6.0)[0])
            up, down = arm.rise > TURN_MM, arm.rise < -TURN_MM
            both_ways = any(arm.rise * other.rise < 0 for at, other in self.rest if abs(at - leaves) < 0.5)
            leaks = both_ways and wide > 0 and arm.radius[1:5].min() < NECK_SHARE * wide
            share = wide / max(below.mean(), 0.1)
            aside = up and 3 - self.common.length[-1] < leaves < -1 and share > OTHER_SHARE
            crosses = down and abs(leaves) < 6 and share > CROSSING_SHARE
            if (aside or crosses) and not leaks:
                where = "below" if leaves < 0 else "above"
                out.append(f"Another wide vessel leaves {abs(leaves):.0f} mm {where} the fork.")
        if self._joined_below() > JOINED_SHARE * below.mean():
            out.append("Two vessels come together below the fork.")
        return out


def find_triples(part: Part, starts: list[np.ndarray]) -> list[Triple]:
    """The forks in `part` at which a vessel from below divides into two that go up, the likeliest first.

    A wave is sent upwards from each of `starts`, see `starts_below`, until one shows a whole fork.
    """
    found: list[Triple] = []
    for start in starts:
        found += _triples(grow(part, start, REACH_MM))
        if found and not min(found, key=lambda triple: -triple.score).defects():
            break
    return sorted(found, key=lambda triple: -triple.score)


def follow(triple: Triple, part: Part) -> Triple:
    """The same fork with its vessels as far as they go in `part` of a higher box; `triple` where it is not there."""
    start = np.argwhere(triple.tree.nodes == triple.common.nodes[-1]) + triple.tree.first - part.first
    start = start[((start >= 0) & (start < part.mask.shape)).all(1)]
    start = start[part.mask[tuple(start.T)]]
    if not len(start):
        return triple
    tree = grow(part, start, triple.common.length[-1] + FAR_MM)
    close = [(triple.apart(other), other) for other in _triples(tree)]
    distance, found = min(close, key=lambda pair: pair[0], default=(np.inf, triple))
    if distance > SAME_MM:
        return triple
    downs = [arm for leaves, arm in found.rest if leaves < 3 - found.common.length[-1] and arm.rise < 0]
    if downs:
        down = min(downs, key=lambda arm: arm.rise)
        found.rest = [(leaves, arm) for leaves, arm in found.rest if arm not in downs]
        found.common = found.common.extended(down)
    return found


def starts_below(part: Part) -> list[np.ndarray]:
    """Cross-sections of vessels in the axial plane START_MM below the point, or at the end of the part before that.

    Each is an array (n, 3) of indices (z, y, x) into `part`, 3 voxels high, the nearest to below the point first.
    """
    row = max(round(-START_MM / SPACING_MM) - int(part.first[0]), 1)
    if (row + part.first[0]) * SPACING_MM > -LEAST_BELOW_MM or row + 1 >= len(part.mask):
        return []
    labels, count = ndimage.label(part.mask[row])
    sections = []
    for label in range(1, count + 1):
        yx = np.argwhere(labels == label)
        radius = np.sqrt(len(yx) / np.pi) * SPACING_MM
        if START_RADIUS_MM[0] < radius < START_RADIUS_MM[1]:
            aside = float(np.linalg.norm((yx.mean(0) + part.first[1:]) * SPACING_MM))
            sections.append((aside, np.column_stack([np.full(len(yx), row), yx])))
    return [voxels for _, voxels in sorted(sections, key=lambda section: section[0])[:MOST_STARTS]]


def _triples(tree: Tree) -> list[Triple]:
    paths = [_before_leak(tree, tree.path(end)) for end in tree.ends()]
    paths = [path for path in paths if len(path) > 6][:MOST_ENDS]
    out = []
    for one, two in combinations(paths, 2):
        shared = _shared(one, two)
        if shared < 4:
            continue
        stem = one[:shared]
        first, second = _daughter(tree, one, two, paths, shared), _daughter(tree, two, one, paths, shared)
        common, a, b = _arm(tree, stem[::-1]), first, second
        fork = tree.centre[stem[-1]]
        if min(a.length[-1], b.length[-1]) < 5:
            continue
        if common.place(15.0)[2] > fork[2] - 3 or min(a.place(12.0)[2], b.place(12.0)[2]) < fork[2] + 1.5:
            continue
        radii = np.concatenate([a.at(*ABOVE_MM), b.at(*ABOVE_MM)])
        score = (
            min(common.length[-1], 15.0) / 15
            + min(a.length[-1], 12.0) / 12
            + min(b.length[-1], 12.0) / 12
            + 0.3 * (common.at(*BELOW_MM) > COMMON_MM[0]).mean()
            + 0.3 * np.minimum(radii / 2, 1).mean()
            - 0.03 * np.linalg.norm(fork)
        )
        rest = []
        for path in paths:
            if path is not one and path is not two:
                leave = max(_shared(path, one), _shared(path, two))
                rest.append((float(tree.time[path[leave - 1]] - tree.time[stem[-1]]), _arm(tree, path[leave - 1 :])))
        out.append(Triple(tree, common, (a, b) if a.at(8.0) > b.at(8.0) else (b, a), rest, float(score)))
    return out


def _daughter(tree: Tree, path: list[int], sister: list[int], paths: list[list[int]], shared: int) -> Arm:
    """The arm along `path` from where `sister` parts from it, continued through where the two touch again.

    What is left there of the two is one cross-section of both; beyond, they may part once more.
    """
    nodes, common = path[shared - 1 :], set()
    for one, other, mine in ((path, sister, True), (sister, path, False)):
        early, late = tree.joined.T
        meets = late[np.isin(early, one[-3:]) & np.isin(late, other[shared:])]
        if not len(meets):
            continue
        at = other.index(int(meets.min()))
        common = set(other[at:])
        if mine:
            ways = [way for way in paths if way is not other and way[: at + 1] == other[: at + 1]]
            parting = [_shared(way, other) for way in ways]
            way = ways[int(np.argmin(parting))] if ways else other
            common &= set(way)
            nodes = path[shared - 1 :] + way[at:]
        else:
            ways = [way for way in paths if way is not path and way[: at + 1] == path[: at + 1]]
            common &= set(path[: min([_shared(way, path) for way in ways], default=len(path))])
    arm = _arm(tree, nodes)
    arm.radius = np.where(np.isin(nodes, list(common)), arm.radius / np.sqrt(2), arm.radius)
    return arm


def _before_leak(tree: Tree, path: list[int]) -> list[int]:
    wide = np.nonzero(tree.radius[path[1:]] > WIDEST_MM)[0]
    return path[: wide[0] + 1] if len(wide) else path


def _shared(one: list[int], two: list[int]) -> int:
    """How many nodes two paths from the start have in common."""
    n = min(len(one), len(two))
    differ = np.nonzero(np.array(one[:n]) != np.array(two[:n]))[0]
    return int(differ[0]) if len(differ) else n


def _arm(tree: Tree, nodes: list[int]) -> Arm:
    return Arm(np.abs(tree.time[nodes] - tree.time[nodes[0]]), tree.centre[nodes], tree.radius[nodes], nodes)
