"""Centre lines: smooth curves through control points, and small tools on them (numpy, mm)."""

from __future__ import annotations

import numpy as np


def smooth(points: object, step: float = 2.5) -> np.ndarray:
    """A Catmull-Rom curve (n, 3) through control points (m, 3), m >= 2, in steps of about ``step`` mm."""
    p = np.asarray(points, float)
    p = np.vstack([2 * p[0] - p[1], p, 2 * p[-1] - p[-2]])
    out = []
    for p0, p1, p2, p3 in zip(p[:-3], p[1:-2], p[2:-1], p[3:]):
        n = max(2, int(np.ceil(np.linalg.norm(p2 - p1) / step)) + 1)
        t = np.linspace(0, 1, n)[:-1, None]
        out.append(
            0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)
        )
    return np.vstack([*out, p[-2:-1]])


def arc_length(points: np.ndarray) -> np.ndarray:
    """Length (n,) along a curve from its first point."""
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])


def at_length(points: np.ndarray, length: float) -> np.ndarray:
    """The point (3,) at ``length`` mm along a curve."""
    s = arc_length(points)
    return np.array([np.interp(length, s, c) for c in points.T])


def wiggle(points: np.ndarray, amplitude: float, wavelength: float, rng: np.random.Generator) -> np.ndarray:
    """The curve with a horizontal wave that vanishes at both ends."""
    s = arc_length(points)
    fade = np.minimum(1, np.minimum(s, s[-1] - s) / 15)
    phase = rng.uniform(0, 2 * np.pi, 2)
    k = 2 * np.pi / (wavelength * rng.uniform(0.8, 1.25, 2))
    moved = points.copy()
    moved[:, 0] += amplitude * fade * np.sin(k[0] * s + phase[0])
    moved[:, 1] += amplitude * fade * np.sin(k[1] * s + phase[1])
    return moved


def coil(points: np.ndarray, length: float, radius: float, rng: np.random.Generator) -> np.ndarray:
    """The curve with one full loop of ``radius`` mm put in at ``length`` mm (a coiled carotid)."""
    i = int(np.searchsorted(arc_length(points), length))
    i = int(np.clip(i, 1, len(points) - 2))
    t = np.linspace(0, 2 * np.pi, max(8, int(2 * np.pi * radius / 2)))[1:-1]
    angle = rng.uniform(0, 2 * np.pi)
    side = np.array([np.cos(angle), np.sin(angle), 0.0])
    drift = np.array([-side[1], side[0], 0.0]) * radius * 0.9
    loop = points[i] + radius * ((1 - np.cos(t))[:, None] * side + np.sin(t)[:, None] * np.array([0, 0, 1.0]))
    loop += np.outer(t / (2 * np.pi), drift)
    after = points[i + 1 :] + drift * np.exp(-arc_length(points[i:])[1:, None] / 15)
    return np.vstack([points[: i + 1], loop, after])


def kink(points: np.ndarray, length: float, size: float, rng: np.random.Generator) -> np.ndarray:
    """The curve with one sharp bend: from ``length`` mm on it goes ``size`` mm sideways and back within a few mm."""
    s = arc_length(points)
    angle = rng.uniform(0, 2 * np.pi)
    side = np.array([np.cos(angle), np.sin(angle), rng.uniform(-0.6, 0.3)])
    sharp = rng.uniform(3, 6)
    fade = np.clip((s - 14) / 6, 0, 1) * np.clip((s[-1] - s) / 15, 0, 1)
    return points + size * (fade * np.exp(-np.abs(s - length) / sharp))[:, None] * side
