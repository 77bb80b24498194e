"""Heights of a carina beside structures given as label maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.fork.structures import FILES, measure_structures, read_structures
from CarotidLandmarkLib.landmarks.forks import MEASURES, UNITS
from CarotidLandmarkLib.volume.ct import CTVolume, write_volume
from CarotidLandmarkLib.volume.geometry import Grid

GRID = Grid.axis_aligned([5.0, -10, 30], (60, 50, 70), (2.0, 2.0, 2.0))
OTHER = Grid((40, 70, 50), [3.0, 2, 3], [65.0, -60, -40], np.array([[-1.0, 0, 0], [0, 1, 0], [0, 0, 1]]))
CARINA = np.array([25.0, -10, 20])


def write(folder: Path, name: str, *boxes: tuple[list[float], list[float]], grid: Grid = GRID) -> None:
    """A label map that holds boxes from a low to a high corner, LPS mm."""
    k, j, i = np.indices(grid.shape)
    world = grid.index_to_world(np.stack([i, j, k], -1))
    inside = [((world >= low) & (world <= high)).all(-1) for low, high in boxes]
    array = np.any(inside, axis=0) if boxes else np.zeros(grid.shape, bool)
    write_volume(CTVolume(array.astype(np.int16), grid), folder / f"{name}.nii.gz")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("structures")
    jaw = [([20, -40, 20], [30, -20, 30]), ([20, -20, 24], [30, -12, 60]), ([-25, -40, 26], [-15, -16, 60])]
    write(out, "mandible", *jaw)
    write(out, "hyoid", ([-10, -40, 4], [10, -30, 8]), grid=OTHER)
    write(out, "vertebrae_C3", ([-10, 0, 28], [10, 10, 40]))
    write(out, "vertebrae_C4")
    write(out, "skull", ([10, -30, 70], [40, 20, 90]), ([-45, -30, 60], [-40, 20, 90]))
    return out


@pytest.fixture(scope="module")
def volume() -> CTVolume:
    return CTVolume(np.zeros(GRID.shape, np.int16), GRID)


def test_heights_above_and_below(folder: Path, volume: CTVolume) -> None:
    found = measure_structures(read_structures(folder, volume), CARINA, "left", np.diag([1.0, 1, 4]))
    assert list(found) == list(FILES)
    assert {measure.unit for measure in found.values()} == {"mm"}
    value = {name: measure.value for name, measure in found.items() if measure.value is not None}
    assert abs(value.pop("hyoid_mm") - 14) < 2
    assert abs(value.pop("c3_mm") + 14) < 1.1
    assert abs(value.pop("skull_base_mm") + 50) < 2
    assert abs(value.pop("mandible_angle_mm") - (20 - 25)) < 2
    assert value == {}
    assert found["c3_mm"].sd == pytest.approx(2.0) and found["c4_mm"].sd is None


def test_the_other_side_has_another_jaw(folder: Path, volume: CTVolume) -> None:
    found = measure_structures(read_structures(folder, volume), CARINA * [-1, 1, 1], "right")
    assert abs(found["mandible_angle_mm"].value - (20 - 26)) < 3
    assert found["mandible_angle_mm"].sd is None


def test_reasons(folder: Path, volume: CTVolume, tmp_path: Path) -> None:
    found = measure_structures(read_structures(folder, volume), CARINA * [-1, 1, 1], "right")
    assert found["c2_mm"].reason == "The folder of structures holds no vertebrae_C2.nii.gz."
    assert found["c4_mm"].reason == "vertebrae_C4.nii.gz holds no voxel of its structure."
    assert found["skull_base_mm"].reason == "The skull is not seen above the carina."
    write(tmp_path, "mandible", ([20, -40, 20], [20.5, -20, 30]))
    found = measure_structures(read_structures(tmp_path, volume), CARINA, "left")
    assert found["mandible_angle_mm"].reason == "The left half of the mandible is not seen."


UPSIDE_DOWN = Grid((60, 50, 70), [2.0, 2, 2], GRID.origin + [0, 0, 138], np.diag([1.0, 1, -1]))


@pytest.mark.parametrize("grid", [GRID, UPSIDE_DOWN], ids=["from below", "from above"])
@pytest.mark.parametrize(
    ("structure", "measure", "low", "high", "cut"),
    [
        ("vertebrae_C3", "c3_mm", 90, 110, True),
        ("vertebrae_C3", "c3_mm", -50, -30, True),
        ("vertebrae_C3", "c3_mm", 80, 96, False),
        ("hyoid", "hyoid_mm", -50, -36, True),
        ("mandible", "mandible_angle_mm", 40, 110, False),
        ("mandible", "mandible_angle_mm", -50, 10, True),
        ("skull", "skull_base_mm", 80, 110, False),
    ],
)
def test_of_a_structure_that_the_scan_cuts_off_no_height_is_told(
    structure: str, measure: str, low: float, high: float, cut: bool, grid: Grid, volume: CTVolume, tmp_path: Path
) -> None:
    write(tmp_path, structure, ([-30, -20, low], [30, 20, high]), grid=grid)
    found = measure_structures(read_structures(tmp_path, volume), CARINA, "left")[measure]
    assert (found.value is None, "cut off by the end" in (found.reason or "")) == (cut, cut)


def test_the_scan_ends_where_padding_begins(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(40, 10, GRID.shape).astype(np.int16)
    array[:10] = -1024  # below z = -19
    for low, cut in ((-20, True), (-18, True), (-16, False)):
        write(tmp_path, "vertebrae_C7", ([-10, 0, low], [10, 10, low + 14]))
        found = read_structures(tmp_path, CTVolume(array, GRID))["c7_mm"]
        assert isinstance(found, str) == cut, low


def test_a_map_of_a_part_of_the_scan_does_not_cut_it_off(volume: CTVolume, tmp_path: Path) -> None:
    part = Grid.axis_aligned([0.0, -35, 6], (20, 10, 5), (2.0, 2.0, 2.0))
    write(tmp_path, "hyoid", ([-10, -40, 0], [10, -30, 10]), grid=part)
    assert measure_structures(read_structures(tmp_path, volume), CARINA, "left")["hyoid_mm"].value == pytest.approx(14)


def test_small_pieces_away_from_the_structure_do_not_count(folder: Path, volume: CTVolume, tmp_path: Path) -> None:
    pieces = {
        "skull": [([10, -30, 70], [40, 20, 90]), ([24, -12, 30], [26, -8, 34])],
        "vertebrae_C3": [([-10, 0, 28], [10, 10, 40]), ([-20, 0, -38], [-16, 4, -30])],
    }
    for structure, boxes in pieces.items():
        write(tmp_path, structure, *boxes)
    clean, found = (measure_structures(read_structures(of, volume), CARINA, "left") for of in (folder, tmp_path))
    assert all(found[name].value == clean[name].value for name in ("skull_base_mm", "c3_mm"))


def test_bad_input(folder: Path, volume: CTVolume, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="is no folder"):
        read_structures(folder / "mandible.nii.gz", volume)
    far = CTVolume(volume.array, Grid.axis_aligned([5.0, -10, 400], GRID.size, GRID.spacing))
    with pytest.raises(BadInputError, match="lies elsewhere"):
        read_structures(folder, far)
    (tmp_path / "hyoid.nii.gz").write_bytes(b"no image")
    with pytest.raises(BadInputError, match="hyoid"):
        read_structures(tmp_path, volume)


def test_every_structure_is_a_measure() -> None:
    assert (*UNITS, *FILES) == MEASURES
