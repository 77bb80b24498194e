"""The detector asks the lumen around its answers."""

from __future__ import annotations

from contextlib import nullcontext
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest

from CarotidLandmarkLib.detect import lumen
from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.detect.lumen import Witness, add_heights, ask_lumen
from CarotidLandmarkLib.detect.presence import Evidence
from CarotidLandmarkLib.detect.search import Search
from CarotidLandmarkLib.fork import Check, Fork
from CarotidLandmarkLib.landmarks.detection import Detection, LandmarkDetection
from CarotidLandmarkLib.landmarks.forks import UNITS, VESSELS, ForkResult, Lumen
from Testing.lib.fork.tubes import CARINA, COMMON_RADIUS, draw, fork


def answer(position: np.ndarray) -> Evidence:
    covariance = np.diag([0.1, 0.1, 0.4])
    return Evidence([0.5], [0.99], [np.asarray(position, float)], covariance, complete=True)


@pytest.fixture(scope="module")
def result() -> ForkResult:
    volume, seen = draw(fork()), answer(CARINA)
    return ask_lumen(volume, "left", seen).result(volume, seen.position, seen.covariance, "found")


def test_what_was_traced_is_told(result: ForkResult) -> None:
    assert (result.check, result.reasons) == ("verified", [])
    assert result.distance_mm == pytest.approx(np.linalg.norm(result.carina_lps_mm - CARINA))
    assert tuple(result.vessels) == VESSELS
    for name, line in result.vessels.items():
        assert np.linalg.norm(line[0, :3] - CARINA) < 5  # all begin at the fork
        assert line[-1, 2] < -20 if name == "common" else line[-1, 2] > 20
    assert result.measures["common_10_mm"].value == pytest.approx(2 * COMMON_RADIUS, abs=0.4)
    assert result.measures["common_10_mm"].sd >= 0
    assert ForkResult.from_dict(result.to_dict()).to_dict() == result.to_dict()


def test_the_carinas_distance_is_that_from_where_the_landmark_is_told() -> None:
    volume, seen = draw(fork()), answer(CARINA)
    told = ask_lumen(volume, "left", seen).result(volume, CARINA + [0, 0, 3.0], seen.covariance, "found")
    assert told.distance_mm == pytest.approx(np.linalg.norm(told.carina_lps_mm - CARINA - [0, 0, 3.0]))


def test_of_an_absent_landmark_only_the_check_is_told() -> None:
    volume, seen = draw(fork()), answer(CARINA)
    told = ask_lumen(volume, "left", seen).result(volume, seen.position, seen.covariance, "absent")
    assert told.check == "verified" and told.lumen_hu is not None
    assert (told.vessels, told.carina_lps_mm, told.lumen, told.measures) == (None, None, None, {})


def test_heights_beside_structures_are_added_where_a_fork_is_measured(result: ForkResult) -> None:
    at = LandmarkDetection("left", "found", position_lps_mm=CARINA, covariance_mm2=np.eye(3), fork=deepcopy(result))
    other = LandmarkDetection("right", "absent", fork=ForkResult("contradicted", ["Nothing."]))
    detection = Detection("a", {}, {}, {}, [at, other])
    structures = {"hyoid_mm": result.carina_lps_mm + [[4.0, 0, -7], [6.0, 0, -9]], "c2_mm": "There is none."}
    add_heights(detection, structures)
    assert at.fork.measures["hyoid_mm"].value == pytest.approx(8) and at.fork.measures["hyoid_mm"].sd == 1
    assert at.fork.measures["c2_mm"].reason == "There is none."
    assert set(at.fork.measures) == {*UNITS, *structures} and other.fork.measures == {}


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
    slices = np.diag([0.0, 0.0, 25.0])  # thick ones make the ellipsoid longer, and the places no farther
    seen = replace(seen, covariance=seen.covariance + slices, of_voxels=slices)
    assert ask_lumen(draw([]), "left", seen).check == Check("contradicted", ["Nothing."], no_artery=no_artery)
    aside = [np.linalg.norm(place - seen.position) for place in places]
    assert aside == pytest.approx([0, lumen.ASIDE_MM, lumen.ASIDE_MM])


