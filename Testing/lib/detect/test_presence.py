from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from CarotidLandmarkLib.detect.presence import Evidence, Thresholds, judge
from CarotidLandmarkLib.detect.trust import Trust
from CarotidLandmarkLib.fork import Check
from CarotidLandmarkLib.volume.geometry import Grid

GRID = Grid.axis_aligned((0, 0, 0), (200, 200, 200), 1.0)
LEFT, RIGHT = np.array([30.0, 0, 0]), np.array([-30.0, 0, 0])
SMALL = 0.25 * np.eye(3)


def seen(position, presences=(0.99, 0.98, 0.97, 0.96), path=None, covariance=SMALL, heatmap=SMALL, rivals=()):
    positions = [np.asarray(position, float)] * 4 if path is None else [np.asarray(p, float) for p in path]
    scales = [4.0, 2.0, 1.0, 0.5][: len(presences)]
    told = {"rivals": [(positions[-1] + away, told) for away, told in rivals], "complete": len(presences) == 4}
    return Evidence(scales, list(presences), positions[: len(presences)], covariance, heatmap, **told)


def verdicts(left=None, right=None):
    return judge({"left": left or seen(LEFT), "right": right or seen(RIGHT)}, GRID, Thresholds())


def test_an_ordinary_pair_is_found():
    assert [(v.status, v.reasons) for v in verdicts().values()] == [("found", [])] * 2


@pytest.mark.parametrize(
    ("left", "word"),
    [
        (seen(LEFT, presences=(0.2,)), "4 mm scale"),
        (seen(LEFT, presences=(0.95, 0.95, 0.2)), "1 mm scale"),
        (seen(LEFT, presences=(0.95, 0.95, 0.85, 0.2)), "0.5 mm scale"),
        (seen([101.0, 0, 0]), "outside"),
    ],
)
def test_what_is_not_believed_is_absent_and_the_other_side_is_not_touched(left, word):
    answer = verdicts(left=left)
    assert answer["left"].status == "absent" and word in answer["left"].reasons[0]
    assert answer["right"].status == "found"


@pytest.mark.parametrize(
    ("left", "word"),
    [
        (seen(LEFT, presences=(0.9, 0.9, 0.9, 0.6)), "doubt at the 0.5 mm scale"),
        (seen(LEFT, presences=(0.95, 0.95, 0.95, 0.01)), "doubt at the 0.5 mm scale"),
        (seen(LEFT, presences=(0.9, 0.9, 0.1, 0.9)), "doubt at the 1 mm scale"),
        (seen(LEFT, path=[LEFT + [0, 0, 50], LEFT, LEFT, LEFT]), "4 mm and 2 mm scales disagree by 50.0"),
        (seen(LEFT, path=[LEFT, LEFT, LEFT, LEFT + [0, 0, 6]]), "1 mm and 0.5 mm scales disagree by 6.0"),
        (seen(LEFT, covariance=np.diag([0.1, 0.1, 6.0])), "uncertain"),
        (seen(LEFT, heatmap=np.diag([0.1, 0.1, 20.0])), "heatmap"),
        (seen([97.0, 0, 0], path=None), "3.0 mm from the border"),
        (seen(LEFT, rivals=[((0, 0, 30), 0.2), ((12, 0, 0), 0.9), ((3, 0, 0), 0.99)]), "12 mm away looks like"),
        (seen(LEFT, rivals=[((2, 0, 20), 0.9)]), "20 mm above looks like"),
        (seen(LEFT, rivals=[((2, 0, -20), 0.9)]), "20 mm below looks like"),
    ],
)
def test_what_stands_out_on_one_side_is_that_sides_review(left, word):
    answer = verdicts(left=left, right=seen([20.0, 0, 0]) if left.position[0] > 90 else None)
    assert answer["left"].status == "review"
    assert len(answer["left"].reasons) == 1 and word in answer["left"].reasons[0]
    assert answer["right"].status == "found"


@pytest.mark.parametrize(
    ("left", "word"),
    [
        ([-28.0, 1, 1], "same place"),
        ([-50.0, 0, 0], "patient's right"),
        ([-10.0, 0, 0], "apart"),
        ([80.0, 0, 0], "apart"),
        ([30.0, 31, 0], "in front"),
        ([30.0, 0, -36], "above"),
    ],
)
def test_an_unlikely_left_right_vector_is_a_review_of_both(left, word):
    for verdict in verdicts(left=seen(left)).values():
        assert verdict.status == "review"
        assert len(verdict.reasons) == 1 and word in verdict.reasons[0]


def test_scales_that_agree_within_their_limit_are_no_reason():
    path = [LEFT + [0, 0, 33], LEFT + [0, 0, 14], LEFT + [0, 0, 4.9], LEFT]
    assert verdicts(left=seen(LEFT, path=path))["left"].status == "found"


