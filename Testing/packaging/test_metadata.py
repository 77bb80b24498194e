"""What the Extensions Index checks, as far as it can be checked without the network."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import pytest

from CarotidLandmarkLib import __version__

ROOT = Path(__file__).resolve().parents[2]
ENTRY = ROOT / "Resources" / "CarotidLandmark.json"
# Of the schema of catalogue entries, version 1.0.2: what must be there, and what may be, with its type.
REQUIRED = {"$schema", "category", "scm_url"}
PROPERTIES = {
    **dict.fromkeys(("$schema", "category", "scm_url", "scm_revision", "scm_type", "build_subdirectory"), str),
    **{"build_dependencies": list, "dicom_support_rule": str, "enabled": bool, "tier": int},
}
# Of the categories that the index accepts, those that could hold this extension.
CATEGORIES = {"Analysis", "Quantification", "Segmentation", "Vascular Modeling Toolkit"}


@pytest.fixture(scope="module")
def entry() -> dict:
    return json.loads(ENTRY.read_text(encoding="utf-8"))


def png_size(path: Path) -> tuple[int, int]:
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", data[16:24])


def test_what_is_cited_is_this_version() -> None:
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_entry_keeps_to_the_schema(entry: dict) -> None:
    assert entry["$schema"].endswith("/slicer-extension-catalog-entry-schema-v1.0.2.json#")
    assert set(entry) >= REQUIRED
    assert {key: type(value) for key, value in entry.items()} == {key: PROPERTIES.get(key) for key in entry}
    assert 1 <= entry["tier"] <= 5 and all(isinstance(name, str) for name in entry["build_dependencies"])
    assert entry["scm_url"].startswith("https://") and "slicer" in Path(entry["scm_url"]).stem.lower()
    assert entry["category"] in CATEGORIES


def test_entry_and_cmake_say_the_same(entry: dict, metadata: dict[str, str]) -> None:
    assert metadata["PROJECT"] == ENTRY.stem and "slicer" not in ENTRY.stem.lower()
    assert metadata["CATEGORY"] == entry["category"]
    assert metadata["DEPENDS"].split() == entry["build_dependencies"] == []
    assert f"{metadata['HOMEPAGE']}.git" == entry["scm_url"]
    assert metadata["CONTRIBUTORS"] and "not for clinical use" in metadata["DESCRIPTION"]


def test_the_urls_are_quoted_and_lead_to_images_of_this_repository(metadata: dict[str, str], entry: dict) -> None:
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert re.search(r'set\s*\(EXTENSION_ICONURL\s*"([^"]+)"[ ]*\)', text)
    base = metadata["HOMEPAGE"].replace("github.com", "raw.githubusercontent.com") + f"/{entry['scm_revision']}/"
    screenshots = metadata["SCREENSHOTURLS"].split()
    for url in (metadata["ICONURL"], *screenshots):
        assert url.startswith(base)
        assert min(png_size(ROOT / url[len(base) :])) > 0, url
    if list((ROOT / "Resources" / "Screenshots").glob("*.png")):
        assert screenshots, "EXTENSION_SCREENSHOTURLS names none of Resources/Screenshots"


def test_the_icons_are_there_and_the_same() -> None:
    icons = [ROOT / "Resources" / "CarotidLandmark.png", ROOT / "CarotidLandmark/Resources/Icons/CarotidLandmark.png"]
    assert [png_size(icon) for icon in icons] == [(128, 128)] * 2
    assert icons[0].read_bytes() == icons[1].read_bytes()


def test_the_licence_is_one_that_the_index_takes() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
