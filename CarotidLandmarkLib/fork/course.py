"""How far a vessel is followed: along its trunk, and no farther than its course and calibre go on evenly.

The branch of a tree that the wave runs in longest need not be the vessel: a side branch in the lumen's plane, or a vein
that touches, is longer. Where a branch begins the middle of the front jumps aside and its calibre falls; where the wave
gets into a vein the calibre rises; where two vessels touch the middle lies between them.
"""

from __future__ import annotations

import numpy as np

from .tree import TWIG_MM, Tree
from .triple import Arm

NEAR_MM = 8.0  # nearer to the fork the lumens are not yet apart, and a vessel is left as it is
NODES_BACK, CALIBRE_BACK, NODES_ON, TURN_AT = 9, 12, 6, 5  # nodes before and beyond a parting that are compared
ENDS = 2.0  # how much more unlike a twig is
BACK_MM, BEHIND, BEHIND_RADII = 9.0, 10, 8  # points that foretell where a vessel goes, and its calibre
AHEAD = 4  # points whose calibre has to bear that out
ASIDE_SHARE, ASIDE_MM = 1.0, 0.3  # a point lies no farther from where it was foretold: a share of the radius, and mm,
STEP_MM = 1.6  # or no farther from the point before, with a radius that is like those before
SIMILAR, WIDE_SHARE = (0.7, 1.35), 1.45  # shares of those radii: like them, and the most;
THIN_SHARE, THIN_ASIDE_SHARE = 0.62, 0.75  # thinner is a narrow place, but a branch where it is so far aside
WIDENS_MM = 1.4  # and wider is a vessel behind a narrow place, if it widens by no more than this over AHEAD points
OWNER = 1.3  # times nearer to where it was foretold goes the one of two vessels that the lumen they share is of
GAP_MM = 6.0  # places that are not of the vessel are passed over so far if it goes on behind them


def along_trunk(tree: Tree, arm: Arm) -> Arm:
    """The same vessel of `tree`, beyond NEAR_MM along the branch that is most like it in direction and calibre."""
    beyond = np.flatnonzero(arm.length >= NEAR_MM)
    if not len(beyond):
        return arm
    before = int(beyond[0]) + 1
    last = _last_nodes(tree)
    path = list(arm.nodes[:before])
    children = _children(tree, path[-1])
    while len(children):
        costs = [_unlike(tree, path, int(child), last) for child in children] if len(children) > 1 else [0.0]
        path.append(int(children[np.argmin(costs)]))
        children = _children(tree, path[-1])
    on = path[before:]
    return Arm(
        np.append(arm.length[:before], tree.time[on] - tree.time[path[0]]),
        np.concatenate([arm.centre[:before], tree.centre[on]]),
        np.append(arm.radius[:before], tree.radius[on]),
        path,
    )


def unshared(one: Arm, two: Arm) -> tuple[Arm, Arm]:
    """The same two vessels, but what both run in to their ends is of one of them, whose course foretells it; of neither
    where that of both does as well."""
    ends = []
    for arm, other in ((one, two), (two, one)):
        alone = np.flatnonzero(~np.isin(arm.nodes, other.nodes))
        ends.append(int(alone[-1]) + 1 if len(alone) else len(arm.nodes))
    if ends[0] == len(one.nodes) or ends[1] == len(two.nodes):
        return one, two
    away = [_turn(arm, end) for arm, end in zip((one, two), ends)]
    first, second = (
        arm if OWNER * own < its else _cut(arm, end) for arm, end, own, its in zip((one, two), ends, away, away[::-1])
    )
    return first, second


def trusted(arm: Arm, widest: float) -> Arm:
    """The vessel as far as it goes on evenly, without what lies within short gaps of that.

    widest: radius in mm up to which it may widen behind a narrow place.
    """
    kept = _even_part(arm, widest)
    if not len(kept):
        return arm
    lost = len(arm.length) - 1 - int(kept[-1])
    return Arm(arm.length[kept], arm.centre[kept], arm.radius[kept], arm.nodes[: len(arm.nodes) - lost])