def test_with_trust_signs_are_weighed_together_and_what_weighs_is_said():
    weights = {"rival": 3.0, "4 to 2 mm": 1.0}
    trust = Trust(weights, {"rival": 0.0, "4 to 2 mm": 1.0}, -5.0, 0.1, 0.4)
    rival = seen(LEFT, rivals=[((0, 0, 30), 0.9)])  # by itself over its limit, and yet not enough
    far = seen(LEFT, path=[LEFT + [0, 0, 8], LEFT, LEFT, LEFT], rivals=[((0, 0, 30), 0.9)])
    for left, status in ((rival, "found"), (far, "review")):
        verdict = judge({"left": left, "right": seen(RIGHT)}, GRID, Thresholds(), trust)
        assert verdict["left"].status == status and verdict["right"].status == "found"
    assert len(verdict["left"].reasons) == 1 and "looks like a bifurcation" in verdict["left"].reasons[0]
    careful = Trust(weights, trust.typical, 0.0, 0.1, 0.4)  # over the limit although nothing speaks against it
    verdict = judge({"left": seen(LEFT), "right": seen(RIGHT)}, GRID, Thresholds(), careful)["left"]
    assert verdict.status == "review" and "wrong in 27% of cases" in verdict.reasons[0]
    doubted = seen(LEFT, presences=(0.35, 0.99, 0.99, 0.99))
    assert judge({"left": doubted, "right": seen(RIGHT)}, GRID, Thresholds(), trust)["left"].status == "absent"
    assert judge({"left": doubted, "right": seen(RIGHT)}, GRID, Thresholds())["left"].status == "review"


VERIFIED, UNCLEAR = Check("verified", certain=True), Check("unclear", ["The vessel below is followed for 9 mm only."])
CONTRADICTED = Check("contradicted", ["The artery divides 14 mm from the point."])
DOUBTED = seen(LEFT, presences=(0.9, 0.9, 0.9, 0.6))
RIVAL = seen(LEFT, rivals=[((2, 0, 20), 0.9)])


def test_thick_slices_make_the_ellipsoid_larger_and_no_answer_doubtful():
    slices = np.diag([0.1, 0.1, 6.0])
    thick = replace(seen(LEFT, covariance=SMALL + slices), of_voxels=slices)
    assert verdicts(left=thick)["left"].status == "found"
    assert verdicts(left=replace(thick, of_voxels=np.zeros((3, 3))))["left"].status == "review"


SPREAD = seen(LEFT, covariance=np.diag([0.1, 0.1, 6.0]))
TRUST = Trust({"rival": 3.0, "spread": 3.0, "lumen": 2.2}, {"rival": 0.0, "spread": -0.7, "lumen": 0.0}, -4.2, 0.1, 0.3)


def with_check(left, check, trust=None):
    checks = {} if check is None else {"left": check}
    return judge({"left": left, "right": seen(RIGHT)}, GRID, Thresholds(), trust, checks)["left"]


@pytest.mark.parametrize("trust", [None, TRUST], ids=["limits", "trust"])
def test_a_fork_that_is_verified_lifts_what_only_the_network_doubts(trust):
    for left in (DOUBTED, RIVAL, seen(LEFT, path=[LEFT, LEFT, LEFT, LEFT + [0, 0, 6]])):
        assert (with_check(left, None).status, with_check(left, VERIFIED, trust).status) == ("review", "found")
    assert with_check(SPREAD, VERIFIED, trust).status == "review"
    assert with_check(RIVAL, Check("verified"), trust).status == "review"  # not near enough to outweigh a doubt
    pair = judge({"left": seen([80.0, 0, 0]), "right": seen(RIGHT)}, GRID, Thresholds(), trust, {"left": VERIFIED})
    assert pair["left"].status == "review"


def test_a_fork_that_is_verified_does_not_outweigh_every_doubt():
    for logit, status in ((-4.2, "found"), (-4.0, "review")):  # chances of 0.18 and 0.21
        verdict = with_check(RIVAL, VERIFIED, replace(TRUST, logit=logit))
        assert verdict.status == status
    assert verdict.reasons == ["A place 20 mm above looks like a bifurcation, too (presence 0.90)."]


@pytest.mark.parametrize("trust", [None, TRUST], ids=["limits", "trust"])
def test_a_fork_that_is_contradicted_is_review_with_its_reason(trust):
    verdict = with_check(seen(LEFT), CONTRADICTED, trust)
    assert (verdict.status, verdict.reasons) == ("review", CONTRADICTED.reasons)
    assert len(with_check(RIVAL, CONTRADICTED, trust).reasons) == 2


def test_where_there_is_no_artery_the_landmark_is_absent():
    nothing = Check("contradicted", ["No vessel with contrast lies beside the point."], no_artery=True)
    for trust in (None, TRUST):
        verdict = with_check(seen(LEFT), nothing, trust)
        assert (verdict.status, verdict.reasons) == ("absent", nothing.reasons)


@pytest.mark.parametrize(
    "trust", [None, Trust({"lumen": 0.1}, {"lumen": 0.0}, -3.0, 0.2, 0.3)], ids=["limits", "trust"]
)
def test_a_point_beside_which_no_lumen_shows_is_review(trust):
    suspect = Check("unclear", ["What is bright beside the point is too thin."], suspect=True)
    verdict = with_check(seen(LEFT), suspect, trust)
    assert (verdict.status, verdict.reasons) == ("review", suspect.reasons)


def test_a_fork_that_is_unclear_counts_as_the_weights_have_learnt():
    assert with_check(seen(LEFT), UNCLEAR).status == "found"
    assert with_check(seen(LEFT), UNCLEAR, TRUST).status == "review"
    assert with_check(seen(LEFT), UNCLEAR, TRUST).reasons == UNCLEAR.reasons
