"""The detector asks the lumen around its answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from CarotidLandmarkLib.detect import lumen
from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.detect.lumen import ask_lumen
from CarotidLandmarkLib.detect.presence import Evidence
from CarotidLandmarkLib.fork import Check, Fork
from CarotidLandmarkLib.landmarks.forks import VESSELS, ForkResult, Lumen
from Testing.lib.fork.tubes import CARINA, draw, fork


def answer(position: np.ndarray) -> Evidence:
    return Evidence([0.5], [0.99], [np.asarray(position, float)], np.diag([0.1, 0.1, 0.4]))


@pytest.fixture(scope="module")
def result() -> ForkResult:
    return ask_lumen(draw(fork()), "left", answer(CARINA)).result()


def test_what_was_traced_is_told(result: ForkResult) -> None:
    assert (result.check, result.reasons) == ("verified", [])
    assert result.distance_mm == pytest.approx(np.linalg.norm(result.carina_lps_mm - CARINA))
    assert tuple(result.vessels) == VESSELS
    for name, line in result.vessels.items():
        assert np.linalg.norm(line[0, :3] - CARINA) < 5  # all begin at the fork
        assert line[-1, 2] < -20 if name == "common" else line[-1, 2] > 20
    assert ForkResult.from_dict(result.to_dict()).to_dict() == result.to_dict()


def test_the_lumen_survives_packing_and_holds_the_vessels(result: ForkResult) -> None:
    packed = result.lumen.packed()
    again = Lumen.unpacked(packed)
    assert len(packed["bits"]) < 30_000 and (again.voxels == result.lumen.voxels).all()
    at = np.round(again.grid.world_to_index(result.vessels["common"][5:20, :3])).astype(int)
    assert again.voxels[tuple(at[:, ::-1].T)].all()
    with pytest.raises(ValueError, match="unpacked"):
        Lumen.unpacked({**packed, "bits": "AAAA"})


@pytest.mark.parametrize(("denied", "no_artery"), [(3, True), (2, False)])
def test_no_artery_has_to_be_found_at_three_places(denied, no_artery, monkeypatch) -> None:
    places = []

    def check(fork: Fork, point: np.ndarray) -> Check:
        places.append(point)
        return Check("contradicted", ["Nothing."], no_artery=len(places) <= denied)

    monkeypatch.setattr(lumen, "trace_fork", lambda volume, point, side: Fork(side, point))
    monkeypatch.setattr(lumen, "check_fork", check)
    seen = answer(CARINA)
    assert ask_lumen(draw([]), "left", seen).check == Check("contradicted", ["Nothing."], no_artery=no_artery)
    aside = [np.linalg.norm(place - seen.position) for place in places]
    assert aside == pytest.approx([0, lumen.ASIDE_MM, lumen.ASIDE_MM])


def test_a_ball_is_no_vessel(detector, volume) -> None:
    strict = Detector(detector.model, detector.header, torch.device("cpu"))
    believed = strict.detect(volume, samples=1, fork=False)
    asked = strict.detect(volume, samples=1)
    assert {landmark.status for landmark in believed.landmarks} == {"found"}
    assert {landmark.status for landmark in asked.landmarks} == {"absent"}
    assert [landmark.fork for landmark in believed.landmarks] == [None, None]
    for landmark in asked.landmarks:
        assert landmark.fork.check == "contradicted" and landmark.reasons == landmark.fork.reasons
    assert asked.timing_s["fork"] > 0 and believed.timing_s["fork"] == 0
