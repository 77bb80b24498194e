from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from CarotidLandmarkLib.landmarks.corrections import Correction, write_correction
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.volume.ct import CTVolume, write_volume
from CarotidLandmarkLib.volume.geometry import Grid

PREDICTED = {"left": np.array([28.0, 4.0, -6.0]), "right": np.array([-25.0, 0.0, 3.0])}


@pytest.fixture(scope="session")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The volume of a case, another one for each name; made once."""
    folder = tmp_path_factory.mktemp("volumes")

    def volume(case: str) -> Path:
        path = folder / f"{case}.nrrd"
        if not path.exists():
            grid = Grid.axis_aligned([0, 0, 0], (40, 30, 20), 2.0)
            seed = sum(map(ord, case))
            write_volume(CTVolume(np.random.default_rng(seed).normal(40, 200, grid.shape).astype(np.int16), grid), path)
        return path

    return volume


@pytest.fixture
def export(tmp_path: Path, volumes: Callable[[str], Path]) -> Callable[..., Path]:
    """Export a correction to tmp_path / "c": of each side a decision, or the (3,) mm that it was moved by."""

    def export(case: str, reader: str, left: object, right: object, **changes: object) -> Path:
        decisions, corrected = {}, dict(PREDICTED)
        for side, of in (("left", left), ("right", right)):
            decisions[side] = of if isinstance(of, str) else "moved"
            if decisions[side] == "missing":
                del corrected[side]
            elif decisions[side] == "moved":
                corrected[side] = PREDICTED[side] + of
        values = {
            "case": case,
            "reader": reader,
            "statuses": {"left": "found", "right": "review"},
            "decisions": decisions,
            "prediction": LandmarkSet(PREDICTED),
            "corrected": LandmarkSet(corrected),
            "model": {"name": "default", "version": "7", "sha256": "a" * 64},
        }
        copy = lambda path: shutil.copy(volumes(case), path)  # noqa: E731
        return write_correction(tmp_path / "c", Correction(**{**values, **changes}), copy)

    return export