def _even_part(arm: Arm, widest: float) -> np.ndarray:
    """Indices of the points of `arm` that its course and calibre up to there foretell."""
    kept = np.flatnonzero(arm.length < NEAR_MM).tolist()
    if len(kept) < AHEAD:
        return np.arange(len(arm.length))
    while kept[-1] + 1 < len(arm.length):
        after = _next_alike(arm, kept, widest)
        if after is None:
            break
        kept.append(after)
    return np.array(kept)


def _next_alike(arm: Arm, kept: list[int], widest: float) -> int | None:
    """The first point within GAP_MM behind those `kept` that is of the same vessel."""
    length, end = arm.length, kept[-1]
    behind = [k for k in kept if length[k] >= length[end] - BACK_MM][-BEHIND:]
    usual = float(np.median(arm.radius[behind[-BEHIND_RADII:]]))
    away = np.linalg.norm(arm.centre - _foretold(length[behind], arm.centre[behind], length), axis=1)
    near = away <= ASIDE_SHARE * usual + ASIDE_MM
    for here in range(end + 1, len(length)):
        if length[here] > length[end] + GAP_MM:
            break
        there = float(np.median(arm.radius[here : here + AHEAD]))
        share = there / usual
        similar = SIMILAR[0] < share < SIMILAR[1]
        if here > end + 1:
            goes_on = similar and near[here] and near[here + 2 : here + 3].any()
        else:
            close = bool(np.linalg.norm(arm.centre[here] - arm.centre[end]) < STEP_MM)
            widens = close and there < min(widest, float(np.median(arm.radius[kept[-AHEAD:]])) + WIDENS_MM)
            thin = share < THIN_SHARE and away[here] >= THIN_ASIDE_SHARE * usual
            goes_on = widens if share > WIDE_SHARE else (close and similar) or (near[here] and not thin)
        if goes_on:
            return here
    return None


def _turn(arm: Arm, end: int) -> float:
    """How far in mm the vessel, some points beyond its first `end`, lies from where these foretell it."""
    behind = np.flatnonzero(arm.length[:end] >= arm.length[end - 1] - BACK_MM)[-BEHIND:]
    at = arm.length[min(end + TURN_AT, len(arm.length) - 1)]
    there = _foretold(arm.length[behind], arm.centre[behind], np.array([at]))[0]
    return float(np.linalg.norm(arm.place(at) - there))


def _cut(arm: Arm, end: int) -> Arm:
    return Arm(arm.length[:end], arm.centre[:end], arm.radius[:end], arm.nodes[:end])


def _foretold(length: np.ndarray, centre: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Where the straight line through `centre` (n, 3) at `length` (n,) is at each of `at`: (m, 3)."""
    slope, start = np.polyfit(length, centre, 1)
    return at[:, None] * slope + start


def _children(tree: Tree, node: int) -> np.ndarray:
    return np.flatnonzero(tree.parent == node)


def _last_nodes(tree: Tree) -> np.ndarray:
    """(n,) for every node the farthest one that the wave reached through it."""
    last = np.arange(len(tree.time))
    for node in range(len(last) - 1, 0, -1):
        before = tree.parent[node]
        if before >= 0 and tree.time[last[node]] > tree.time[last[before]]:
            last[before] = last[node]
    return last


def _unlike(tree: Tree, path: list[int], child: int, last: np.ndarray) -> float:
    """How unlike a vessel along `path` goes on in `child`: its bend, and the change of its radius."""
    on = tree.path(int(last[child]))
    on = on[on.index(child) :][:NODES_ON]
    before = tree.centre[path[-NODES_BACK:-1]]
    way, to = before[-1] - before[0], tree.centre[on[:TURN_AT][-1]] - before[-1]
    bend = 1 - way @ to / max(float(np.linalg.norm(way) * np.linalg.norm(to)), 1e-6)
    behind = path[-CALIBRE_BACK:-2] or path[:1]
    change = abs(np.log(np.median(tree.radius[on]) / np.median(tree.radius[behind])))
    return float(change + bend + ENDS * (tree.time[last[child]] - tree.time[child] < TWIG_MM))
