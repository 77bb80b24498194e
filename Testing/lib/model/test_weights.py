from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save as safetensors_bytes

from CarotidLandmarkLib.cli import main
from CarotidLandmarkLib.errors import BadInputError, CannotRunError
from CarotidLandmarkLib.model import weights
from CarotidLandmarkLib.model.multiscale import MultiScaleLocNet
from CarotidLandmarkLib.model.weights import (
    calibration_warning,
    load_weights,
    read_weights,
    save_weights,
    write_manifest,
)
from CarotidLandmarkLib.study.methods import get


def small_model() -> MultiScaleLocNet:
    torch.manual_seed(0)
    return MultiScaleLocNet(dataclasses.replace(get("default").config, channels=((2, 4),) * 4, convs=(1,) * 4))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_weights(tmp_path / "net.safetensors", small_model(), {"version": "3", "training": {"steps": 12}})
    return tmp_path / "net.safetensors"


def rewritten(path: Path, tensors: dict[str, torch.Tensor], **changes: object) -> None:
    header = {"format": weights.FORMAT, "config": small_model().config.to_dict(), **changes}
    path.write_bytes(safetensors_bytes(tensors, {weights.METADATA_KEY: json.dumps(header)}))


def test_a_saved_model_comes_back_with_its_header(saved: Path) -> None:
    model, header = load_weights(saved)
    assert not model.training and model.config == small_model().config
    for name, value in small_model().state_dict().items():
        assert torch.equal(model.state_dict()[name], value)
    assert (header["format"], header["name"], header["version"]) == ("carotid-landmark/weights/1", "net", "3")
    assert header["training"] == {"steps": 12} and header["config"]["window_hu"]
    assert header["sha256"] == hashlib.sha256(saved.read_bytes()).hexdigest()
    assert [file.name for file in saved.parent.iterdir()] == ["net.safetensors"]


def test_weights_of_ones_own_have_a_name_of_their_own(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = saved.parent / "my-run"
    folder.mkdir()
    save_weights(folder / "weights.safetensors", small_model(), {})
    assert load_weights(folder / "weights.safetensors")[1]["name"] == "my-run"
    tensors = small_model().state_dict()
    for file, given, name in [
        ("mine.safetensors", {"name": "default", "version": "0.5.0"}, "mine"),  # as 0.5.0 wrote it
        ("default.safetensors", {"name": "default"}, "my-run"),
        ("a.safetensors", {"name": "thin slices"}, "thin slices"),
        ("b.safetensors", {}, "b"),
    ]:
        rewritten(folder / file, tensors, **given)
        assert load_weights(folder / file)[1]["name"] == name
    monkeypatch.setattr(weights, "PACKAGED", folder)
    write_manifest(folder)
    assert load_weights(saved.rename(saved.parent / "other.safetensors"))[1]["name"] == "net"
    assert load_weights(folder / "default.safetensors")[1]["name"] == "default"


def test_a_torch_file_with_header_and_state_loads(tmp_path: Path) -> None:
    model = small_model()
    header = {"format": weights.FORMAT, "name": "x", "version": "1", "config": model.config.to_dict()}
    torch.save({"header": header, "state_dict": model.state_dict(), "step": 3}, tmp_path / "run.pt")
    assert torch.equal(load_weights(tmp_path / "run.pt")[0].nets[2].presence_bias, model.nets[2].presence_bias)


OLD = {"padding_mode": "zeros", "presence_scale": 1.0, "presence_offset": 0.0, "window_mm": 12.0, "subvoxel": False}
OLD |= {"skip_from_mm": 0.0, "integer_crops": False, "mirror_crops": True}


def test_what_older_headers_say_beside_is_read_where_it_changes_nothing(tmp_path: Path) -> None:
    config = small_model().config.to_dict()
    assert not OLD.keys() & config.keys()
    rewritten(tmp_path / "w.safetensors", small_model().state_dict(), config={**config, **OLD})
    assert load_weights(tmp_path / "w.safetensors")[0].config == small_model().config
    for key, value in {"padding_mode": "replicate", "presence_scale": 2.0, "subvoxel": True}.items():
        rewritten(tmp_path / "w.safetensors", small_model().state_dict(), config={**config, **OLD, key: value})
        with pytest.raises(BadInputError, match=key):
            load_weights(tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    ("name", "switch"),
    [
        ("skipped-voxels", {"skip_from_mm": 1.0}),
        ("integer-crops", {"integer_crops": True}),
        ("without-mirroring", {"mirror_crops": False}),
    ],
)
def test_what_was_a_switch_in_older_headers_is_the_network_of_its_method(
    name: str, switch: dict[str, object], tmp_path: Path
) -> None:
    network = get(name).config.network
    config = {**small_model().config.to_dict(), **OLD, **switch, "name": name}
    rewritten(tmp_path / "w.safetensors", small_model().state_dict(), config=config)
    model, _ = load_weights(tmp_path / "w.safetensors")
    assert model.config.network == network
    assert all(type(net) is get(name).network for net in model.nets)
    config.update(skip_from_mm=1.0, integer_crops=True)
    rewritten(tmp_path / "w.safetensors", small_model().state_dict(), config=config)
    with pytest.raises(BadInputError, match="integer_crops"):
        load_weights(tmp_path / "w.safetensors")


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_tensors_of_other_precisions_are_read_as_float32(tmp_path: Path, kind: torch.dtype) -> None:
    tensors = {name: value.to(kind) for name, value in small_model().state_dict().items()}
    rewritten(tmp_path / "w.safetensors", tensors)
    read = read_weights(tmp_path / "w.safetensors")
    assert read.tensors.keys() == tensors.keys() and read.config == small_model().config
    for name, value in tensors.items():
        assert read.tensors[name].dtype == "float32"
        assert torch.equal(torch.from_numpy(read.tensors[name]), value.float())


class Trap:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("trap_was_sprung"),))


