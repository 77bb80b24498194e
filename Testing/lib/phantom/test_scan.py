"""How phantoms are scanned: as widely different as archives, and each property does what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from CarotidLandmarkLib.phantom.phantom import Phantom
from CarotidLandmarkLib.phantom.scan import PADDING_HU, Scan
from CarotidLandmarkLib.volume.geometry import Grid


def test_scans_differ_as_widely_as_archives(drawn):
    phantom = drawn(0)
    scans = [Scan.draw(replace(phantom, seed=seed)) for seed in range(600)]
    width = np.array([s.grid.extent_mm[0] for s in scans])
    thick = np.array([s.grid.spacing[2] for s in scans])
    noise = np.array([s.noise_sd for s in scans])
    assert 0.03 < (width > 300).mean() < 0.2
    assert 0.02 < (thick >= 4).mean() < 0.15
    assert np.median(thick) < 2.1
    assert noise.min() < 4
    assert 0.04 < (noise > 30).mean() < 0.15
    assert noise.max() <= 60
    assert {s.padding for s in scans} == {value for value, _ in PADDING_HU}
    assert 0.3 < np.mean([s.circle is not None for s in scans]) < 0.4
    assert 0.15 < np.mean([s.sharpening > 0 for s in scans]) < 0.35
    pixel = np.array([s.grid.spacing[0] for s in scans])
    assert pixel.max() <= 2.0 and 0.02 < (pixel > 1).mean() < 0.12
    assert 0.05 < np.mean([min(s.filled) < 1 for s in scans]) < 0.15, "voxels left out, not averaged"
    assert 0.02 < np.mean([s.window is not None for s in scans]) < 0.07
    assert 0.01 < np.mean([s.tilt != 0 for s in scans]) < 0.06
    assert 0.04 < np.mean([s.motion is not None for s in scans]) < 0.13


def test_padding_lies_outside_of_the_disc_only():
    phantom = Phantom.draw(3, "test")
    scan = Scan.draw(phantom, "neck", (1.0, 3.0))
    scan.circle, scan.padding = 50.0, -3024.0
    scan.tilt, scan.motion, scan.window = 0.0, None, None
    middle = scan.grid.center
    grid = Grid.axis_aligned(middle, (140, 140, 1), 1.0)
    hu = scan.acquire(phantom, grid, torch.Generator().manual_seed(0))[0].numpy()
    y, x = np.mgrid[:140, :140] - 69.5
    outside = np.hypot(x, y) > 51
    assert (hu[outside] == -3024).all()
    assert (hu[~outside & (np.hypot(x, y) < 49)] >= -1024).all()
    beyond = Grid.axis_aligned(middle + [0, 0, 400.0], (4, 4, 1), 1.0)
    assert (scan.acquire(phantom, beyond, torch.Generator()) == -1024).all()


def test_a_sharp_kernel_overshoots_and_marbling_adds_fat():
    phantom = Phantom.draw(next(s for s in range(50) if Phantom.draw(s, "test").make == "full"), "test")
    scan = Scan.draw(phantom, "neck", (0.6, 3.0))
    scan.noise_sd = scan.texture = scan.streaks = scan.sharpening = scan.marbling = 0.0
    scan.circle = scan.motion = scan.window = None
    scan.tilt = 0.0
    at = phantom.space.to_world(phantom.space.bend(np.array([0.0, -20, -45])))
    grid = Grid.axis_aligned(at, (200, 200, 1), 0.6)
    plain = scan.acquire(phantom, grid, torch.Generator())
    scan.sharpening = 1.0
    sharp = scan.acquire(phantom, grid, torch.Generator())
    assert float(sharp.diff(dim=2).abs().mean()) > 1.15 * float(plain.diff(dim=2).abs().mean())
    scan.sharpening, scan.marbling = 0.0, 0.8
    marbled = scan.acquire(phantom, grid, torch.Generator())
    flesh = (plain > 0) & (plain < 90)
    assert 0.02 < float((marbled[flesh] < -20).float().mean()) < 0.4
    assert torch.equal(marbled[plain > 300], plain[plain > 300])


def scan_of_a_neck(**changes):
    """A scan without noise, and a grid of it around the left carina."""
    phantom = Phantom.draw(next(s for s in range(50) if Phantom.draw(s, "test").make == "full"), "test")
    scan = Scan.draw(phantom, "neck", (1.0, 2.0))
    scan.noise_sd = scan.texture = scan.streaks = scan.sharpening = scan.marbling = scan.tilt = 0.0
    scan.circle = scan.motion = scan.window = None
    scan.filled, scan.psf_mm = (1.0, 1.0, 1.0), 0.35
    scan = replace(scan, **changes)
    grid = Grid.axis_aligned(phantom.carina["left"], (60, 60, 8), scan.grid.spacing)
    return phantom, scan, scan.acquire(phantom, grid, torch.Generator())


def test_voxels_that_are_left_out_are_not_averaged():
    _, _, averaged = scan_of_a_neck()
    _, _, decimated = scan_of_a_neck(filled=(0.3, 0.3, 0.3))
    assert float(decimated.diff(dim=2).abs().mean()) > 1.03 * float(averaged.diff(dim=2).abs().mean())
    assert float(decimated.mean()) == pytest.approx(float(averaged.mean()), abs=15)


def test_eight_bits_hold_256_levels():
    _, _, hu = scan_of_a_neck(window=(-200.0, 600.0))
    assert float(hu.min()) >= -200 and float(hu.max()) <= 600
    assert 50 < len(torch.unique(hu)) <= 256


def test_motion_shows_the_neck_twice_around_the_same_place():
    phantom, scan, still = scan_of_a_neck()
    z = float(phantom.carina["left"][2])
    _, _, moved = scan_of_a_neck(motion=(z - 3, z + 3, 4.0, 0.0))
    changed = (moved - still).abs().amax((1, 2)) > 1
    assert changed.any() and not changed.all()
    row = changed.nonzero()[0, 0]
    inside = slice(4, -4)
    twice = 0.5 * (still[row].roll(2, 1) + still[row].roll(-2, 1))
    assert torch.equal(moved[row][:, inside], twice[:, inside])


def test_a_tilted_gantry_leans_the_field_of_view():
    phantom, scan, _ = scan_of_a_neck()
    scan = replace(scan, tilt=0.3)
    extent, middle = scan.grid.extent_mm, scan.grid.center
    scan.grid = Grid.axis_aligned(
        middle, [int(extent[0]), int(extent[1] + 0.3 * extent[2]), scan.grid.size[2]], scan.grid.spacing
    )
    for up in (-1, 1):
        height = up * (extent[2] / 2 - 10)
        edge = middle + [0, 0.3 * height + up * (extent[1] / 2 - 6), height]
        beyond = middle + [0, 0.3 * height - up * (extent[1] / 2 + 6), height]
        assert scan.covers(edge, 2) and not scan.covers(beyond)
        grid = Grid.axis_aligned(beyond, (3, 3, 1), 1.0)
        assert (scan.acquire(phantom, grid, torch.Generator()) == scan.padding).all()
