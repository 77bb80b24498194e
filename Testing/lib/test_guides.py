"""README and guides: links and files are there, commands and options exist, examples run, figures are the results'."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import numpy as np
import pytest

from CarotidLandmarkLib.cli import COMMANDS, build_parser
from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.volume.ct import write_volume

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "Resources" / "Guide").glob("*.md"))]
CARD = ROOT / "CarotidLandmarkLib" / "weights" / "CARD.md"
RESULTS = ROOT / "Testing" / "benchmarks" / "results"
README, METHOD = ROOT / "README.md", ROOT / "Resources" / "Guide" / "Method-and-results.md"
by_name = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@by_name
def test_links_and_pictures_are_there(page):
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    own = [target for target in targets if "://" not in target]
    assert [target for target in own if not (page.parent / target).is_file()] == []


@pytest.mark.parametrize("page", [*PAGES, CARD], ids=lambda page: page.stem)
def test_files_that_are_named_are_there(page):
    named = re.findall(
        r"`((?:Testing|CarotidLandmarkLib|CarotidLandmark|Resources)/[^` ]+)", page.read_text(encoding="utf-8")
    )
    assert [name for name in named if not list(ROOT.glob(name))] == []


def newest(kind: str) -> dict:
    """The newest results of a kind, by their names' dates."""
    return json.loads(max(RESULTS.glob(f"*-{kind}.json")).read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", [README, METHOD], ids=lambda page: page.stem)
def test_table_1_is_that_of_the_results(page):
    told = page.read_text(encoding="utf-8")
    for row in newest("table1-small")["rows"]:
        shares = f"{100 * row['success']['4']:.1f} % | {100 * row['share_over_10_mm']:.1f} % |"
        assert f"| {row['mean_mm']:.1f} ± {row['sd_mm']:.1f} | {row['median_mm']:.1f} | {shares}" in told, row["row"]


def test_figures_of_the_default_are_those_of_the_results():
    found = newest("default-*-test400")["all"]
    told = " ".join(README.read_text(encoding="utf-8").split())
    assert (
        f"On {newest('default-*-test400')['cases']} phantoms that no training had seen, {found['present']} landmarks"
        in told
    )
    errors = f"median error {found['median_mm']:.2f} mm, mean {found['mean_mm']:.2f} mm"
    assert f"{errors}, {100 * found['success']['2.5']:.1f} % within 2.5 mm" in told
    assert f"{100 * found['silent_share']:.1f} % of the sides are silent errors" in told
    assert f"| {found['mean_mm']:.2f} ± {found['sd_mm']:.2f} |" in METHOD.read_text(encoding="utf-8")


def options(parser: argparse.ArgumentParser) -> set[str]:
    """All options of a parser and of its actions."""
    found = {name for action in parser._actions for name in action.option_strings}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found.update(*(options(one) for one in action.choices.values()))
    return found


def commands_of(text: str) -> list[tuple[str, list[str]]]:
    """Each command of ours that stands in code, with its options."""
    found = []
    for code in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) + re.findall(r"(?<!`)`([^`]+)`(?!`)", text):
        for part in re.split(r"&&|;|\n", code):
            words = part.split()
            while words and (words[0].endswith("carotid-landmark")):
                words.pop(0)
            if words and words[0] in COMMANDS:
                found.append((words[0], re.findall(r"(?<!\S)--[a-z][a-z0-9-]*", part)))
    return found


def test_commands_are_found_in_code():
    text = "`detect --sr` and\n\n```sh\npip install . && .venv/bin/carotid-landmark demo --seed 1\n```\n`pip --quiet`"
    assert commands_of(text) == [("demo", ["--seed"]), ("detect", ["--sr"])]


@by_name
def test_commands_and_their_options_exist(page):
    wrong = []
    for command, told in commands_of(" ".join(page.read_text(encoding="utf-8").split(" "))):
        (subparsers,) = (a for a in build_parser(command)._actions if isinstance(a, argparse._SubParsersAction))
        wrong += [(command, option) for option in told if option not in options(subparsers.choices[command])]
    assert wrong == []


@by_name
def test_examples_in_python_run(page, detector, volume, balls, tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    if not blocks:
        return
    (tmp_path / "scans").mkdir()
    for file in ("neck.nrrd", "scans/one.nrrd"):
        write_volume(volume, tmp_path / file, compress=False)
    (tmp_path / "scans" / "two.nrrd").write_text("no volume")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Detector, "from_weights", lambda *words: detector)
    namespace: dict = {}
    for block in blocks:
        exec(block, namespace)
    for landmark in namespace["detection"].landmarks:
        assert np.linalg.norm(landmark.position_lps_mm - balls[landmark.side]) < 0.3
    assert "left found" in capsys.readouterr().out
    if page.stem == "Python":
        assert (tmp_path / "one.detection.json").is_file() and (tmp_path / "neck.png").is_file()
