"""Weights files: safetensors whose metadata holds one JSON header, and a manifest of checksums for the packaged ones.

Header: {"format": "carotid-landmark/weights/1", "name", "version", "config": ModelConfig, "training": summary,
"calibration": {"cases": the number that it rests on, "kept_from_start"}, ...}; intensity windows, scales and the
calibration itself are in the config. A `.pt` file holds {"header": ..., "state_dict": ...}. Only that, and the networks
in torch, need torch.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import numpy as np
from safetensors import SafetensorError, deserialize

from ..atomic import write_bytes, write_json
from ..errors import BadInputError, CannotRunError
from .config import ModelConfig
from .header import DEFAULT, FORMAT, METADATA_KEY, PACKAGED, checksums, read_header
from .shapes import tensor_shapes

if TYPE_CHECKING:
    from .multiscale import MultiScaleLocNet

LARGEST_BYTES = 2**30
CALIBRATION_CASES = 300  # of 24, ellipsoids of nominal 90 % hold 82 to 98.5 % of the points, of 400 87.5 to 92.4 %

PathLike = Union[str, "os.PathLike[str]"]
Tensors = dict[str, np.ndarray]
HEADER = {
    "name": str,
    "version": str,
    "training": dict,
    "calibration": dict,
    "trust": dict,
    "site": dict,
    "volumes": list,
}
KINDS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "U8": "u1", "BOOL": "?"}


@dataclass
class Weights:
    """What a weights file holds. tensors: by name, those of floating point as float32; header: with "sha256" and
    "path" added."""

    config: ModelConfig
    tensors: Tensors
    header: dict[str, Any]

    def check(self) -> None:
        """Raise BadInputError where the networks are Loc-Nets and the tensors are not theirs."""
        shapes = tensor_shapes(self.config)
        if shapes is not None:
            self.require(shapes)

    def require(self, expected: Mapping[str, tuple[int, ...]]) -> None:
        """Raise BadInputError unless the tensors are those of a network that has `expected` ones, by name and shape."""
        file = self.header["path"]
        wrong = sorted(expected.keys() ^ self.tensors.keys())
        if wrong:
            what = "lacks" if wrong[0] in expected else "has an unknown tensor"
            raise BadInputError(f"The weights file {file} {what} {wrong[0]} ({len(wrong)} such); get the file again.")
        for name, value in self.tensors.items():
            if value.shape != tuple(expected[name]) or value.dtype != np.float32:
                raise BadInputError(
                    f"The weights file {file} does not fit its own configuration: {name} is {value.shape} of "
                    f"{value.dtype} instead of {tuple(expected[name])}; get the file again."
                )
            if not np.isfinite(value).all():
                raise BadInputError(
                    f"The weights file {file} holds values that are not finite in {name}; get it again."
                )


def save_weights(path: PathLike, model: MultiScaleLocNet, metadata: dict[str, Any]) -> str:
    """Writes `model` as safetensors, float32, by rename; returns the file's sha256.

    `metadata` is added to the header and must be JSON; usual keys: "version", "training", and "name" where it is not
    that of the file, or of the folder for a weights.safetensors. Raises CannotRunError if the file cannot be written.
    """
    header = {"format": FORMAT, "name": _name_of(Path(path)), "version": "0", "training": {}}
    header = {**header, **metadata, "format": FORMAT, "config": model.config.to_dict()}
    from safetensors.torch import save as safetensors_bytes

    tensors = {name: value.detach().float().cpu().contiguous() for name, value in model.state_dict().items()}
    data = safetensors_bytes(tensors, {METADATA_KEY: json.dumps(header)})
    write_bytes(path, data)
    return hashlib.sha256(data).hexdigest()


def write_weights(path: PathLike, weights: Weights) -> str:
    """Writes `weights` as safetensors by rename, and needs no torch; returns the file's sha256. Its header says all but
    "sha256" and "path". Raises CannotRunError if the file cannot be written."""
    from safetensors.numpy import save

    header = {key: value for key, value in weights.header.items() if key not in ("sha256", "path")}
    header = {**header, "format": FORMAT, "config": weights.config.to_dict()}
    data = save(weights.tensors, {METADATA_KEY: json.dumps(header)})
    write_bytes(path, data)
    return hashlib.sha256(data).hexdigest()


def write_manifest(folder: PathLike = PACKAGED) -> dict[str, str]:
    """Writes manifest.json, the sha256 of each safetensors file in `folder`, and returns it."""
    files = sorted(Path(folder).glob("*.safetensors"))
    manifest = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    write_json(Path(folder) / "manifest.json", manifest)
    return manifest


def load_weights(path: PathLike | None = None) -> tuple[MultiScaleLocNet, dict[str, Any]]:
    """The model in torch, on the CPU in evaluation mode, and its header; raises what read_weights does, and
    BadInputError for tensors that do not fit the configuration."""
    weights = read_weights(path)
    return build_model(weights), weights.header


def read_weights(path: PathLike | None = None) -> Weights:
    """What is in the weights file at `path`; None: in the packaged one.

    A file is checked against the manifest.json beside it, if that lists it; those of the package must be listed.
    Pickled code in a `.pt` is never run. Raises BadInputError for a file that is missing, damaged, changed or foreign,
    and CannotRunError if the packaged weights are missing, or torch is for a `.pt`.
    """
    file = DEFAULT if path is None else Path(path)
    data = _read(file, packaged=path is None)
    sha256 = hashlib.sha256(data).hexdigest()
    _verify(file, sha256)
    is_torch = file.suffix.lower() in (".pt", ".pth", ".ckpt")
    header, tensors = (_parse_torch if is_torch else _parse_safetensors)(file, data)
    if header.get("format") != FORMAT:
        raise BadInputError(
            f"The weights file {file} has the format {header.get('format')!r}, and this version reads {FORMAT!r}; "
            "use weights made for this version."
        )
    wrong = next((key for key, kind in HEADER.items() if not isinstance(header.get(key), (kind, type(None)))), None)
    if wrong:
        kind = "text" if HEADER[wrong] is str else "object"
        raise BadInputError(f"The weights file {file} has a header whose {wrong} is no {kind}; get the file again.")
    try:
        config = ModelConfig.from_dict(header.get("config"))  # type: ignore[arg-type]
    except BadInputError as error:
        raise _no_model(file, error) from error
    name = header.get("name")
    if sha256 in checksums(PACKAGED).values():
        name = config.name
    elif name in (None, config.name):  # up to 0.5.0 all weights of a method had the method's name
        name = _name_of(file)
    return Weights(config, tensors, {**header, "name": name, "sha256": sha256, "path": str(file)})


def build_model(weights: Weights) -> MultiScaleLocNet:
    """The model in torch, on the CPU in evaluation mode. Raises BadInputError where the tensors do not fit it."""
    import torch

    from .multiscale import MultiScaleLocNet

    try:
        model = MultiScaleLocNet(weights.config)
    except (BadInputError, TypeError, ValueError, RuntimeError) as error:
        raise _no_model(weights.header["path"], error) from error
    weights.require({name: tuple(value.shape) for name, value in model.state_dict().items()})
    model.load_state_dict({name: torch.from_numpy(value) for name, value in weights.tensors.items()})
    return model.eval()


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


def _no_model(file: PathLike, error: Exception) -> BadInputError:
    return BadInputError(f"The weights file {file} describes no model that can be built here: {error}")


def _parse_safetensors(file: Path, data: bytes) -> tuple[dict[str, Any], Tensors]:
    try:
        tensors = {name: _as_array(told) for name, told in deserialize(data)}
    except (SafetensorError, ValueError, KeyError) as error:
        raise BadInputError(
            f"The weights file {file} is damaged or not a safetensors file ({error}); get it again."
        ) from error
    return _own(file, read_header(data)), tensors


def _as_array(told: dict[str, Any]) -> np.ndarray:
    array = np.frombuffer(told["data"], KINDS[told["dtype"]]).reshape(told["shape"])
    if told["dtype"] == "BF16":  # the upper half of a float32
        return (array.astype("<u4") << 16).view("<f4")
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _parse_torch(file: Path, data: bytes) -> tuple[dict[str, Any], Tensors]:
    try:
        import torch
    except ImportError as error:
        raise CannotRunError(f"Without torch ({error}) {file} cannot be read; use a .safetensors file.") from error
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
    arrays = {
        name: (value.float() if value.is_floating_point() else value).detach().contiguous().numpy()
        for name, value in tensors.items()
    }
    return _own(file, content.get("header")), arrays


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
    except (OSError, ValueError) as error:  # the latter for a path that no system takes
        reason = getattr(error, "strerror", None) or error
        raise BadInputError(f"The weights file {file} cannot be read ({reason}); check the path.") from error


def _verify(file: Path, sha256: str) -> None:
    packaged = file.resolve().parent == PACKAGED
    listed = checksums(PACKAGED if packaged else file.parent).get(file.name)
    if packaged and listed is None:
        raise CannotRunError(f"No checksum for {file} is in its manifest.json; install the package again.")
    if listed not in (None, sha256):
        again = "install the package again" if packaged else "it was changed or damaged since: install it again"
        raise BadInputError(f"The weights file {file} does not match its checksum; {again}.")
