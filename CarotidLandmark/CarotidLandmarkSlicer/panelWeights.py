"""Weights as the panel shows and checks them, read without torch: checksum, header, model card."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from slicer.i18n import tr as _

FORMAT = "carotid-landmark/weights/1"
LARGEST_HEADER_BYTES = 100_000_000


@dataclass(frozen=True)
class WeightsCard:
    """What a weights file says of itself; limits is a list of sentences, empty if no card lies beside the file."""

    path: str
    sha256: str
    name: str
    version: str
    trainingData: str
    limits: list


def bundledWeights():
    """Return the path of the weights that come with the module."""
    import CarotidLandmarkLib

    return str(Path(CarotidLandmarkLib.__file__).parent / "weights" / "default.safetensors")


def readWeights(path, expectedSha256=""):
    """Check the weights file ("" is the bundled one) and return its WeightsCard.

    The checksum must be expectedSha256, unless that is "", and the one in a manifest.json beside the file, if it lists
    it; the bundled file must be listed. Raises BadInputError with a sentence.
    """
    from CarotidLandmarkLib.errors import BadInputError

    file = Path(path or bundledWeights())
    if not file.is_absolute() or (file.exists() and not file.is_file()):
        raise BadInputError(_("{path} is not the whole path of a weights file; choose one.").format(path=file))
    try:
        data = file.read_bytes()
    except OSError as error:
        raise BadInputError(
            _("The weights file {path} cannot be read ({reason}); choose another one.").format(
                path=file, reason=error.strerror or error
            )
        ) from error
    sha256 = hashlib.sha256(data).hexdigest()
    listed = _listedSha256(file)
    if expectedSha256 not in ("", sha256):
        raise BadInputError(
            _("The weights file {path} has changed since it was chosen; choose it again if that was meant.").format(
                path=file
            )
        )
    if listed not in (None, sha256) or (listed is None and not path):
        raise BadInputError(
            _("The weights file {path} does not match its checksum; get the file again.").format(path=file)
        )
    header = _header(data)
    if header is None:
        raise BadInputError(
            _("{path} holds no weights of CarotidLandmark; choose a .safetensors file that was made for it.").format(
                path=file
            )
        )
    training = header.get("training")
    return WeightsCard(
        path=str(file),
        sha256=sha256,
        name=str(header.get("name", "")),
        version=str(header.get("version", "")),
        trainingData=str(training.get("data") or "") if isinstance(training, dict) else "",
        limits=_limits(file.with_name("CARD.md")),
    )


def _listedSha256(file):
    try:
        return json.loads(file.with_name("manifest.json").read_text(encoding="utf-8")).get(file.name)
    except (OSError, ValueError, AttributeError):
        return None


def _header(data):
    """Return the header of our own inside that of safetensors (8 bytes of length, then JSON), or None."""
    length = int.from_bytes(data[:8], "little")
    try:
        if not 0 < length < LARGEST_HEADER_BYTES:
            return None
        header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["carotid-landmark"])
        return header if header["format"] == FORMAT else None
    except (ValueError, KeyError, TypeError):
        return None


def _limits(card):
    """Return the items of the list under "## Limits" in the card, without Markdown's marks."""
    try:
        text = card.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    section = re.search(r"^## Limits\s*$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    items = re.findall(r"^- (.*?)(?=^- |\Z)", section.group(1) if section else "", re.MULTILINE | re.DOTALL)
    return [re.sub(r"[`*]", "", " ".join(item.split())) for item in items]