CHECKS = {"certain": Check("verified", certain=True), "verified": Check("verified"), "unclear": Check("unclear")}


class Looks:
    """A search that ends at `other` when it is sent anywhere again."""

    believe = 0.3

    def __init__(self, other: Evidence | None) -> None:
        self.other, self.places = other, []

    def step(self, text: str, fraction: float) -> None:
        pass

    def clock(self, stage: str) -> nullcontext:
        return nullcontext()

    def again(self, side: str, seen: Evidence, place: np.ndarray) -> Evidence | None:
        self.places.append(place)
        return self.other


@pytest.mark.parametrize(
    ("up", "presences", "second", "now"),
    [
        (25.0, [0.9, 0.9], "certain", "verified"),
        (25.0, [0.9, 0.9], "verified", "contradicted"),
        (25.0, [0.9, 0.9], "unclear", "contradicted"),
        (25.0, [0.2, 0.9], "unclear", "unclear"),
        (25.0, None, None, "unclear"),
        (2.0, [0.9, 0.9], "unclear", "unclear"),
    ],
    ids=["borne out", "hardly borne out", "not borne out", "doubted", "nothing there", "the same place"],
)
def test_at_a_fork_of_a_branch_the_network_looks_again_at_the_fork_below(
    up, presences, second, now, monkeypatch
) -> None:
    first, other = answer(CARINA + [0, 0, up]), None
    if presences:
        other = Evidence([1.0, 0.5], presences, [CARINA] * 2, first.covariance, complete=True)

    def ask(volume: object, side: str, seen: Evidence) -> Witness:
        status, below = ("unclear", CARINA) if seen is first else (second, None)
        return Witness(
            Fork(side, seen.position, carina=seen.position, below=below), replace(CHECKS[status], distance_mm=0.0)
        )

    monkeypatch.setattr(lumen, "ask_lumen", ask)
    search, evidence = Looks(other), {"left": first}
    witnesses = lumen.ask_both(search, draw([]), evidence)
    assert [place.tolist() for place in search.places] == [CARINA.tolist()]
    assert evidence["left"] is (other if now == "verified" else first)
    assert witnesses["left"].check.status == now


@pytest.mark.parametrize(
    ("away", "second", "taken"),
    [
        (14.0, "certain", True),
        (14.0, "verified", False),
        (14.0, "unclear", False),
        (14.0, None, False),
        (2.0, "certain", False),
    ],
)
def test_where_the_lumen_divides_elsewhere_the_network_looks_again(away, second, taken, monkeypatch) -> None:
    first, other = answer(CARINA - [0, 0, away]), None if second is None else answer(CARINA)

    def ask(volume: object, side: str, seen: Evidence) -> Witness:
        distance = float(np.linalg.norm(seen.position - CARINA))
        check = CHECKS["unclear" if seen is first else second]
        return Witness(Fork(side, seen.position, carina=CARINA), replace(check, distance_mm=distance))

    monkeypatch.setattr(lumen, "ask_lumen", ask)
    search, evidence = Looks(other), {"left": first, "right": Evidence([4.0], [0.1], [CARINA])}
    witnesses = lumen.ask_both(search, draw([]), evidence)
    assert [place.tolist() for place in search.places] == [CARINA.tolist()] * (away > 3)
    assert evidence["left"] is (other if taken else first)
    assert list(witnesses) == ["left"]  # of a side that was given up nothing is asked
    assert witnesses["left"].check.status == ("verified" if taken else "unclear")


