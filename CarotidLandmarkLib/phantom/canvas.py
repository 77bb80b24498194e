"""Painting implicit shapes into a grid of HU, with partial volume: a layer covers a voxel by its signed distance."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..volume.geometry import Grid
from .shapes import Column, Ellipsoid, Field, Shape, Space, Tube

Box = tuple[slice, slice, slice]
SEGMENTS_AT_ONCE = 6
PRODUCTS_AT_ONCE = 100_000  # segments times voxels up to which a tube is painted in one piece
WAVE_STEP_MM = 6.0
AIR_HU, FAT_HU = -700.0, -150.0


class Canvas:
    """HU (D, H, W) on ``grid``; each ``paint`` covers what was there before in proportion to the voxel's coverage.

    ``psf_mm`` is the scanner's blur, added in quadrature to the voxel's own extent, of which ``filled`` is the share
    along each index axis that it averages: 1, or less where voxels were left out of a finer scan.
    """

    def __init__(self, grid: Grid, space: Space, psf_mm: float, device: str = "cpu", filled: object = 1.0) -> None:
        self.grid, self.space, self.device = grid, space, torch.device(device)
        inverse = space.rotation.T
        self.steps = inverse @ grid.affine[:3, :3]
        self.cell = self.steps * np.asarray(filled, float)
        self.to_index = np.linalg.inv(self.steps)
        self.start = inverse @ (grid.affine[:3, 3] - space.origin)
        self.psf = psf_mm
        self.hu = torch.full(grid.shape, -1000.0, device=self.device)
        middle, half = self.steps[2] @ (np.array(grid.size) - 1) / 2, np.abs(self.steps[2]) @ np.array(grid.size) / 2
        self.heights = (self.start[2] + middle - half, self.start[2] + middle + half)
        everything: Box = tuple(slice(0, n) for n in grid.shape)  # type: ignore[assignment]
        shift = self._waves()
        self.warped = [c.add_(d) for c, d in zip(self.plain(everything), shift)]
        self.edge = float(np.sqrt((self.cell**2).sum() + psf_mm**2))
        most = float(shift.abs().max())
        self.margin = self.edge + most
        self.heights = (self.heights[0] - most, self.heights[1] + most)
        self.upright: list[Tensor] | None = None

    def plain(self, box: Box) -> list[Tensor]:
        """Body coordinates x, y, z of a box's voxels, each (d, h, w)."""
        return self._body(*(torch.arange(s.start, s.stop, device=self.device, dtype=torch.float32) for s in box))

    def _body(self, k: Tensor, j: Tensor, i: Tensor) -> list[Tensor]:
        s, o = self.steps, self.start
        return [
            (float(s[a, 2]) * k + float(o[a]))[:, None, None] + (float(s[a, 1]) * j)[:, None] + float(s[a, 0]) * i
            for a in range(3)
        ]

    def _waves(self) -> Tensor:
        """Displacement of soft tissue (3, D, H, W) in mm: computed every ``WAVE_STEP_MM`` and interpolated."""
        shape = self.grid.shape
        count = [int(np.ceil(n * float(s) / WAVE_STEP_MM)) + 1 for n, s in zip(shape, self.grid.spacing[::-1])]
        nodes = (torch.linspace(0, n - 1, c, device=self.device) for n, c in zip(shape, count))
        x, y, z = self._body(*nodes)
        shift = torch.zeros(3, *x.shape, device=self.device)
        for wave in self.space.waves.tolist():
            s = torch.sin(wave[0] * x + wave[1] * y + wave[2] * z + wave[6])
            for axis in range(3):
                shift[axis] += wave[3 + axis] * s
        return torch.nn.functional.interpolate(shift[None], size=shape, mode="trilinear", align_corners=True)[0]

    def canal_coordinates(self) -> list[Tensor]:
        """Deformed coordinates relative to the canal, made once."""
        if self.upright is None:
            x, y, z = self.warped
            t = z.clamp(*self.space.curve_range) / 100
            bend = [torch.zeros_like(t), torch.zeros_like(t)]
            for axis in range(2):
                for coefficient in reversed(self.space.curve[axis].tolist()):
                    bend[axis] = bend[axis] * t + coefficient
            self.upright = [x - bend[0], y - bend[1], z]
        return self.upright

    def box(self, low: np.ndarray, high: np.ndarray) -> Box | None:
        """The index box that covers a box of body mm, or None when it misses the grid."""
        middle = self.to_index @ ((low + high) / 2 - self.start)
        half = np.abs(self.to_index) @ ((high - low) / 2)
        first = np.maximum(np.floor(middle - half), 0).astype(int)
        last = np.minimum(np.ceil(middle + half) + 1, self.grid.size).astype(int)
        if (first >= last).any():
            return None
        return tuple(slice(int(a), int(b)) for a, b in zip(first[::-1], last[::-1]))  # type: ignore[return-value]

    def width(self, normal: np.ndarray) -> float:
        """Extent in mm of the voxel and the blur along a unit ``normal``."""
        return float(np.sqrt(((self.cell.T @ normal) ** 2).sum() + self.psf**2))

    def blend(self, box: Box, cover: Tensor, hu: float) -> None:
        target = self.hu[box]
        target += cover * (hu - target)

    def paint(self, shape: Shape) -> None:
        """Lay one shape over what is there."""
        if isinstance(shape, Tube):
            self._tube(shape)
        elif isinstance(shape, Ellipsoid):
            self._ellipsoid(shape)
        elif isinstance(shape, Column):
            self._column(shape)
        else:
            self._field(shape)

    def _tube(self, tube: Tube) -> None:
        stretch = np.ones(3) if tube.stretch is None else tube.stretch
        reach = tube.radii.max() / stretch + (self.margin if tube.soft else self.edge)
        whole = self.box(tube.points.min(0) - reach, tube.points.max(0) + reach)
        if whole is None:
            return
        layers = ((0.0, tube.hu), *tube.inner)
        covers = torch.zeros([len(layers), *(s.stop - s.start for s in whole)], device=self.device)
        segments = len(tube.points) - 1
        together = segments if segments * covers[0].numel() <= PRODUCTS_AT_ONCE else SEGMENTS_AT_ONCE
        for first in range(0, segments, together):
            points = tube.points[first : first + together + 1]
            radii = tube.radii[first : first + together + 1]
            box = self.box(points.min(0) - reach, points.max(0) + reach)
            if box is None:
                continue
            at = [c[box] for c in self.warped] if tube.soft else self.plain(box)
            at = [c * float(s) for c, s in zip(at, stretch)]
            distance = _chain_distance(at, points * stretch, radii)
            axis = points[-1] - points[0]
            axis = axis / max(np.linalg.norm(axis), 1e-6)
            across = ((self.cell**2).sum() - ((self.cell.T @ axis) ** 2).sum()) / 2
            width = float(np.sqrt(across + self.psf**2)) * float(np.exp(np.log(stretch).mean()))
            inner = tuple(slice(b.start - w.start, b.stop - w.start) for b, w in zip(box, whole))
            for cover, (depth, _) in zip(covers, layers):
                here = (0.5 - (distance + depth) / width).clamp_(0, 1)
                here *= _thin(float(radii.mean()) - depth, width)
                torch.maximum(cover[inner], here, out=cover[inner])
        if tube.within:
            covers *= ((self.hu[whole] - AIR_HU) / (FAT_HU - AIR_HU)).clamp_(0, 1)
        for cover, (_, hu) in zip(covers, layers):
            self.blend(whole, cover, hu)

    def _ellipsoid(self, shape: Ellipsoid) -> None:
        reach = np.abs(shape.axes * shape.radii).sum(1) + self.margin
        box = self.box(shape.center - reach, shape.center + reach)
        if box is None:
            return
        rel = [c[box] - float(o) for c, o in zip(self.warped, shape.center)]
        first = torch.zeros_like(rel[0])
        second = torch.zeros_like(rel[0])
        for axis in range(3):
            u = sum(r * float(a) for r, a in zip(rel, shape.axes[:, axis])) / float(shape.radii[axis])
            first += u * u
            second += (u / float(shape.radii[axis])) ** 2
        k0 = first.sqrt_()
        distance = k0 * (k0 - 1) / second.sqrt_().clamp_(min=1e-4)
        width = np.sqrt((self.cell**2).sum() / 3 + self.psf**2)
        self.blend(box, (0.5 - distance / float(width)).clamp_(0, 1), shape.hu)

    def _column(self, shape: Column) -> None:
        low, high = shape.profile[0, 0], shape.profile[-1, 0]
        bottom, top = max(low, self.heights[0]), min(high, self.heights[1])
        if bottom >= top:
            return
        table = np.arange(low, high + 0.5, 0.5)
        rows = np.stack([np.interp(table, shape.profile[:, 0], shape.profile[:, c]) for c in range(1, 5)])
        half = (np.abs(rows[:2]) + rows[2:])[:, (table >= bottom - 1) & (table <= top + 1)].max(1)
        centre = self.space.canal(np.linspace(bottom, top, 9))
        reach = half + self.margin
        box = self.box(
            np.array([*(centre.min(0) - reach), bottom - self.margin]),
            np.array([*(centre.max(0) + reach), top + self.margin]),
        )
        if box is None:
            return
        x, y, z = (c[box] for c in self.canal_coordinates())
        index = ((z - low) * 2).round_().long().clamp_(0, len(table) - 1)
        cx, cy, rx, ry = torch.tensor(rows, dtype=torch.float32, device=self.device)
        radius = ((x - cx[index]) / rx[index]) ** 2
        radius += ((y - cy[index]) / ry[index]) ** 2
        distance = (radius.sqrt_() - 1) * torch.minimum(rx, ry)[index]
        height = self.width(np.array([0.0, 0.0, 1.0]))
        upright = (0.5 + torch.minimum(z - low, high - z) / height).clamp_(0, 1)
        if shape.period:
            phase = torch.remainder(z - shape.phase, shape.period)
            inside = torch.minimum(phase - shape.gap, shape.period - phase)
            upright *= (0.5 + inside / height).clamp_(0, 1)
        width = self.width(np.array([0.5**0.5, 0.5**0.5, 0.0]))
        for depth, hu in ((0.0, shape.hu), *shape.inner):
            self.blend(box, (0.5 - (distance + depth) / width).clamp_(0, 1) * upright, hu)

    def _field(self, shape: Field) -> None:
        box = self.box(*shape.grid.bounds())
        if box is None:
            return
        inverse = np.linalg.inv(shape.grid.affine)
        at = self.plain(box)
        unit: list[Tensor] = [
            (at[0] * row[0] + at[1] * row[1] + at[2] * row[2] + row[3]) * (2 / (n - 1)) - 1
            for row, n in zip(inverse.tolist(), shape.grid.size)
        ]
        distance = torch.nn.functional.grid_sample(
            shape.distance[None, None].to(self.device), torch.stack(unit, -1)[None], "bilinear", "border", True
        )[0, 0]
        width = self.width(np.full(3, 3**-0.5))
        for depth, hu in ((0.0, shape.hu), *shape.inner):
            self.blend(box, (0.5 - (distance + shape.inset + depth) / width).clamp_(0, 1), hu)


