"""How a phantom is scanned: field of view, voxels, blur, noise, streaks, and how the axes lie in the file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..volume.geometry import Grid
from . import priors
from .phantom import Phantom
from .streams import Streams

SLAB = (45.0, 130.0)  # height of a slab, mm
# Kind of scan: share, lower and upper end in body mm (mean, SD).
KINDS: dict[str, tuple[float, tuple[float, float], tuple[float, float]]] = {
    "neck": (0.52, (-95, 14), (82, 18)),
    "long": (0.18, (-160, 14), (165, 25)),
    "slab": (0.20, (-80, 38), SLAB),
    "chest": (0.05, (-185, 8), (-84, 10)),
    "head": (0.05, (58, 10), (190, 10)),
}
OUTSIDE_HU = -1024.0
# What scanners and converters write outside of the reconstructed disc, with weights.
PADDING_HU = ((-1024.0, 6), (-1000.0, 2), (-2000.0, 3), (-2048.0, 2), (-3024.0, 3), (0.0, 2))
WIDE, THICK, SHARP, MARBLED = 0.1, 0.15, 0.25, 0.5
# Scans at coarse voxels (in-plane, slice; mm), with voxels left out of a finer one, in 8 bits, tilted, with motion.
COARSE, COARSE_MM = 0.07, ((0.9, 2.0), (1.5, 3.0))
DECIMATED, FINE_MM = 0.1, 0.5
EIGHT_BIT, WINDOWS_HU = 0.04, ((-1024.0, 3071.0), (-1000, 1000), (-200, 600), (-160, 840))
TILTED, TILT_DEG = 0.03, (4.0, 20.0)
MOVED, MOTION_MM = 0.08, (1.0, 4.0)
TISSUE_MM = 7.0
PLANE_WIDTH = 0.16
SHARP_BELOW_MM = 1.5


@dataclass
class Scan:
    """grid: the native voxels, LPS-aligned. circle: radius in mm of the reconstructed disc, None = the whole square.

    noise_sd: HU in a native voxel at the neck. grain_mm: Gaussian SD of the noise's texture in the axial plane.
    padding: HU beyond the circle. sharpening: overshoot of a sharp kernel, 0 = none. texture: HU of uneven tissue.
    marbling: share of the way to fat that planes between tissues go. filled: share of a native voxel's extent (x, y, z)
    that it averages. window: HU of the lowest and the highest of 256 levels, or None. tilt: how far the field of view
    shifts to the back a mm upwards, as a reader lays a tilted gantry's slices. motion: (lowest z mm, highest, shift mm
    along x and y) of the slices that show the neck twice, half the shift to either side, or None.
    """

    kind: str
    grid: Grid
    psf_mm: float
    noise_sd: float
    grain_mm: float
    circle: float | None
    streaks: float
    texture: float
    padding: float = OUTSIDE_HU
    sharpening: float = 0.0
    marbling: float = 0.0
    filled: tuple[float, float, float] = (1.0, 1.0, 1.0)
    window: tuple[float, float] | None = None
    tilt: float = 0.0
    motion: tuple[float, float, float, float] | None = None

    @staticmethod
    def draw(phantom: Phantom, kind: str | None = None, spacing: tuple[float, float] | None = None) -> Scan:
        """The scan that belongs to this phantom; ``kind`` or the voxel (in-plane, slice) mm can be forced."""
        streams = Streams(phantom.seed, phantom.split)
        rng = streams("scan extent")
        names = list(KINDS)
        drawn = str(rng.choice(names, p=[KINDS[k][0] for k in names]))
        kind = kind or drawn
        low = rng.normal(*KINDS[kind][1])
        high = low + rng.uniform(*SLAB) if kind == "slab" else rng.normal(*KINDS[kind][2])
        rng = streams("scan field of view")
        field = priors.WIDE_FIELD
        wide = rng.random() < WIDE and kind != "long"
        width = rng.uniform(150, 250) if kind != "chest" else rng.uniform(220, 320)
        if wide:
            width = rng.uniform(field["low"], field["high"])
        aside = rng.normal(0, 6, 2)
        if rng.random() < 0.06:
            aside[0] += rng.choice([-1, 1]) * rng.uniform(30, 60)
        circle = width / 2 if rng.random() < 0.35 else None
        padding = priors.choose(rng, PADDING_HU)
        rng = streams("scan voxels")
        s = priors.IN_PLANE_SPACING
        fine = width / field["matrix"] if wide else float(np.clip(rng.normal(s["mean"], 0.09), s["low"], s["high"]))
        steps = priors.THICK_SPACINGS if rng.random() < THICK else priors.SLICE_SPACINGS
        native = fine, priors.choose(rng, steps)
        if rng.random() < COARSE and not wide:
            native = float(rng.uniform(*COARSE_MM[0])), float(rng.uniform(*COARSE_MM[1]))
        pixel, thick = spacing or native
        filled = (1.0, 1.0, 1.0)
        if rng.random() < DECIMATED:
            filled = (min(1.0, FINE_MM / pixel),) * 2 + (min(1.0, FINE_MM / thick),)
        center = phantom.space.to_world(np.array([aside[0], -22 + aside[1], (low + high) / 2]))
        rng = streams("scan tilt")
        tilt = float(np.tan(np.radians(rng.uniform(*TILT_DEG)))) if rng.random() < TILTED else 0.0
        tilt *= rng.choice([-1, 1])
        n, m = int(round(width / pixel)), max(4, int(round((high - low) / thick)))
        rows = n + int(round(abs(tilt) * m * thick / pixel))
        rng = streams("scan motion")
        motion = None
        if rng.random() < MOVED:
            first, way = rng.uniform(-60, 40) + phantom.space.origin[2], rng.uniform(0, 2 * np.pi)
            shift = rng.uniform(*MOTION_MM)
            motion = float(first), float(first + rng.uniform(6, 30)), *(shift * np.array([np.cos(way), np.sin(way)]))
        rng = streams("scan levels")
        window = WINDOWS_HU[rng.integers(len(WINDOWS_HU))] if rng.random() < EIGHT_BIT else None
        rng = streams("scan noise")
        share, low_noise, high_noise = priors.BAD_NOISE
        noise = priors.NOISE_HU if rng.random() > share else (low_noise, high_noise)
        kernel, tissue = streams("scan kernel"), streams("scan tissue")
        return Scan(
            kind,
            Grid.axis_aligned(center, (n, rows, m), (pixel, pixel, thick)),
            psf_mm=float(kernel.uniform(0.35, 1.3)),
            noise_sd=float(np.exp(rng.uniform(*np.log(noise)))),
            grain_mm=float(rng.uniform(0.2, 0.7)),
            circle=circle,
            streaks=float(rng.gamma(1.5, 12)),
            texture=float(tissue.uniform(0, 14)),
            padding=padding,
            sharpening=float(kernel.uniform(0.3, 1.2)) if kernel.random() < SHARP else 0.0,
            marbling=float(tissue.uniform(0.1, 0.7)) if tissue.random() < MARBLED and phantom.make != "plain" else 0.0,
            filled=filled,
            window=window,
            tilt=tilt,
            motion=motion,
        )

    def covers(self, points: np.ndarray | None, margin_mm: float = 0.0) -> np.ndarray:
        """Whether LPS points (..., 3) are in the field of view by ``margin_mm`` or more; None does not."""
        if points is None:
            return np.array(False)
        lean = self.tilt * (points[..., 2] - self.grid.center[2])
        upright = points - np.stack([0 * lean, lean, 0 * lean], -1)
        inside = self.grid.distance_inside(upright) >= margin_mm
        if self.tilt:
            inside = inside & (np.abs(upright[..., 1] - self.grid.center[1]) <= self._half_depth() - margin_mm)
        if self.circle is not None:
            inside = inside & (
                np.linalg.norm((upright - self.grid.center)[..., :2], axis=-1) <= self.circle - margin_mm
            )
        return inside

    def _half_depth(self) -> float:
        """Half of the field of view from front to back at one height."""
        extent = self.grid.extent_mm
        return float(extent[1] - abs(self.tilt) * extent[2]) / 2

    def acquire(self, phantom: Phantom, grid: Grid, generator: torch.Generator, device: str = "cpu") -> Tensor:
        """HU (D, H, W) that this scan gives on an LPS-aligned ``grid``, which may be coarser than the native voxels."""
        native = grid.spacing < 1.01 * self.grid.spacing
        hu = phantom.render(grid, self.psf_mm, device, np.where(native, self.filled, 1.0))
        self._move(grid, hu)
        if self.sharpening and grid.spacing[0] < SHARP_BELOW_MM:
            hu += self.sharpening * (hu - _blur(hu, float(1.0 / grid.spacing[0])))
        soft = ((hu > -300) & (hu < 90)).float()
        uneven = self._unevenness(phantom, grid, device)
        if self.marbling:
            planes = soft * self.marbling * torch.exp(-((uneven / PLANE_WIDTH) ** 2))
            hu += planes * (priors.FAT_HU - hu).clamp_(max=0)
        hu += soft * self.texture * uneven
        hu += self._noise(phantom, grid, generator, device)
        if len(phantom.metal):
            self._metal(phantom, grid, hu, generator)
        hu.clamp_(-1024, 3071)
        if self.window:
            low, high = self.window
            step = (high - low) / 255
            hu = low + step * ((hu.clamp_(low, high) - low) / step).round_()
        return self._outside(grid, hu)

    def _move(self, grid: Grid, hu: Tensor) -> None:
        """In the slices of ``motion`` the mean of two positions; what is at rest in the mean stays where it is."""
        if self.motion is None:
            return
        low, high, dx, dy = self.motion
        z = _axis(grid, 2)
        rows = torch.nonzero((z >= low) & (z <= high))[:, 0]
        shift = [round(0.5 * d / float(step)) for d, step in zip((dy, dx), grid.spacing[[1, 0]])]
        if len(rows) and any(shift):
            part = hu[int(rows[0]) : int(rows[-1]) + 1]
            part.copy_(0.5 * (part.roll(shift, (1, 2)) + part.roll([-n for n in shift], (1, 2))))

    def _unevenness(self, phantom: Phantom, grid: Grid, device: str) -> Tensor:
        """Unit noise with blobs of about ``TISSUE_MM``, fixed to the body: the same from every grid."""
        size = np.maximum(np.ceil(self.grid.extent_mm / TISSUE_MM).astype(int), 2)
        generator = Streams(phantom.seed, phantom.split).torch("scan texture")
        field = torch.randn(1, 1, *size[::-1].tolist(), generator=generator).to(device)
        return resample(field, self.grid, grid)

    def _noise(self, phantom: Phantom, grid: Grid, generator: torch.Generator, device: str) -> Tensor:
        """Correlated noise, less of it in larger voxels and more at the shoulders, where it streaks sideways."""
        white = torch.randn(grid.shape, generator=generator).to(device)
        step = grid.spacing[0]
        noise = _blur(white, float(self.grain_mm / step))
        noise /= noise.std().clamp_(min=1e-6)
        averaged = np.hypot(self.grid.spacing[0], 2.5 * self.grain_mm) / np.hypot(step, 2.5 * self.grain_mm)
        slices = np.sqrt(min(1.0, self.grid.spacing[2] / grid.spacing[2]))
        z = _axis(grid, 2) - float(phantom.space.to_world(np.zeros(3))[2])
        shoulders = torch.sigmoid((-72 - z) / 9).to(device)[:, None, None]
        noise *= self.noise_sd * float(averaged * slices) * (1 + 2 * shoulders)
        lines = torch.randn(grid.shape[:2], generator=generator).to(device)
        lines = _blur(lines[None], 2.0 / step)[0] if step < 4 else lines
        lines = lines / lines.std().clamp_(min=1e-6)
        return noise + self.streaks * float(slices) * shoulders * lines[:, :, None]

    def _metal(self, phantom: Phantom, grid: Grid, hu: Tensor, generator: torch.Generator) -> None:
        """Dark and bright rays from dental metal, in its slices."""
        rays = torch.rand(len(phantom.metal), 3, generator=generator)
        x, y, z = (_axis(grid, a).to(hu.device) for a in range(3))
        for at, (strength, phase, many) in zip(phantom.space.to_world(phantom.metal).tolist(), rays.tolist()):
            near = torch.exp(-(((z - at[2]) / 3) ** 2))
            rows = torch.nonzero(near > 0.05)[:, 0]
            if not len(rows):
                continue
            dx, dy = x[None] - at[0], y[:, None] - at[1]
            wave = torch.sin(torch.atan2(dy, dx) * (5 + round(12 * many)) + 6.28 * phase)
            ray = (100 + 500 * strength) * wave.sign() * wave**2 / (1 + torch.hypot(dx, dy) / 12)
            part = slice(int(rows[0]), int(rows[-1]) + 1)
            hu[part] += near[part, None, None] * ray * (hu[part] > -900)

    def _outside(self, grid: Grid, hu: Tensor) -> Tensor:
        """Voxels beyond the scan's field of view hold no data."""
        lower, upper = self.grid.bounds()
        axes = [_axis(grid, a).to(hu.device) for a in range(3)]
        x, y, z = ((c >= low) & (c <= high) for c, low, high in zip(axes, lower.tolist(), upper.tolist()))
        within = z[:, None, None] & (y[:, None] & x)
        middle = self.grid.center.tolist()
        lean = self.tilt * (axes[2][:, None, None] - middle[2])
        if self.tilt:
            seen = (axes[1][:, None] - middle[1] - lean).abs() <= self._half_depth()
            hu = torch.where(seen, hu, torch.full_like(hu, self.padding))
        if self.circle is not None:
            disc = torch.hypot(axes[0] - middle[0], axes[1][:, None] - middle[1] - lean) <= self.circle
            hu = torch.where(disc, hu, torch.full_like(hu, self.padding))
        return torch.where(within, hu, torch.full_like(hu, OUTSIDE_HU))


