"""What goes wrong in training is a sentence in the words of the user, and leaves nothing half done."""

from __future__ import annotations

import csv
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch

from CarotidLandmarkLib.cli import main
from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.files import read_points, write_markups
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.model.multiscale import MultiScaleLocNet
from CarotidLandmarkLib.model.weights import save_weights
from CarotidLandmarkLib.study.methods import get
from CarotidLandmarkLib.study.train import loop
from CarotidLandmarkLib.study.train.loop import Options, train
from CarotidLandmarkLib.study.train.validate import validate


@pytest.mark.parametrize(
    "words",
    [
        *(["--epoch", "0"], ["--workers", "-1"], ["--max-minutes", "0"], ["--max-minutes", "-1"], ["--steps", "-5"]),
        *(["--devices", "0"], ["--learning-rate", "-1"], ["--learning-rate", "nan"], ["--seed", "-1"]),
        *(["--seed", str(2**64)], ["--first-seed", "-1"], ["--phantoms", "²"], ["--phantoms", "-3"], ["--scales", "0"]),
        *(["--validation", "-1"], ["--scaffold-share", "1.5"], ["--data", ""], ["--epoch", "x"]),
    ],
    ids=" ".join,
)
def test_a_wrong_number_is_a_sentence_in_the_words_of_its_option(tmp_path, capsys, words):
    with pytest.raises(SystemExit) as left:
        main(["train", "--out", str(tmp_path / "run"), *words])
    said = capsys.readouterr().err.splitlines()[-1]
    assert left.value.code == 2 and words[0] in said and "give a" in said
    assert not (tmp_path / "run").exists()


def sentence(capsys):
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1, said
    return said[0]


def test_what_cannot_be_done_here_is_a_sentence(dataset, tmp_path, capsys, monkeypatch, arguments):
    file = tmp_path / "file"
    file.touch()
    for words in (["--out", str(file)], ["--out", str(file / "run")], ["--cache", str(file)]):
        assert main([*arguments(dataset, tmp_path / "run", 1), *words]) in (2, 3)
        assert str(file) in sentence(capsys)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert main([*arguments(dataset, tmp_path / "run", 1), "--device", "cuda"]) == 3
    assert "--device" in sentence(capsys)
    assert main([*arguments(dataset, tmp_path / "run", 1), "--devices", "5000"]) == 3
    assert "--devices 5000" in sentence(capsys)


@pytest.mark.parametrize(
    ("words", "sentence_has"),
    [(["--start", "default", "--half-resolution"], "--half-resolution"), (["--scaffold", "nowhere"], "--scaffold")],
)
def test_an_option_that_would_do_nothing_is_refused(
    dataset, tmp_path, tiny, capsys, arguments, tiny_default, words, sentence_has
):
    start = tmp_path / "start.safetensors"
    save_weights(start, MultiScaleLocNet(tiny), {"training": {}})
    words = [str(start) if word == "default" else word for word in words]
    assert main([*arguments(dataset, tmp_path / "run", 1), *words]) == 2
    assert sentence(capsys).startswith(sentence_has)


def test_a_run_is_resumed_as_it_was(dataset, tmp_path, tiny, monkeypatch, capsys, arguments):
    monkeypatch.setattr("CarotidLandmarkLib.study.methods.default.METHOD", replace(get("default"), config=tiny))
    other = replace(get("multi-step"), config=replace(tiny, name="multi-step", looks=1))
    monkeypatch.setattr("CarotidLandmarkLib.study.methods.multi_step.METHOD", other)
    out = tmp_path / "run"
    assert main(arguments(dataset, out, 1)) == 0
    capsys.readouterr()
    for words, what in (["--method", "multi-step"], "method"), (["--scales", "4"], "scales"), (["--seed", "3"], "seed"):
        assert main([*arguments(dataset, out, 2), "--resume", *words]) == 2
        assert f"another {what}" in sentence(capsys)
    start = tmp_path / "start.safetensors"
    save_weights(start, MultiScaleLocNet(tiny), {"training": {}})
    for words in (["--start", str(start)], ["--learning-rate", "0.1"], ["--phantoms", "2"]):
        assert main([*arguments(dataset, out, 2), "--resume", *words]) == 2
        assert f"another {words[0][2:].replace('-', ' ').replace('phantoms', 'data')}" in sentence(capsys)
    points = read_points(dataset / "a.mrk.json").points
    write_markups(dataset / "a.mrk.json", LandmarkSet({side: point + [0, 0, 1.0] for side, point in points.items()}))
    assert main([*arguments(dataset, out, 2), "--resume"]) == 2
    assert "another data" in sentence(capsys)
    write_markups(dataset / "a.mrk.json", LandmarkSet(points))
    wider = replace(get("default"), config=replace(tiny, looks=1))
    monkeypatch.setattr("CarotidLandmarkLib.study.methods.default.METHOD", wider)
    assert main([*arguments(dataset, out, 2), "--resume"]) == 2
    assert "another architecture" in sentence(capsys)
    monkeypatch.setattr("CarotidLandmarkLib.study.methods.default.METHOD", replace(get("default"), config=tiny))
    whole = torch.load(out / "last.ckpt", weights_only=True)
    for part, spoilt in (
        ("model", {}),
        ("average", 3),
        ("optimizer", {"state": {}}),
        ("state", {"step": 1}),
        ("run", []),
    ):
        torch.save({**whole, part: spoilt}, out / "last.ckpt")
        assert main([*arguments(dataset, out, 2), "--resume"]) == 2
        assert "damaged" in sentence(capsys)
    torch.save(whole, out / "last.ckpt")
    (out / "last.ckpt").write_bytes((out / "last.ckpt").read_bytes()[:1000])
    assert main([*arguments(dataset, out, 2), "--resume"]) == 2
    assert "damaged" in sentence(capsys)


