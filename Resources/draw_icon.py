"""Draws the icon of the extension and the module: a carotid bifurcation, its carina, and an ellipsoid around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[1]
FILES = ("Resources/CarotidLandmark.png", "CarotidLandmark/Resources/Icons/CarotidLandmark.png")
PIXELS, FINER = 128, 6

# Curves from the bottom up: (x, y, radius) at their control points, in a unit square with y downwards.
COMMON = ((0.47, 1.06, 0.105), (0.44, 0.86, 0.105), (0.465, 0.70, 0.11), (0.485, 0.58, 0.12))
INTERNAL = ((0.485, 0.60, 0.115), (0.59, 0.47, 0.135), (0.73, 0.34, 0.075), (0.69, -0.06, 0.07))
EXTERNAL = ((0.485, 0.62, 0.09), (0.37, 0.48, 0.075), (0.26, 0.36, 0.055), (0.32, -0.06, 0.05))
CARINA = np.array([0.475, 0.415])
RADII, TILT = np.array([0.215, 0.125]), np.radians(-24)

TOP, BOTTOM = np.array([38.0, 58.0, 84.0]), np.array([14.0, 24.0, 38.0])
SHADE, VESSEL, SHINE = np.array([112.0, 14.0, 26.0]), np.array([226.0, 60.0, 62.0]), np.array([255.0, 186.0, 170.0])
AMBER, WHITE = np.array([255.0, 205.0, 84.0]), np.array([255.0, 255.0, 255.0])


def bezier(points: tuple[tuple[float, float, float], ...], count: int = 60) -> np.ndarray:
    """Points (count, 3) of the cubic curve of four control points."""
    t = np.linspace(0, 1, count)[:, None]
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
    return np.asarray(sum(w * np.array(p) for w, p in zip(weights, points)))


def coverage(distance: np.ndarray) -> np.ndarray:
    """1 inside (negative), 0 outside, soft over one fine pixel."""
    return np.clip(0.5 - distance * PIXELS * FINER, 0, 1)


def tube(x: np.ndarray, y: np.ndarray, curve: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Signed distance to the side of a tube, and how high its surface is there: 0 at the side to 1 in the middle."""
    away = np.hypot(x[..., None] - curve[:, 0], y[..., None] - curve[:, 1]) - curve[:, 2]
    nearest = away.argmin(-1)
    distance = np.take_along_axis(away, nearest[..., None], -1)[..., 0]
    across = np.clip(1 + distance / curve[nearest, 2], 0, 1)
    return distance, np.sqrt(1 - across**2)


def paint(image: np.ndarray, color: np.ndarray, alpha: np.ndarray) -> None:
    """Blend a colour into an image (H, W, 3), in place, where alpha (H, W) is above 0."""
    image += alpha[..., None] * (color - image)


def draw() -> np.ndarray:
    """The icon, (PIXELS, PIXELS, 4) uint8 RGBA."""
    size = PIXELS * FINER
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    image = TOP + y[..., None] * (BOTTOM - TOP)

    tubes = [tube(x, y, bezier(curve)) for curve in (COMMON, EXTERNAL, INTERNAL)]
    distance = np.min([d for d, _ in tubes], axis=0)
    height = np.max([np.where(d < 0, h, 0) for d, h in tubes], axis=0)
    paint(image, np.zeros(3), 0.45 * np.exp(-np.clip(distance, 0, None) / 0.03))
    color = SHADE + (height**0.8)[..., None] * (VESSEL - SHADE)
    color += (np.clip(height - 0.86, 0, 1) * 3.2)[..., None] * (SHINE - color)
    paint(image, color, coverage(distance))

    turn = np.array([[np.cos(TILT), -np.sin(TILT)], [np.sin(TILT), np.cos(TILT)]])
    u, v = np.moveaxis((np.stack([x, y], -1) - CARINA) @ turn, -1, 0)
    level = np.hypot(u / RADII[0], v / RADII[1])
    rim = (level - 1) * RADII.min()
    paint(image, AMBER, coverage(rim) * (0.20 + 0.25 * np.clip(level, 0, 1) ** 3))
    paint(image, AMBER, coverage(np.abs(rim) - 0.011))

    from_point = np.hypot(*(np.moveaxis(np.stack([x, y], -1) - CARINA, -1, 0)))
    paint(image, BOTTOM, coverage(from_point - 0.062))
    paint(image, WHITE, coverage(from_point - 0.044))

    corner = 0.20
    beyond = np.abs(np.stack([x, y], -1) - 0.5) - (0.5 - corner)
    outside = np.hypot(*np.moveaxis(np.clip(beyond, 0, None), -1, 0)) - corner
    alpha = coverage(outside)[..., None]
    blocks = np.concatenate([image * alpha, alpha], -1).reshape(PIXELS, FINER, PIXELS, FINER, 4).mean((1, 3))
    opaque = np.maximum(blocks[..., 3:], 1e-6)
    return np.concatenate([blocks[..., :3] / opaque, 255 * blocks[..., 3:]], -1).round().astype(np.uint8)


def main() -> None:
    """Write the icon to FILES."""
    icon = sitk.GetImageFromArray(draw(), isVector=True)
    for file in FILES:
        (ROOT / file).parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(icon, str(ROOT / file), useCompression=True)
        print(file)


if __name__ == "__main__":
    main()
