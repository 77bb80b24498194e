"""The branches of a lumen, from a wave that runs through it.

A wave runs through a mask at even speed (fast marching: Sethian, PNAS 1996; in vessels: Deschamps and Cohen, Medical
Image Analysis 2001). Each connected part of its front is the cross-section of one branch; where the front parts, the
vessel does (Zahlten et al., Visualization in Scientific Computing 1995; Quek and Kirbas, IEEE TMI 2001).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from .box import SPACING_MM

BAND_MM = 1.0
NEAR_MM = 6.0  # the lumen must come this near to the point
LEAST_AXIS_MM = 0.15  # SD of a cross-section of one voxel
TWIG_MM = 4.0  # a branch shorter than this is a bulge of the wall
EVERY = np.ones((3, 3, 3), dtype=bool)


class Part(NamedTuple):
    """The part of a mask beside the middle of the box. mask: (z, y, x), a box around it. first: (3,) index (z, y, x) of
    its first voxel, from the middle. rim_mm: how much its mask lacks of the radii."""

    mask: np.ndarray
    first: np.ndarray
    rim_mm: float = 0.0


@dataclass
class Tree:
    """Cross-sections of a lumen, one a node, the earliest first; node 0 is the start.

    time: (n,) mm that the wave has run. centre: (n, 3) (x, y, z) mm from the middle of the box. radius: (n,) mm of a
    disc of the same area. oval: (n,) how much longer it is than wide. parent: (n,) the node before; of node 0 it is -1.
    joined: (m, 2) nodes and the later one that each touches though it is not its parent: where fronts meet again.
    nodes: (z, y, x) int, the node of each voxel of the part, -1 where the wave has not been; first: (3,) as the part
    has it.
    """

    time: np.ndarray
    centre: np.ndarray
    radius: np.ndarray
    oval: np.ndarray
    parent: np.ndarray
    joined: np.ndarray
    nodes: np.ndarray
    first: np.ndarray

    def ends(self) -> list[int]:
        """The last nodes of all branches that are longer than a twig, farthest first."""
        reach = self.time.copy()
        last = np.arange(len(reach))
        for node in range(len(reach) - 1, 0, -1):
            up = self.parent[node]
            if reach[node] > reach[up]:
                reach[up], last[up] = reach[node], last[node]
        out = {int(last[0])}
        for node in range(1, len(reach)):
            up = self.parent[node]
            if last[node] != last[up] and reach[node] - self.time[up] > max(TWIG_MM, 1.2 * min(self.radius[up], 3.5)):
                out.add(int(last[node]))
        return sorted(out, key=lambda end: -self.time[end])

    def path(self, node: int) -> list[int]:
        """The nodes from the start to `node`."""
        out = [node]
        while self.parent[out[-1]] >= 0:
            out.append(int(self.parent[out[-1]]))
        return out[::-1]


def part_at_middle(mask: np.ndarray, rim_mm: float = 0.0) -> Part | None:
    """The connected part of `mask` (z, y, x) with most voxels within NEAR_MM of the middle; None if none has any.

    rim_mm: how much the mask lacks of the radii.
    """
    middle = np.array(mask.shape) // 2
    n = round(NEAR_MM / SPACING_MM)
    labels, count = ndimage.label(mask)
    near = labels[tuple(slice(m - n, m + n + 1) for m in middle)]
    ball = ((np.indices(near.shape) - n) ** 2).sum(0) <= n**2
    sizes = np.bincount(near[ball & (near > 0)], minlength=count + 1)
    if not sizes.any():
        return None
    label = int(sizes.argmax())
    where = ndimage.find_objects(labels, label)[label - 1]
    first = np.array([along.start for along in where]) - middle
    return Part(labels[where] == label, first, rim_mm)


def grow(part: Part, start: np.ndarray, reach_mm: float) -> Tree:
    """The tree of a wave through `part` from the voxels `start` (n, 3) on, as far as `reach_mm` along the lumen."""
    import SimpleITK as sitk

    march = sitk.FastMarchingImageFilter()
    march.SetTrialPoints(start[:, ::-1].tolist())
    march.SetStoppingValue(reach_mm)
    speed = sitk.GetImageFromArray(part.mask.astype(np.float32))
    speed.SetSpacing([SPACING_MM] * 3)
    time = sitk.GetArrayFromImage(march.Execute(speed))
    reached = part.mask & (time < reach_mm)
    band = np.where(reached, time / BAND_MM, -1.0).astype(np.int32)
    band[tuple(start.T)] = 0
    ids = np.where(band == 0, 0, -1).astype(np.int32)
    count = 1
    for turn in range(3):  # a voxel's neighbours lie in its band or in the two beside it
        labels, parts = ndimage.label((band > 0) & (band % 3 == turn), EVERY)
        ids[labels > 0] = labels[labels > 0] + count - 1
        count += parts
    flat = ids[reached]
    level = np.zeros(count, np.int32)
    level[flat] = band[reached]
    order = np.argsort(level, kind="stable")
    rank = np.empty(count, np.int32)
    rank[order] = np.arange(count)
    nodes = np.where(reached, rank[ids], -1)
    flat = nodes[reached]
    number = np.bincount(flat, minlength=count)
    at = (np.argwhere(reached) + part.first) * SPACING_MM
    centre = np.stack([np.bincount(flat, at[:, axis], count) / number for axis in (2, 1, 0)], 1)
    away = at[:, ::-1] - centre[flat]
    spread = np.empty((count, 3, 3))
    for i, j in product(range(3), repeat=2):
        spread[:, i, j] = np.bincount(flat, away[:, i] * away[:, j], count) / number
    axes = np.sqrt(np.maximum(np.linalg.eigvalsh(spread), LEAST_AXIS_MM**2))
    return Tree(
        np.bincount(flat, time[reached], count) / number,
        centre,
        np.sqrt(number * SPACING_MM**3 / BAND_MM / np.pi) + part.rim_mm,
        axes[:, 2] / axes[:, 1],
        *_links(nodes, level[order], count),
        nodes,
        part.first,
    )


def _links(nodes: np.ndarray, level: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(n,) for every node the one of an earlier band with which it shares most faces, and (m, 2) the other pairs."""
    pairs = []
    for axis in range(3):
        along = np.moveaxis(nodes, axis, 0)
        one, two = along[:-1].ravel(), along[1:].ravel()
        differ = (one >= 0) & (two >= 0) & (one != two)
        pairs.append(np.stack([one[differ], two[differ]]))
    both = np.sort(np.concatenate(pairs, 1).astype(np.int64), axis=0)  # nodes are sorted by band
    both = both[:, level[both[0]] < level[both[1]]]
    keys, votes = np.unique(both[1] * count + both[0], return_counts=True)
    parent = np.full(count, -1)
    for key in keys[np.argsort(votes, kind="stable")]:
        parent[key // count] = key % count
    early, late = keys % count, keys // count
    return parent, np.stack([early, late], 1)[parent[late] != early]
