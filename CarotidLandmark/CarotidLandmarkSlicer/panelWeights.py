"""Weights as the panel shows and checks them, read without torch: checksum, header, model card."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from slicer.i18n import tr as _


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
    from CarotidLandmarkLib.model.header import DEFAULT

    return str(DEFAULT)


def installedWeights():
    """Return (text, path) of the weights that are installed, the bundled ones, whose path is "", first."""
    from CarotidLandmarkLib.model import store

    texts = {"": _("default (comes with the module)")}
    for one in store.installed():
        text = _("{name}, installed {day}").format(name=one.reference, day=str(one.about.get("installed_at", "?"))[:10])
        texts[str(one.file)] = text + (_(", worse by its site report") if one.about.get("worse") else "")
    return [(text, path) for path, text in texts.items()]


def weightsInUse():
    """Return the path of the weights in use, "" for the bundled ones; raise CannotRunError where they are gone."""
    from CarotidLandmarkLib.model.store import file_in_use

    return str(file_in_use() or "")


def checksum(path):
    """Return the checksum of a weights file, "" for the bundled one and for what holds none, as is said on use."""
    from CarotidLandmarkLib.errors import CarotidLandmarkError

    try:
        return readWeights(path).sha256 if path else ""
    except CarotidLandmarkError:
        return ""


def readWeights(path, expectedSha256=""):
    """Check the weights file ("" is the bundled one) and return its WeightsCard.

    The checksum must be expectedSha256, unless that is "", and the one in a manifest.json beside the file, if it lists
    it; the bundled file must be listed. Raises BadInputError with a sentence.
    """
    from CarotidLandmarkLib.errors import BadInputError
    from CarotidLandmarkLib.model.header import FORMAT, checksums, read_header

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
    listed = checksums(file.parent).get(file.name)
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
    header = read_header(data) or {}
    if header.get("format") != FORMAT:
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


def _limits(card):
    """Return the items of the list under "## Limits" in the card, without Markdown's marks."""
    try:
        text = card.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    section = re.search(r"^## Limits\s*$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    items = re.findall(r"^- (.*?)(?=^- |\Z)", section.group(1) if section else "", re.MULTILINE | re.DOTALL)
    return [re.sub(r"[`*]", "", " ".join(item.split())) for item in items]
