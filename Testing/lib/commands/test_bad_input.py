"""The command line as a user meets it: every bad input of the issue, by subprocess or through main()."""

from __future__ import annotations

import csv
import json
import os
import resource
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CarotidLandmarkLib.cli import main
from CarotidLandmarkLib.model import weights as weights_module
from CarotidLandmarkLib.volume.ct import write_volume
from Testing.host.skipping import WITHOUT_TORCH

COMMAND = [sys.executable, "-m", "CarotidLandmarkLib", "detect", "--device", "cpu", "--samples", "1"]


def image(array, spacing=(1.0, 1.0, 1.0), vector=False):
    made = sitk.GetImageFromArray(array, isVector=vector)
    if not vector and array.ndim == 3:
        made.SetSpacing(spacing)
    return made


def ct(shape=(40, 64, 64)):
    array = np.random.default_rng(1).normal(40, 30, shape).astype(np.int16)
    array[:, :8] = -1000
    return array


def header(spacing):
    return (
        "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 64 64 40\n"
        f"space directions: ({spacing},0,0) (0,1,0) (0,0,1)\nencoding: raw\nendian: little\n\n"
    ).encode()


def write_bad_cases(folder):
    """One file of every kind of bad volume; returns their names."""

    def save(array, name, **options):
        sitk.WriteImage(image(array, **options), str(folder / name), True)

    noisy = ct().astype(np.float32)
    save(ct(), "whole.nrrd")
    save(ct(), "whole.nii.gz")
    for name in ("whole.nrrd", "whole.nii.gz"):
        data = (folder / name).read_bytes()
        (folder / name).unlink()
        (folder / name.replace("whole", "truncated_" + name[6:9])).write_bytes(data[: len(data) // 2])
    (folder / "empty.nrrd").touch()
    (folder / "text.nrrd").write_text("Dear diary,\n")
    (folder / "zero_spacing.nrrd").write_bytes(header("0") + ct().tobytes())
    (folder / "nan_spacing.nrrd").write_bytes(header("nan") + ct().tobytes())
    save(ct()[0], "flat.nrrd")
    save(np.stack([ct(), ct()]), "four_dimensions.nii")
    save(np.repeat(ct().astype(np.uint8)[..., None], 3, -1), "colour.nrrd", vector=True)
    save((ct() > 40).astype(np.uint8), "labels.nrrd")
    save(np.where(np.arange(64) > 30, np.nan, noisy).astype(np.float32), "nan_voxels.nrrd")
    save(np.where(np.arange(64) > 30, np.inf, noisy).astype(np.float32), "inf_voxels.nrrd")
    save(np.full((40, 64, 64), 7, np.int16), "constant.nrrd")
    for slices in (1, 3):
        save(ct((slices, 64, 64)), f"slices_{slices}.nrrd")
    save(ct(), "metres.nrrd", spacing=(0.001, 0.001, 0.001))
    save(np.clip(ct() + 100, 0, 255).astype(np.uint8), "screenshots.nrrd")
    return sorted(path.name for path in folder.iterdir())


def test_every_bad_volume_of_a_batch_is_a_sentence_and_a_row_and_the_good_ones_are_done(tmp_path, volume, weights):
    folder, out = tmp_path / "cases", tmp_path / "out"
    folder.mkdir()
    bad = write_bad_cases(folder)
    assert len(bad) == 17
    write_volume(volume, folder / "good.nrrd", compress=False)
    sitk.WriteImage(image(ct() + 1024), str(folder / "offset.nrrd"))
    (folder / os.fsdecode(b"n\xffme.nrrd")).write_bytes((folder / "good.nrrd").read_bytes())
    bad.append("n\\udcffme.nrrd")
    done = subprocess.run(
        [*COMMAND, str(folder), "-o", str(out), "--weights", str(weights), "--json", "--quiet"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    with open(out / "detections.csv", newline="") as file:
        rows = {row["case"]: row for row in csv.DictReader(file)}
    failed = {case for case, row in rows.items() if row["status"] == "error"}
    assert failed == {name.split(".")[0] for name in bad}
    for case in failed:
        assert case.split("\\")[0] in rows[case]["error"] and rows[case]["error"].endswith(".")
    lines = done.stderr.splitlines()
    assert len(lines) == len(bad), lines
    made = {path.name for path in out.iterdir()} - {"detections.csv", "run.json"}
    assert made == {f"{case}.{kind}" for case in ("good", "offset") for kind in ("mrk.json", "detection.json")}
    results = {e["case"]: e for e in map(json.loads, done.stdout.splitlines()) if e["event"] == "result"}
    assert any("HU" in warning for warning in results["offset"]["detection"]["warnings"])


@pytest.mark.parametrize("what", ["missing", "empty", "text folder", "empty folder", "pipe"])
def test_a_path_that_holds_no_volume_is_one_sentence_and_2(what, tmp_path, weights, capsys):
    path = tmp_path / "x.nrrd"
    if what == "empty":
        path.touch()
    elif what == "pipe":
        os.mkfifo(path)
    elif what != "missing":
        path.mkdir()
        if what == "text folder":
            (path / "notes.txt").write_text("no images here")
    out = tmp_path / "out"
    assert main(["detect", str(path), "-o", str(out), "--weights", str(weights), "--device", "cpu"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and "x.nrrd" in said.err
    assert not out.exists()
    assert main(["detect", str(path), "-o", str(out), "--weights", str(weights), "--json"]) == 2
    error, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert (error["event"], error["case"], error["exit_code"]) == ("error", "x.nrrd", 2) and "x.nrrd" in error[
        "message"
    ]
    assert (summary["event"], summary["cases"], summary["failed"]) == ("summary", 1, 1)


def test_an_empty_path_is_not_the_current_folder(good, tmp_path, weights, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["detect", "", "-o", "out", "--weights", str(weights)]) == 2
    error = capsys.readouterr().err
    assert "path" in error and "is empty" in error and not Path("out").exists()


@pytest.mark.shared
def test_an_mr_series_is_refused(shared_data, tmp_path, weights, capsys):
    series = str(shared_data / "dicom" / "siemens_mr")
    assert main(["detect", series, "-o", str(tmp_path), "--weights", str(weights), "--device", "cpu"]) == 2
    assert "MR" in capsys.readouterr().err and list(tmp_path.iterdir()) == []


@pytest.fixture
def good(tmp_path, volume):
    write_volume(volume, tmp_path / "good.nrrd", compress=False)
    return str(tmp_path / "good.nrrd")


def test_no_weights_is_3(good, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(weights_module, "DEFAULT", tmp_path / "default.safetensors")
    assert main(["detect", good, "-o", str(tmp_path / "out")]) == 3
    assert "weights are missing" in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [None, b"", b"not weights at all", "half"])
def test_wrong_weights_are_2(content, good, weights, tmp_path, capsys):
    path = tmp_path / "w.safetensors"
    if content is not None:
        path.write_bytes(weights.read_bytes()[:5000] if content == "half" else content)
    assert main(["detect", good, "-o", str(tmp_path / "out"), "--weights", str(path)]) == 2
    said = capsys.readouterr().err
    assert str(path) in said and said.count("\n") == 1 and not (tmp_path / "out").exists()


def test_cuda_without_one_is_3(good, weights, tmp_path, capsys):
    if pytest.importorskip("torch", reason=WITHOUT_TORCH).cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    assert main(["detect", good, "-o", str(tmp_path / "out"), "--weights", str(weights), "--device", "cuda"]) == 3
    assert "cuda" in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.parametrize("inside", [False, True])
def test_an_output_folder_that_cannot_be_written_is_3(inside, good, weights, tmp_path, capsys):
    out = tmp_path / "file" / "out" if inside else tmp_path / "file"
    (tmp_path / "file").write_text("mine")
    for words in (
        ["detect", good, "-o", str(out), "--weights", str(weights), "--device", "cpu"],
        ["detect", good, "-o", str(out), "--weights", str(weights), "--device", "cpu", "--json"],
        ["demo", "-o", str(out), "--weights", str(weights), "--device", "cpu"],
        *([["phantom", "--out", str(out)]] if find_spec("torch") else []),
    ):
        assert main(words) == 3
        said = capsys.readouterr()
        option = "--out" if "--out" in words else "-o"
        assert said.err.count("\n") == 1 and said.err.endswith(f"; choose another folder with {option}.\n")
        assert (tmp_path / "file").read_text() == "mine"
        if "--json" in words:
            error = json.loads(said.out)
            assert (error["event"], error["exit_code"], error["message"]) == ("error", 3, said.err.strip())


def test_an_output_folder_that_is_full_is_3_and_left_empty(good, weights, tmp_path):
    def full_disk():  # no file may grow beyond 1000 bytes
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    done = subprocess.run(
        [*COMMAND, good, "-o", str(tmp_path / "out"), "--weights", str(weights), "--json"],
        capture_output=True,
        text=True,
        preexec_fn=full_disk,
    )
    assert done.returncode == 3, done.stderr
    assert done.stderr.count("\n") == 1 and "Cannot write results" in done.stderr
    assert json.loads(done.stdout)["event"] == "error", "found out before the search, not after"
    assert list((tmp_path / "out").iterdir()) == []


def test_ctrl_c_is_130_and_leaves_nothing(good, weights, tmp_path):
    out = tmp_path / "out"
    words = [*COMMAND[:-1], "100000", good, "-o", str(out), "--weights", str(weights), "--json"]
    listen = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731 - a background job ignores Ctrl-C
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, preexec_fn=listen) as process:
        for line in process.stdout:
            if "sample" in json.loads(line)["text"]:
                process.send_signal(signal.SIGINT)
                break
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "Interrupted.\n"
    assert list(out.iterdir()) == []


def test_a_reader_that_leaves_is_no_traceback(good, weights, tmp_path):
    words = [*COMMAND, good, "-o", str(tmp_path / "out"), "--weights", str(weights), "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        errors = process.stderr.read()
    assert process.returncode == 1 and "Traceback" not in errors
