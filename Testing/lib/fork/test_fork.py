"""A fork of tubes in even tissue, as it is and with what misleads beside it."""

from __future__ import annotations

import numpy as np
import pytest

from CarotidLandmarkLib.fork.check import check_fork
from CarotidLandmarkLib.fork.trace import trace_fork
from CarotidLandmarkLib.volume.ct import CTVolume
from CarotidLandmarkLib.volume.geometry import Grid

FORK = np.array([12.0, -7.0, 20.0])  # LPS mm, where the branches begin to part
WAYS = {"internal": np.array([0.28, 0.22, 1.0]), "external": np.array([-0.25, -0.22, 1.0])}
RADII = {"common": 3.2, "internal": 2.6, "external": 2.1}


def carina() -> np.ndarray:
    """Where the two branches of WAYS are first apart."""
    between = np.linalg.norm(WAYS["internal"] - WAYS["external"])
    return FORK + (RADII["internal"] + RADII["external"]) / between * np.array([0.015, 0.0, 1.0])


def neck(contrast=380.0, spacing=(0.6, 0.6, 0.7), noise=0.0, parts=("common", "internal", "external"), more=()):
    """Tubes of ``parts`` and spheres or tubes ``more`` of (from, to, radius, HU) in 50 HU."""
    half = np.array([40.0, 40.0, 60.0])
    size = np.ceil(2 * half / spacing).astype(int)
    grid = Grid.axis_aligned(FORK, size.tolist(), spacing)
    k, j, i = np.indices(grid.shape)
    at = grid.index_to_world(np.stack([i, j, k], -1))
    hu = np.full(grid.shape, 50.0)
    tubes = [(FORK, FORK + [0, 0, -70], RADII["common"], contrast)] if "common" in parts else []
    tubes += [(FORK, FORK + 70 * WAYS[name], RADII[name], contrast) for name in WAYS if name in parts]
    for first, last, radius, value in [*tubes, *more]:
        way = np.asarray(last) - first
        share = np.clip(((at - first) @ way) / max(float(way @ way), 1e-9), 0, 1)
        away = np.linalg.norm(at - first - share[..., None] * way, axis=-1)
        inside = np.clip((radius - away) / 0.6 + 0.5, 0, 1)
        hu = hu * (1 - inside) + value * inside
    hu += np.random.default_rng(0).normal(0, noise, hu.shape) if noise else 0
    return CTVolume(hu.round().astype(np.int16), grid)


@pytest.fixture(scope="module")
def plain():
    return trace_fork(neck(), carina(), "left")


def test_a_fork_is_verified_with_its_vessels_and_its_carina(plain):
    check = check_fork(plain, carina())
    assert (check.status, check.reasons) == ("verified", [])
    assert np.linalg.norm(plain.carina - carina()) < 1.5
    for name in ("common", "internal", "external"):
        vessel = getattr(plain, name)
        assert np.median(vessel.radii[10:]) == pytest.approx(RADII[name], abs=0.4), name
        assert vessel.length_mm > 20
    assert plain.common.points[-1][2] < FORK[2] - 10
    way = plain.internal.points[-1] - plain.internal.points[0]
    assert way @ WAYS["internal"] / np.linalg.norm(way) / np.linalg.norm(WAYS["internal"]) > 0.95
    assert 0.5 < plain.lumen.sum() * np.prod(plain.grid.spacing) / 2200 < 1.5


@pytest.mark.parametrize("height", [-22.0, -14.0, 14.0])
def test_a_point_elsewhere_along_the_vessel_is_not_verified(height):
    way = WAYS["internal"] if height > 0 else np.array([0, 0, 1.0])
    point = (carina() if height < 0 else FORK) + height * way
    assert check_fork(trace_fork(neck(), point, "left"), point).status != "verified"


def test_without_contrast_no_artery_is_there():
    check = check_fork(trace_fork(neck(contrast=58.0), carina(), "left"), carina())
    assert check.status == "contradicted" and check.no_artery and "contrast" in check.reasons[0]


def test_an_occluded_branch_is_unclear_and_no_lack_of_an_artery():
    check = check_fork(trace_fork(neck(parts=("common", "external")), carina(), "left"), carina())
    assert check.status == "unclear" and not check.no_artery and check.reasons


def test_a_vein_of_the_same_brightness_that_touches_is_not_taken_for_a_branch():
    beside = FORK + [RADII["common"] + 5.2, 3.0, -60]
    volume = neck(more=[(beside, beside + [0, 0, 125], 5.2, 380.0)])
    fork = trace_fork(volume, carina(), "left")
    assert check_fork(fork, carina()).status == "verified"
    low = carina() - [0, 0, 18]
    assert check_fork(trace_fork(volume, low, "left"), low).status != "verified"


def test_calcium_beside_the_lumen_is_kept_out_of_it():
    spot = carina() + [6.0, 2.0, 3.0]
    fork = trace_fork(neck(more=[(spot, spot, 2.0, 1300.0)]), carina(), "left")
    assert check_fork(fork, carina()).status == "verified"
    at = np.round(fork.grid.world_to_index(spot)).astype(int)[::-1]
    assert not fork.lumen[tuple(at)]


@pytest.mark.parametrize(
    "point", [FORK + [0, 0, 58.0], FORK + [39, 39, 59], FORK + [500, 0, 0], FORK + [20, 20, 0], FORK + [0, 0, -59.9]]
)
def test_a_strange_point_is_told_of_and_not_verified(point):
    fork = trace_fork(neck(), point, "right")
    assert check_fork(fork, point).status != "verified" and (fork.notes or fork.defects or fork.carina is not None)


def test_bone_is_no_artery():
    point = FORK + [-22.0, 20.0, 0]
    volume = neck(more=[(point - [0, 0, 40], point + [0, 0, 40], 9.0, 900.0)])
    assert check_fork(trace_fork(volume, point, "left"), point).status != "verified"


def test_thick_noisy_slices_are_verified_too():
    volume = neck(spacing=(0.7, 0.7, 2.0), noise=25.0)
    assert check_fork(trace_fork(volume, carina(), "left"), carina()).status in ("verified", "unclear")


def test_axes_of_the_file_do_not_matter(plain):
    volume = neck()
    turned = CTVolume(
        np.ascontiguousarray(volume.array.transpose(2, 0, 1)[::-1]),
        Grid(
            tuple(volume.grid.size[a] for a in (1, 2, 0)),
            volume.grid.spacing[[1, 2, 0]],
            volume.grid.index_to_world([volume.grid.size[0] - 1, 0, 0]),
            volume.grid.direction[:, [1, 2, 0]] * [1, 1, -1],
        ),
    )
    fork = trace_fork(turned, carina(), "left")
    assert np.linalg.norm(fork.carina - plain.carina) < 0.2
