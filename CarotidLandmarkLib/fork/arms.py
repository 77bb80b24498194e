"""Which three branches of a lumen are a common carotid and its two daughters."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy import ndimage

from .box import SPACING_MM
from .tree import Part, Tree, grow
from .triple import ABOVE_MM, BELOW_MM, COMMON_MM, Arm, Triple

WIDEST_MM = 7.6  # radius of a cross-section that is no artery's: the wave has leaked, and is not followed
BRANCH_SHARE = 0.5  # of a vessel's radius: a branch into which a path turns off is thinner
FAR_MM, SAME_MM = 45.0, 3.0  # vessels are followed so far, if the fork is found again so near
START_MM, LEAST_BELOW_MM, REACH_MM = 22.0, 8.0, 54.0  # where waves start below the point, and how far they run
START_RADIUS_MM, MOST_STARTS, MOST_ENDS = (1.2, 6.8), 2, 14


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
    triple.below = triple.fork_below()
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
    found.below = found.fork_below()
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


def find_meeting(tree: Tree, one: list[int], other: list[int], shared: int) -> tuple[int, int | None]:
    """How many nodes of a path there are where its vessel ends in another's, and the node of that; None if it does not.

    The path may end there or go on in a branch, which is much thinner.
    """
    early, late = tree.joined.T
    joins = np.isin(late, other[shared:]) & np.isin(early, one[shared:])
    for node in np.unique(early[joins])[::-1]:
        last = one.index(int(node)) + 1
        behind, before = tree.radius[one[last : last + 4]], tree.radius[one[max(last - 6, shared) : last]]
        if last > len(one) - 3 or np.median(behind) < BRANCH_SHARE * np.median(before):
            return last, int(late[joins & (early == node)].min())
    return len(one), None


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
        last, meets = find_meeting(tree, one, other, shared)
        if meets is None:
            continue
        at = other.index(meets)
        common = set(other[at:])
        if mine:
            ways = [way for way in paths if way is not other and way[: at + 1] == other[: at + 1]]
            parting = [_shared(way, other) for way in ways]
            way = ways[int(np.argmin(parting))] if ways else other
            common &= set(way)
            nodes = path[shared - 1 : last] + way[at:]
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