def _chain_distance(at: list[Tensor], points: np.ndarray, radii: np.ndarray) -> Tensor:
    """Signed distance (d, h, w) of coordinates ``at`` from a chain of cones, all segments in one matrix product."""
    middle = points.mean(0)
    x, y, z = (c - float(o) for c, o in zip(at, middle))
    lifted = torch.stack([x, y, z, x * x + y * y + z * z, torch.ones_like(x)]).reshape(5, -1)
    a = points[:-1] - middle
    ab = np.diff(points, axis=0)
    square = np.maximum((ab * ab).sum(1), 1e-9)
    ones, zeros = np.ones(len(a)), np.zeros(len(a))
    rows = np.concatenate(
        [
            np.column_stack([ab, zeros, -(a * ab).sum(1)]),
            np.column_stack([-2 * a, ones, (a * a).sum(1)]),
        ]
    )
    products = torch.tensor(rows, dtype=torch.float32, device=x.device) @ lifted
    along, away = products[: len(a)], products[len(a) :]
    length = torch.tensor(square, dtype=torch.float32, device=x.device)[:, None]
    t = (along / length).clamp_(0, 1)
    away -= t * (2 * along - t * length)
    grow = torch.tensor(np.diff(radii), dtype=torch.float32, device=x.device)[:, None]
    start = torch.tensor(radii[:-1], dtype=torch.float32, device=x.device)[:, None]
    distance = away.clamp_(min=0).sqrt_() - start - t * grow
    return distance.amin(0).reshape(x.shape)


def _thin(radius: float, width: float) -> float:
    """A tube thinner than a voxel fills it by area, not by the linear ramp of its surface."""
    radius = max(radius, 0.0)
    return min(1.0, np.pi * (radius / width) ** 2 / (0.5 + radius / width))