def test_weights_of_a_site_are_no_start_since_their_offset_would_be_lost(
    dataset, tmp_path, capsys, arguments, make_weights
):
    start = make_weights(tmp_path / "site.safetensors", site={"offset_lps_mm": [0.3, -0.5, 1.2]})
    assert main(arguments(dataset, tmp_path / "run", 0, "--start", str(start))) == 2
    assert "start from the weights that the site began with" in sentence(capsys)


def test_a_training_that_diverges_gives_no_weights(dataset, tmp_path, capsys, arguments, tiny_default):
    out = tmp_path / "run"
    words = arguments(dataset, out, 6, "--epoch", "3", "--learning-rate", "1e30")
    assert main(words) == 3
    assert "diverged" in capsys.readouterr().err.splitlines()[-1] and not (out / "weights.safetensors").exists()


def test_what_is_no_number_is_not_near(case, tiny):
    model = MultiScaleLocNet(tiny)
    for parameter in model.parameters():
        parameter.data.fill_(float("nan"))
    assert validate(model, [case])["over_10mm"] == 1.0


def test_a_spoilt_case_is_made_again_where_that_can_be(dataset, tmp_path, case, tiny_default):
    options = Options(tmp_path / "run", data=dataset, steps=1, workers=0, device="cpu")
    train(options)
    for path in (tmp_path / "run" / "cases").rglob("*.case"):
        path.write_bytes(path.read_bytes()[:-100])
    (tmp_path / "run" / "last.ckpt").unlink()
    train(options)
    for split in ("train", "val"):
        (tmp_path / "ready" / split).mkdir(parents=True)
        case.save(tmp_path / "ready" / split / "a.case")
    (tmp_path / "ready" / "train" / "a.case").write_bytes(b"\0" * 500)
    with pytest.raises(BadInputError, match="a.case is no training case"):
        train(replace(options, out=tmp_path / "other", data=None, cases=tmp_path / "ready"))


def test_a_run_that_stops_with_an_error_ends_its_workers(dataset, tmp_path, monkeypatch, tiny_default):
    monkeypatch.setattr(loop, "clip_gradients", lambda *_: 1 / 0)
    before = multiprocessing.active_children()
    with pytest.raises(ZeroDivisionError):
        train(Options(tmp_path / "run", data=dataset, steps=2, workers=1, device="cpu"))
    assert multiprocessing.active_children() == before


FULL_DISK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))  # what is larger is refused, as by a full disk
"""


def test_a_full_disk_is_a_sentence_and_leaves_no_part(dataset, tmp_path, arguments, tiny_train):
    for number, words in enumerate(([], ["--cache", str(tmp_path / "cache")])):
        args = [*arguments(dataset, tmp_path / "run", 2), "--resume", *words]
        code = tiny_train if number else FULL_DISK + tiny_train
        done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=300)
        if number:
            assert done.returncode == 0, "where there is room again, it goes on"
        else:
            assert done.returncode == 3 and "Traceback" not in done.stderr
            assert "Cannot write" in done.stderr.splitlines()[-1] and ".case" in done.stderr.splitlines()[-1]
        assert not list(tmp_path.rglob("*.part"))


def test_ctrl_c_is_one_sentence(dataset, tmp_path, arguments, tiny_train):
    args = arguments(dataset, tmp_path / "run", 10**6, "--epoch", "1", "--workers", "2")
    listen = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731 - a background job ignores Ctrl-C
    words = [sys.executable, "-c", tiny_train, *args]
    running = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=listen)
    until = time.monotonic() + 120
    while not (tmp_path / "run" / "last.ckpt").exists() and running.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does it, to the workers too
    said = running.communicate(timeout=120)[1]
    assert running.returncode == 130 and "Traceback" not in said
    assert said.splitlines()[-1].startswith("Interrupted") and "KeyboardInterrupt" not in said


def test_a_new_run_begins_its_logs_anew(dataset, tmp_path, tiny_default):
    out = tmp_path / "run"
    for _ in range(2):
        train(Options(out, data=dataset, steps=2, epoch=2, workers=0, device="cpu"))
        with (out / "csv" / "from-0" / "metrics.csv").open() as file:
            assert [row["step"] for row in csv.DictReader(file) if row["loss"]] == ["1", "2"]
        (out / "last.ckpt").unlink()