def resample(image: Tensor, covered: Grid, grid: Grid) -> Tensor:
    """Values (D, H, W) on ``grid`` of an image (1, 1, d, h, w) that fills the box of ``covered``; both LPS-aligned."""
    scale = np.array(grid.size) * grid.spacing / covered.extent_mm
    offset = 2 * (grid.center - covered.center) / covered.extent_mm
    theta = torch.tensor(np.column_stack([np.diag(scale), offset]), dtype=torch.float32, device=image.device)[None]
    at = F.affine_grid(theta, [1, 1, *grid.shape], align_corners=False)
    return F.grid_sample(image, at, padding_mode="border", align_corners=False)[0, 0]


def _axis(grid: Grid, axis: int) -> Tensor:
    return torch.arange(grid.size[axis], dtype=torch.float32) * float(grid.spacing[axis]) + float(grid.origin[axis])


def _blur(image: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (N, H, W) within each slice; ``sigma`` in pixels."""
    if sigma < 0.25:
        return image
    reach = max(1, int(3 * sigma + 0.5))
    t = torch.arange(-reach, reach + 1, dtype=torch.float32, device=image.device)
    kernel = torch.exp(-0.5 * (t / sigma) ** 2)
    kernel /= kernel.sum()
    for axis in (2, 1):
        padded = F.pad(image, (reach, reach) if axis == 2 else (0, 0, reach, reach))
        image = sum(float(w) * padded.narrow(axis, i, image.shape[axis]) for i, w in enumerate(kernel))  # type: ignore[assignment]
    return image