def test_code_in_a_torch_file_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"header": {}, "state_dict": Trap()}, "trap.pt")
    with pytest.raises(BadInputError, match=r"holds code, which is never run"):
        load_weights("trap.pt")
    assert not Path("trap_was_sprung").exists()


def cut(path: Path, share: float) -> bytes:
    data = path.read_bytes()
    return data[: int(len(data) * share)]


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.02, 0.5, 0.999])
def test_a_truncated_file_is_damaged(saved: Path, share: float) -> None:
    saved.write_bytes(cut(saved, share))
    with pytest.raises(BadInputError, match="damaged"):
        load_weights(saved)


@pytest.mark.parametrize("name", ["notes.safetensors", "notes.pt", "notes"])
@pytest.mark.parametrize("content", [b"", b"These are not weights.\n" * 50, b"\xff" * 64])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInputError, match=rf"{name} is damaged"):
        load_weights(tmp_path / name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "carotid-landmark/weights/2"}, "format"),
        ({"config": None}, "no model"),
        ({"config": {"channels": [[4]]}}, "no model"),
        ({"config": {**get("default").config.to_dict(), "crop_size": 56.5, "channels": [[2.5, 4]] * 4}}, "no model"),
        ({"config": get("default").config.to_dict()}, "lacks|unknown tensor"),
        ({"config": {**small_model().config.to_dict(), "channels": [[3, 4]] * 4}}, "does not fit"),
        ({"config": {**small_model().config.to_dict(), "covariance_scale": [1, 1, 0, 1]}}, "out of range"),
        ({"config": {**small_model().config.to_dict(), "covariance_scale": [1, -1, 1, 1]}}, "out of range"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(tmp_path: Path, changes: dict, message: str) -> None:
    rewritten(tmp_path / "w.safetensors", small_model().state_dict(), **changes)
    with pytest.raises(BadInputError, match=message):
        load_weights(tmp_path / "w.safetensors")


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    tensors = {"weight": torch.zeros(3)}
    (tmp_path / "a.safetensors").write_bytes(safetensors_bytes(tensors))
    (tmp_path / "b.safetensors").write_bytes(safetensors_bytes(tensors, {weights.METADATA_KEY: "not json"}))
    torch.save(tensors, tmp_path / "c.pt")
    torch.save(torch.zeros(3), tmp_path / "d.pt")
    for name in ("a.safetensors", "b.safetensors", "c.pt", "d.pt"):
        with pytest.raises(BadInputError, match="not made by CarotidLandmark"):
            load_weights(tmp_path / name)


@pytest.mark.parametrize("damage", ["missing", "extra", "shape", "kind", "nan", "inf"])
def test_wrong_tensors_are_named(tmp_path: Path, damage: str) -> None:
    tensors, name = small_model().state_dict(), "nets.1.unet.head.bias"
    if damage == "missing":
        del tensors[name]
    elif damage == "extra":
        name = "nets.9.stray"
        tensors[name] = torch.zeros(2)
    elif damage == "shape":
        tensors[name] = torch.zeros(5)
    elif damage == "kind":
        tensors[name] = torch.zeros(1, dtype=torch.int64)
    else:
        tensors[name] = torch.full((1,), float(damage))
    rewritten(tmp_path / "w.safetensors", tensors)
    with pytest.raises(BadInputError, match=name):
        load_weights(tmp_path / "w.safetensors")


def test_a_missing_file_and_a_folder_are_bad_input(tmp_path: Path) -> None:
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(BadInputError, match="cannot be read"):
            load_weights(path)


def test_packaged_weights_must_be_there_and_match_their_manifest(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = saved.parent.resolve()
    monkeypatch.setattr(weights, "PACKAGED", folder)
    monkeypatch.setattr(weights, "DEFAULT", folder / "default.safetensors")
    with pytest.raises(CannotRunError, match="default weights are missing"):
        load_weights()
    saved.rename(folder / "default.safetensors")
    with pytest.raises(CannotRunError, match="manifest"):
        load_weights()
    manifest = write_manifest(folder)
    assert load_weights()[1]["sha256"] == manifest["default.safetensors"]
    save_weights(folder / "default.safetensors", small_model(), {"version": "4"})
    for path in (None, folder / "default.safetensors"):
        with pytest.raises(BadInputError, match="checksum"):
            load_weights(path)


def test_the_shipped_default_loads_and_is_small() -> None:
    if not weights.DEFAULT.is_file():
        pytest.skip("the default weights are not in this tree")
    model, header = load_weights()
    assert header["name"] == model.config.name and weights.DEFAULT.stat().st_size <= 8_000_000


def test_saving_into_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CannotRunError, match="Cannot write .*choose a folder"):
        save_weights(tmp_path / "none" / "w.safetensors", small_model(), {})


def test_a_torch_file_with_another_content_kind(tmp_path: Path) -> None:
    stream = io.BytesIO()
    torch.save({"header": {"format": weights.FORMAT}, "state_dict": {"a": 3}}, stream)
    (tmp_path / "w.pt").write_bytes(stream.getvalue())
    with pytest.raises(BadInputError, match="not made by CarotidLandmark"):
        load_weights(tmp_path / "w.pt")


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"cases": 300, "kept_from_start": False}, None),
        ({"cases": 24, "kept_from_start": False}, "rests on 24 cases"),
        ({"cases": 12, "kept_from_start": True}, "started from rests on 12 cases"),
        (None, "does not give"),
    ],
)
def test_a_calibration_on_few_cases_is_a_warning(
    saved: Path, capsys: pytest.CaptureFixture, told: dict | None, words: str | None
) -> None:
    save_weights(saved, small_model(), {"calibration": told})
    warning = calibration_warning(load_weights(saved)[1])
    assert (warning is None) == (words is None) and (words is None or words in str(warning))
    assert main(["model", "--weights", str(saved)]) == 0
    assert (words is None) == ("warning:" not in capsys.readouterr().out)
