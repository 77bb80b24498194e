"""Values that an option cannot have: one sentence, in its words, with exit code 2."""

from __future__ import annotations

import argparse
import json

import pytest

from CarotidLandmarkLib.cli import main
from CarotidLandmarkLib.commands.options import (
    LARGEST_SEED,
    positive_number,
    probability,
    seed,
    share,
    some_path,
    whole_number,
)

DETECT, DEMO, EVALUATE = ["detect", "a.nrrd"], ["demo"], ["evaluate", "--data", "d", "--out", "o"]
PHANTOM, MODEL = ["phantom", "--out", "o"], ["model"]
ENGINE = [
    ("--samples", "0", "a whole number from 1"),
    ("--samples", "x", "a whole number from 1"),
    ("--samples", "2.5", "a whole number from 1"),
    ("--confidence", "1.5", "a number between 0 and 1"),
    ("--confidence", "nan", "a number between 0 and 1"),
    ("--samples", "9" * 99, f"a whole number from 1 to {2**31 - 1}"),
    ("--seed", "-1", "a whole number from 0"),
    ("--seed", str(2**64), f"a whole number from 0 to {LARGEST_SEED}"),
    ("--weights", "", "a path"),
]


@pytest.mark.parametrize(
    ("words", "option", "value", "wanted"),
    [
        *((words, *rest) for words in (DETECT, DEMO, EVALUATE) for rest in ENGINE),
        (DETECT, "-o/--output", "", "a path"),
        (DEMO, "-o/--output", "", "a path"),
        (EVALUATE, "--equivariance", "-1", "a whole number from 0"),
        (EVALUATE, "--against", "", "a path"),
        (PHANTOM, "--count", "-1", "a whole number from 1"),
        (PHANTOM, "--seed", str(2**64), f"a whole number from 0 to {LARGEST_SEED}"),
        (PHANTOM, "--scaffold", "", "a path"),
        (MODEL, "--weights", "", "a path"),
    ],
)
def test_a_value_that_cannot_be_is_a_sentence_that_names_the_option(
    words: list[str], option: str, value: str, wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*words, f"{option.split('/')[-1]}={value}"])
    assert stop.value.code == 2
    assert tuple(capsys.readouterr()) == ("", f"{option}: give {wanted}, not {value!r}.\n")


def test_with_json_a_wrong_value_is_an_object_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*DETECT, "--json", "--samples", "0"])
    error = json.loads(capsys.readouterr().out)
    assert (error["event"], error["exit_code"]) == ("error", 2) and error["message"].startswith("--samples: ")


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (whole_number(0), ["0", "7"], ["-1", "1.0", "", "1e3", "9" * 99]),
        (whole_number(2, 3), ["2", "3"], ["1", "4"]),
        (seed, ["0", str(LARGEST_SEED)], ["-1", str(LARGEST_SEED + 1)]),
        (positive_number, ["1e-3", "5"], ["0", "-1", "nan", "inf", "1,5"]),
        (share, ["0", "1", "0.5"], ["-0.1", "1.1", "nan"]),
        (probability, ["0.9"], ["0", "1", "half"]),
        (some_path, ["a", " "], [""]),
    ],
)
def test_types_take_what_they_say_and_nothing_else(kind, good: list[str], bad: list[str]) -> None:
    for text in good:
        assert kind(text) == type(kind(text))(text)
    for text in bad:
        with pytest.raises(argparse.ArgumentTypeError, match="^give a"):
            kind(text)
