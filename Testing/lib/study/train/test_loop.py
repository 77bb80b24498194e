from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from CarotidLandmarkLib.cli import main
from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.corrections import Correction, write_correction
from CarotidLandmarkLib.landmarks.files import write_markups
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.model.multiscale import MultiScaleLocNet
from CarotidLandmarkLib.model.weights import FORMAT, load_weights, save_weights
from CarotidLandmarkLib.study.methods import get
from CarotidLandmarkLib.study.train import sources
from CarotidLandmarkLib.study.train.cases import load_case, views_of
from CarotidLandmarkLib.study.train.data import POOL, RENEWED, TrainingData
from CarotidLandmarkLib.study.train.files import common_trust, identity, lineage, load_start
from CarotidLandmarkLib.study.train.loop import Options, train
from CarotidLandmarkLib.study.train.sources import CaseStore, PhantomRecipe
from CarotidLandmarkLib.volume.ct import write_volume


def start(script, args):
    return subprocess.Popen(
        [sys.executable, "-c", script, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def tensors(path):
    return load_weights(path)[0].state_dict()


@pytest.mark.parametrize("more", [(), ("--batch", "2", "--scales", "1")], ids=["single", "batches"])
def test_killed_and_resumed_training_gives_the_same_weights(dataset, tmp_path, arguments, tiny_train, more):
    whole = start(tiny_train, arguments(dataset, tmp_path / "whole", 12, *more))
    broken = start(tiny_train, arguments(dataset, tmp_path / "broken", 12, *more))
    checkpoint = tmp_path / "broken" / "last.ckpt"
    until = time.monotonic() + 120
    while not checkpoint.exists() and broken.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    os.kill(broken.pid, signal.SIGKILL)
    broken.wait()
    saved = torch.load(checkpoint, weights_only=True)["state"]["step"]
    assert not (tmp_path / "broken" / "weights.safetensors").exists()
    assert 0 < saved < 12
    resumed = start(tiny_train, arguments(dataset, tmp_path / "broken", 12, *more, "--resume"))
    assert resumed.wait() == 0, resumed.stdout.read()
    assert whole.wait() == 0, whole.stdout.read()
    one, two = (tensors(tmp_path / name / "weights.safetensors") for name in ("whole", "broken"))
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert torch.equal(value, two[name]), name
    with (tmp_path / "broken" / "csv" / f"from-{saved}" / "metrics.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file) if row["loss"]] == list(range(saved + 1, 13))


def test_two_processes_train_one_model_though_steps_leave_nets_out(dataset, tmp_path, arguments, tiny_train):
    script = tmp_path / "train.py"
    script.write_text(tiny_train)
    words = arguments(dataset, tmp_path / "run", 8, "--devices", "2", "--max-minutes", "50", "--seed", "1")
    done = subprocess.run([sys.executable, str(script), *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert load_weights(tmp_path / "run" / "weights.safetensors")[1]["training"]["steps"] == 8


def test_a_run_leaves_weights_logs_and_their_story(dataset, tmp_path, tiny, tiny_default):
    out = tmp_path / "run"
    path = train(Options(out=out, data=dataset, steps=4, epoch=2, workers=0, device="cpu"))
    model, header = load_weights(path)
    assert model.config.scales_mm == tiny.scales_mm
    assert header["training"]["steps"] == 4
    assert header["training"]["data"] == "3 volumes"
    with (out / "csv" / "from-0" / "metrics.csv").open() as file:
        epochs = [row for row in csv.DictReader(file) if row["validation/median"]]
    assert [e["step"] for e in epochs] == ["2", "4"]
    assert all(float(e["validation/mean_0.5mm"]) >= 0 for e in epochs)
    assert list((out / "tensorboard").rglob("events*"))
    assert str(tmp_path) not in json.dumps(header["training"])
    again = train(Options(out=tmp_path / "again", data=dataset, steps=0, workers=0, device="cpu", start=(path,)))
    summary = load_weights(again)[1]["training"]
    assert (summary["steps"], summary["data"]) == (0, "none; put together and calibrated")
    assert summary["stages"][0]["data"] == "3 volumes"


def test_a_folder_of_corrections_is_trained_on_as_it_stands(tmp_path, volume, truth, capsys, arguments, tiny_default):
    for case, right in (("case-a", "moved"), ("case-b", "unreviewed")):
        correction = Correction(
            case=case,
            reader="AB",
            statuses={"left": "found", "right": "review"},
            decisions={"left": "accepted", "right": right},
            prediction=LandmarkSet({**truth, "right": truth["right"] + [0, 0, 3.0]}),
            corrected=LandmarkSet(truth),
        )
        write_correction(tmp_path / "data", correction, lambda path: write_volume(volume, path, compress=False))
    assert main(arguments(tmp_path / "data", tmp_path / "run", 2)) == 0, capsys.readouterr().err
    cases = [load_case(path) for path in sorted((tmp_path / "run" / "cases").rglob("*.case"))]
    known = {case.name: case for case in cases}
    assert known["case-a"].truth["right"] == pytest.approx(truth["right"], abs=0.01)
    assert known["case-b"].unreviewed == ("right",)


def test_going_on_takes_from_each_weights_file_the_scales_it_was_trained_on(tmp_path, tiny):
    files = []
    for number, scales in enumerate(((4.0,), (2.0, 1.0, 0.5))):
        torch.manual_seed(number)
        files.append(tmp_path / f"{number}.safetensors")
        save_weights(files[-1], MultiScaleLocNet(tiny), {"training": {"options": {"scales": scales}}})
    model = MultiScaleLocNet(tiny)
    stages = [load_start(file, model)["training"] for file in files]
    assert [stage["options"]["scales"] for stage in stages] == [[4.0], [2.0, 1.0, 0.5]]
    for index, net in enumerate(model.nets):
        source = load_weights(files[min(index, 1)])[0].nets[index].state_dict()
        assert all(torch.equal(value, source[name]) for name, value in net.state_dict().items())


def test_going_on_keeps_the_architecture_of_the_weights(dataset, tmp_path, tiny):
    start, out = tmp_path / "start.safetensors", tmp_path / "run"
    torch.manual_seed(5)
    save_weights(start, MultiScaleLocNet(tiny), {"training": {}})
    path = train(Options(out=out, data=dataset, steps=0, workers=0, device="cpu", start=(start,)))
    assert replace(load_weights(path)[0].config, covariance_scale=tiny.covariance_scale) == tiny
    for name, value in tensors(path).items():
        assert torch.equal(value, tensors(start)[name]), name


def test_a_start_that_was_trained_at_one_scale_brings_the_others_that_it_was_trained_beside(tmp_path, tiny):
    first, second = (MultiScaleLocNet(replace(tiny, covariance_scale=(number,) * 4)) for number in (2.0, 3.0))
    files = [tmp_path / "first.safetensors", tmp_path / "second.safetensors"]
    for file, of, scale in zip(files, (first, second), (0.5, 2.0)):
        save_weights(file, of, {"training": {"options": {"scales": [scale]}}})
    model = MultiScaleLocNet(tiny)
    for number, file in enumerate(files):
        load_start(file, model, first=not number)
    for net, of in zip(model.nets, (first.nets[0], second.nets[1], *first.nets[2:])):
        assert all(torch.equal(one, other) for one, other in zip(net.parameters(), of.parameters()))
    assert model.config.covariance_scale == (2.0, 3.0, 2.0, 2.0)


def test_a_start_that_says_nothing_of_its_training_is_one(tmp_path, tiny):
    model, file = MultiScaleLocNet(tiny), tmp_path / "start.pt"
    header = {"format": FORMAT, "name": "x", "version": "1", "config": tiny.to_dict()}
    torch.save({"header": header, "state_dict": model.state_dict()}, file)
    told = load_start(file, MultiScaleLocNet(tiny), first=True)
    assert lineage([told["training"]]) == [{}]


def test_processes_and_what_is_kept_of_presence_belong_to_a_run(tmp_path, tiny):
    plain = Options(tmp_path)
    for other in (replace(plain, devices=2), replace(plain, keep_presence=True)):
        assert identity(tiny, plain, [], "") != identity(tiny, other, [], "")


@pytest.mark.parametrize("method", [None, "default"])
@pytest.mark.parametrize("count", [3, 12])
def test_few_volumes_leave_the_calibration_of_the_start(dataset, tmp_path, tiny, count, method, tiny_default):
    for number in range(3, count):
        for suffix in (".nrrd", ".mrk.json"):
            os.link(dataset / f"a{suffix}", dataset / f"more{number}{suffix}")
    start, kept = tmp_path / "start.safetensors", (0.26, 0.21, 0.27, 0.18)
    trust = {"weights": {"rival": 1.0}}
    told = {"training": {}, "calibration": {"cases": 400, "kept_from_start": False}, "trust": trust}
    save_weights(start, MultiScaleLocNet(replace(tiny, covariance_scale=kept)), told)
    options = Options(tmp_path / "run", method, data=dataset, steps=1, workers=0, device="cpu", start=(start,))
    model, header = load_weights(train(options))
    assert model.config.covariance_scale == kept
    assert header["calibration"] == {"cases": 400, "kept_from_start": True} and header["trust"] == trust


def test_a_calibration_says_how_many_cases_it_rests_on(case, tiny, dataset, tmp_path, monkeypatch, tiny_default):
    for split, number in (("train", 1), ("val", 20)):
        (tmp_path / split).mkdir()
        for n in range(number):
            case.save(tmp_path / split / f"{n}.case")
    start = tmp_path / "start.safetensors"
    save_weights(start, MultiScaleLocNet(replace(tiny, covariance_scale=(9.0,) * 4)), {"training": {}})
    monkeypatch.setattr("CarotidLandmarkLib.study.train.validate.GROSS_MM", 1e6)
    options = Options(tmp_path / "run", cases=tmp_path, steps=0, workers=0, device="cpu", start=(start,))
    model, header = load_weights(train(options))
    assert header["calibration"] == {"cases": 20, "kept_from_start": False}
    assert 9.0 not in model.config.covariance_scale


@pytest.mark.parametrize(
    ("architecture", "more", "sentence"),
    [
        ({}, {"method": "default"}, "another architecture"),
        ({"name": "unheard-of"}, {}, "unheard-of"),
        ({"scales_mm": (5.0, 3.0)}, {"method": "default"}, "other scales"),
        ({}, {"scales": (3.0,)}, "3 is no scale"),
    ],
)
def test_weights_that_do_not_fit_are_refused(dataset, tmp_path, tiny, architecture, more, sentence):
    start = tmp_path / "start.safetensors"
    levels = len(architecture.get("scales_mm", tiny.scales_mm))
    fitting = {"channels": tiny.channels[:levels], "convs": tiny.convs[:levels], "covariance_scale": (1.0,) * levels}
    save_weights(start, MultiScaleLocNet(replace(tiny, **fitting, **architecture)), {"training": {}})
    with pytest.raises(BadInputError, match=sentence):
        train(Options(out=tmp_path / "run", data=dataset, steps=0, workers=0, device="cpu", start=(start,), **more))


def test_the_story_of_weights_names_each_training_once():
    first, coarse, fine = ({"steps": steps} for steps in (10, 20, 30))
    merged = {"steps": 0, "stages": lineage([coarse | {"stages": [first]}, fine | {"stages": [first]}])}
    again = [{"steps": steps, "stages": [merged]} for steps in (40, 50)]
    assert [stage["steps"] for stage in lineage(again)] == [10, 20, 30, 0, 40, 50]
    assert not any("stages" in stage for stage in lineage(again))


def test_a_finished_run_is_not_overwritten_by_mistake(dataset, tmp_path, capsys, arguments):
    out = tmp_path / "run"
    out.mkdir()
    (out / "last.ckpt").write_bytes(b"")
    assert main(arguments(dataset, out, 4)) == 2
    assert "--resume" in capsys.readouterr().err


def test_nothing_to_train_on_is_a_sentence(tmp_path, capsys):
    assert main(["train", "--out", str(tmp_path / "run")]) == 2
    assert "--phantoms" in capsys.readouterr().err


def test_bad_data_stop_training_before_it_starts(dataset, tmp_path, capsys, arguments):
    (dataset / "b.mrk.json").unlink()
    (dataset / "c.mrk.json").write_text("{}")
    assert main(arguments(dataset, tmp_path / "run", 4)) == 2
    text = capsys.readouterr().err
    assert "b.mrk.json" in text and "c.mrk.json" in text
    assert not (tmp_path / "run" / "last.ckpt").exists()


def test_cases_that_are_kept_are_of_these_volumes_points_and_scales(dataset, tmp_path, tiny, truth, volume):
    def right_point(config=tiny):
        options = Options(tmp_path / "run", data=dataset, workers=0, cache=tmp_path / "cache")
        data = TrainingData(options, config, get("default").recipe, "cpu")
        points = [data.case(n).truth["right"] for n in range(3)] + [c.truth["right"] for c in data.validation_cases()]
        return np.unique(np.round(points, 3), axis=0).tolist(), len(list((tmp_path / "cache").rglob("*.case")))

    assert right_point() == ([pytest.approx(truth["right"], abs=1e-3)], 3)
    assert right_point()[1] == 3, "what is the same is made once"
    moved = {**truth, "right": truth["right"] + [0, 0, 9.0]}
    for name in ("a", "b", "c"):
        write_markups(dataset / f"{name}.mrk.json", LandmarkSet(moved))
    assert right_point() == ([pytest.approx(moved["right"], abs=1e-3)], 6)
    assert right_point(replace(tiny, crop_size=24))[1] == 9
    for name in ("a", "b", "c"):
        write_volume(replace(volume, array=volume.array + np.int16(1)), dataset / f"{name}.nrrd", compress=False)
    assert right_point()[1] == 12


def test_phantoms_that_are_kept_are_of_this_code_and_scaffold(tmp_path, tiny, monkeypatch):
    (tmp_path / "labels.json").write_text("{}")
    (tmp_path / "a.nii.gz").write_text("one")
    store = CaseStore(PhantomRecipe("train", 0, [tmp_path / "a.nii.gz"], 1.0), views_of(tiny), tmp_path / "cache")
    paths = [store.path(0)]
    (tmp_path / "b.nii.gz").write_text("two")
    other = PhantomRecipe("train", 0, [tmp_path / "b.nii.gz"], 1.0)
    paths.append(CaseStore(other, views_of(tiny), tmp_path / "cache").path(0))
    monkeypatch.setattr(sources, "source_digest", lambda: "other code")
    paths.append(CaseStore(other, views_of(tiny), tmp_path / "cache").path(0))
    assert len({path.name[-21:] for path in paths}) == 3


def test_online_phantoms_are_renewed_and_their_order_is_fixed(tmp_path, tiny):
    options = Options(out=tmp_path, phantoms="online", workers=0)
    data, again = (TrainingData(options, tiny, get("default").recipe, "cpu") for _ in range(2))
    first = [data._locate(i)[1] for i in range(POOL)]
    second = [data._locate(i)[1] for i in range(POOL, 2 * POOL)]
    assert sorted(first) == list(range(POOL))
    assert sorted(second) == list(range(RENEWED, POOL + RENEWED))
    assert [again._locate(i)[1] for i in range(POOL)] == first


def test_the_share_on_scaffolds_is_kept(tmp_path):
    maps = [tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"]
    recipe = PhantomRecipe("train", 0, maps, 0.4)
    built = [recipe.scaffold_of(seed) for seed in range(100)]
    assert sum(b is not None for b in built) == 40
    assert {b for b in built if b} == set(maps)
    assert PhantomRecipe("train", 0, maps, 1.0).scaffold_of(7) is not None
    assert PhantomRecipe("train", 0, (), 0.5).scaffold_of(7) is None


def test_what_weights_say_of_trust_stays_with_what_is_trained_from_them():
    told = {"weights": {"rival": 1.0}}
    assert common_trust([{"trust": told}, {"trust": dict(told)}]) == told
    assert common_trust([{"trust": told}, {}]) is None and common_trust([]) is None