@pytest.mark.parametrize(
    ("away", "presence", "there", "status"),
    [
        ([1.0, 0, -18], 0.95, 0.0, "contradicted"),
        ([1.0, 0, -18], 0.95, 8.0, "verified"),
        ([1.0, 0, -18], 0.95, None, "contradicted"),
        ([1.0, 0, -18], 0.8, 0.0, "verified"),
        ([1.0, 0, -40], 0.95, 0.0, "verified"),
        ([1.0, 0, 18], 0.95, 0.0, "verified"),
        ([18.0, 0, -1], 0.95, 0.0, "verified"),
    ],
    ids=["a fork", "divides elsewhere", "cut off", "doubted", "too far", "above", "aside"],
)
def test_a_verified_fork_may_be_a_branchs_where_the_network_sees_another_farther_down(
    away, presence, there, status, monkeypatch
) -> None:
    """there: how far from the other place the lumen divides, None where the volume ends too early to see it."""
    first = answer([0.0, 0, -25.0 if there is None else 10.0])
    first.rivals = [(first.position + away, presence), (first.position + [0.0, 0, 20.0], 0.99)]

    def trace(volume: object, place: np.ndarray, side: str) -> Fork:
        if np.allclose(place, first.position):
            return Fork(side, place, carina=place)
        return Fork(side, place, missing="fork") if there is None else Fork(side, place, carina=place + [0, there, 0])

    monkeypatch.setattr(lumen, "trace_fork", trace)
    witnesses = lumen.ask_both(Looks(None), draw([]), {"left": first})
    found = witnesses["left"].check
    assert (found.status, found.certain) == (status, status == "verified")
    assert status == "verified" or "farther down" in found.reasons[0]


@pytest.mark.parametrize(("presence", "suspect"), [(0.95, True), (0.8, False)])
def test_a_fork_that_is_not_verified_needs_no_proof_of_the_one_farther_down(presence, suspect, monkeypatch) -> None:
    """The lumen there divides 6 mm away from what the network saw, behind calcium."""
    first = answer([0.0, 0, 28.0])
    first.rivals = [(first.position + [-5.0, -4, -28], presence)]

    def trace(volume: object, place: np.ndarray, side: str) -> Fork:
        away = 0.0 if np.allclose(place, first.position) else 6.0
        return Fork(side, place, carina=place + [0, away, 0], defects=["Another wide vessel leaves."])

    monkeypatch.setattr(lumen, "trace_fork", trace)
    witness = lumen.ask_both(Looks(None), draw([]), {"left": first})["left"]
    assert (witness.check.status, witness.check.suspect) == ("unclear", suspect)
    assert ("farther down" in witness.check.reasons[0]) == suspect
    assert witness.check.reasons[-1] == "Another wide vessel leaves."


def test_the_network_can_be_sent_elsewhere(detector, volume, balls) -> None:
    search = Search(detector.backend, volume, samples=2)
    seen = search.run()["left"]
    other = search.again("left", seen, balls["right"] + [1.0, 0, 0])
    assert other.position == pytest.approx(balls["right"], abs=1.0)
    assert other.complete and other.scales_mm == seen.scales_mm and len(other.samples) == 2
    place, presence = other.rivals[-1]
    assert place == pytest.approx(seen.position) and presence == seen.presences[-1]
    assert search.again("left", seen, np.array([0.0, 0, 0])) is None  # no ball is there


def test_a_ball_is_no_vessel(detector, volume) -> None:
    strict = Detector(detector.backend, detector.header)
    believed = strict.detect(volume, samples=1, fork=False)
    asked = strict.detect(volume, samples=1)
    assert {landmark.status for landmark in believed.landmarks} == {"found"}
    assert {landmark.status for landmark in asked.landmarks} == {"absent"}
    assert [landmark.fork for landmark in believed.landmarks] == [None, None]
    for landmark in asked.landmarks:
        assert landmark.fork.check == "contradicted" and landmark.reasons == landmark.fork.reasons
        assert landmark.fork.measures == {}
    assert asked.timing_s["fork"] > 10 * believed.timing_s["fork"]
