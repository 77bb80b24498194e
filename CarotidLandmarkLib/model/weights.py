"""Weights files: safetensors whose metadata holds one JSON header, and a manifest of checksums for the packaged ones.

Header: {"format": "carotid-landmark/weights/1", "name", "version", "config": ModelConfig, "training": summary,
"calibration": {"cases": the number that it rests on, "kept_from_start"}, ...}; intensity windows, scales and the
calibration itself are in the config. A `.pt` file holds {"header": ..., "state_dict": ...}.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
from pathlib import Path
from typing import Any, Union

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors
from safetensors.torch import save as safetensors_bytes

from ..atomic import write_bytes, write_json
from ..errors import BadInputError, CannotRunError
from .config import ModelConfig
from .header import DEFAULT, FORMAT, METADATA_KEY, PACKAGED, checksums, read_header
from .multiscale import MultiScaleLocNet

LARGEST_BYTES = 2**30
CALIBRATION_CASES = 300  # of 24, ellipsoids of nominal 90 % hold 82 to 98.5 % of the points, of 400 87.5 to 92.4 %

PathLike = Union[str, "os.PathLike[str]"]
Tensors = dict[str, torch.Tensor]


def save_weights(path: PathLike, model: MultiScaleLocNet, metadata: dict[str, Any]) -> str:
    """Writes `model` as safetensors, float32, by rename; returns the file's sha256.

    `metadata` is added to the header and must be JSON; usual keys: "version", "training", and "name" where it is not
    that of the file, or of the folder for a weights.safetensors. Raises CannotRunError if the file cannot be written.
    """
    header = {"format": FORMAT, "name": _name_of(Path(path)), "version": "0", "training": {}}
    header = {**header, **metadata, "format": FORMAT, "config": model.config.to_dict()}
    tensors = {name: value.detach().float().cpu().contiguous() for name, value in model.state_dict().items()}
    data = safetensors_bytes(tensors, {METADATA_KEY: json.dumps(header)})
    write_bytes(path, data)
    return hashlib.sha256(data).hexdigest()


def write_manifest(folder: PathLike = PACKAGED) -> dict[str, str]:
    """Writes manifest.json, the sha256 of each safetensors file in `folder`, and returns it."""
    files = sorted(Path(folder).glob("*.safetensors"))
    manifest = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    write_json(Path(folder) / "manifest.json", manifest)
    return manifest


def load_weights(path: PathLike | None = None) -> tuple[MultiScaleLocNet, dict[str, Any]]:
    """The model, on the CPU in evaluation mode, and its header with "sha256" and "path" added. None: packaged weights.

    Packaged files are checked against manifest.json. Pickled code in a `.pt` is never run. Raises BadInputError for a
    file that is missing, damaged, foreign or does not fit its own configuration, and CannotRunError if the packaged
    weights are missing.
    """
    file = DEFAULT if path is None else Path(path)
    data = _read(file, packaged=path is None)
    sha256 = hashlib.sha256(data).hexdigest()
    if file.resolve().parent == PACKAGED:
        _verify(file, sha256)
    is_torch = file.suffix.lower() in (".pt", ".pth", ".ckpt")
    header, tensors = (_parse_torch if is_torch else _parse_safetensors)(file, data)
    if header.get("format") != FORMAT:
        raise BadInputError(
            f"The weights file {file} has the format {header.get('format')!r}, and this version reads {FORMAT!r}; "
            "use weights made for this version."
        )
    model = _build(file, header, tensors)
    name = header.get("name")
    if sha256 in checksums(PACKAGED).values():
        name = model.config.name
    elif name in (None, model.config.name):  # up to 0.5.0 all weights of a method had the method's name
        name = _name_of(file)
    return model, {**header, "name": name, "sha256": sha256, "path": str(file)}


def _name_of(file: Path) -> str:
    """A run of training writes weights.safetensors, and there is but one default: there the folder tells more."""
    return file.resolve().parent.name if file.stem in ("weights", "default") else file.stem


def calibration_warning(header: dict[str, Any]) -> str | None:
    """What to know of the confidence ellipsoids of weights with this header, or None where all is well."""
    told = header.get("calibration")
    cases = told.get("cases") if isinstance(told, dict) else None
    if isinstance(cases, int) and cases >= CALIBRATION_CASES:
        return None
    number = f"{cases} cases" if isinstance(cases, int) else "a number of cases that the file does not give"
    kept = " of the weights that it was started from" if isinstance(told, dict) and told.get("kept_from_start") else ""
    return (
        f"The calibration{kept} rests on {number}: with fewer than {CALIBRATION_CASES} the confidence ellipsoids may "
        "hold the landmark less or more often than they say."
    )


def _build(file: Path, header: dict[str, Any], tensors: Tensors) -> MultiScaleLocNet:
    try:
        config = ModelConfig.from_dict(header.get("config"))  # type: ignore[arg-type]
        model = MultiScaleLocNet(config)
    except (BadInputError, TypeError, ValueError, RuntimeError) as error:
        raise BadInputError(f"The weights file {file} describes no model that can be built here: {error}") from error
    expected = model.state_dict()
    wrong = sorted(expected.keys() ^ tensors.keys())
    if wrong:
        what = "lacks" if wrong[0] in expected else "has an unknown tensor"
        raise BadInputError(f"The weights file {file} {what} {wrong[0]} ({len(wrong)} such); get the file again.")
    for name, value in tensors.items():
        if value.shape != expected[name].shape or not value.is_floating_point():
            raise BadInputError(
                f"The weights file {file} does not fit its own configuration: {name} is {tuple(value.shape)} of "
                f"{value.dtype} instead of {tuple(expected[name].shape)}; get the file again."
            )
        if not value.isfinite().all():
            raise BadInputError(f"The weights file {file} holds values that are not finite in {name}; get it again.")
    model.load_state_dict(tensors)
    return model.eval()


def _parse_safetensors(file: Path, data: bytes) -> tuple[dict[str, Any], Tensors]:
    try:
        tensors = parse_safetensors(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise BadInputError(
            f"The weights file {file} is damaged or not a safetensors file ({error}); get it again."
        ) from error
    return _own(file, read_header(data)), tensors


def _parse_torch(file: Path, data: bytes) -> tuple[dict[str, Any], Tensors]:
    try:
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise BadInputError(
            f"The weights file {file} is damaged or holds code, which is never run; use a .safetensors file."
        ) from error
    except Exception as error:  # torch.load raises almost anything for a file that is not its own
        raise BadInputError(f"The weights file {file} is damaged or not a torch file; get it again.") from error
    if not isinstance(content, dict):
        content = {}
    tensors = content.get("state_dict")
    if not isinstance(tensors, dict) or not all(isinstance(value, torch.Tensor) for value in tensors.values()):
        content, tensors = {}, {}
    return _own(file, content.get("header")), tensors


def _own(file: Path, header: Any) -> dict[str, Any]:
    if not isinstance(header, dict):
        raise BadInputError(f"The weights file {file} was not made by CarotidLandmark; choose one that was.")
    return header


def _read(file: Path, packaged: bool) -> bytes:
    if packaged and not file.is_file():
        raise CannotRunError(f"The default weights are missing at {file}; install the package again or use --weights.")
    try:
        if file.stat().st_size > LARGEST_BYTES:
            raise BadInputError(f"The weights file {file} is larger than 1 GB, so it is not one of CarotidLandmark's.")
        return file.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise BadInputError(f"The weights file {file} cannot be read ({reason}); check the path.") from error


def _verify(file: Path, sha256: str) -> None:
    listed = checksums(PACKAGED).get(file.name)
    if listed is None:
        raise CannotRunError(f"No checksum for {file} is in its manifest.json; install the package again.")
    if listed != sha256:
        raise BadInputError(f"The weights file {file} does not match its checksum; install the package again.")
