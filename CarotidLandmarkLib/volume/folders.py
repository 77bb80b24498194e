"""Which folders of a tree are one DICOM case each: an examination, in one folder or in several."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from .files import suffix_of
from .headers import CT_IMAGES, is_dicom, peek

STORAGE = "1.2.840.10008.5.1.4.1.1."
NO_IMAGES = tuple(STORAGE + kind for kind in ("9.", "11.", "66", "67", "88.", "104.", "481."))  # PS3.4 B.5
NO_IMAGES += ("1.2.840.10008.1.3.10",)  # DICOMDIR


class Examined(NamedTuple):
    """What a folder holds itself: a CT or another image (none: neither), of which examination, and its series."""

    ct: bool
    image: bool
    study: tuple[str, str]
    series: str


def walk(root: Path) -> Iterator[tuple[Path, list[Path]]]:
    """`root` and every folder below with its files in order; hidden ones and what is no file (pipes) are left out.

    What cannot be looked at, as a link to nothing, is among the files: whoever reads it says so. Links to folders are
    followed, each folder once, and none to a folder that holds `root`. A folder that may not be looked into, or whose
    path is too long, has no files.
    """
    seen = {folder.resolve() for folder in (root, *root.resolve().parents)}
    folders, links = [root], list[Path]()
    while folders or links:
        folder = folders.pop() if folders else links.pop()
        if folder != root and folder.resolve() in seen:
            continue
        seen.add(folder.resolve())
        shown = [entry for entry in entries_of(folder) or [] if not entry.name.startswith(".")]
        kinds = [_kind(entry) for entry in shown]
        yield folder, [entry for entry, kind in zip(shown, kinds) if kind == stat.S_IFREG]
        for entry in reversed([entry for entry, kind in zip(shown, kinds) if kind == stat.S_IFDIR]):
            (links if os.path.islink(entry) else folders).append(entry)


def _kind(entry: Path) -> int:
    """What `entry` is or leads to, as stat.S_IFMT says it; a file where that cannot be told."""
    try:
        return stat.S_IFMT(os.stat(entry).st_mode)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # of the whole path; the folder that it is in can tell
            with suppress(OSError), os.scandir(entry.parent) as beside:
                if any(other.is_dir(follow_symlinks=False) for other in beside if other.name == entry.name):
                    return stat.S_IFDIR
        return stat.S_IFREG


def entries_of(folder: Path) -> list[Path] | None:
    """What lies in `folder`, in order; None where it may not be looked into, which some systems tell only who tries."""
    try:
        return sorted(folder.iterdir()) if os.access(folder, os.R_OK | os.X_OK) else None
    except OSError:
        return None


def dicom_files(folder: Path) -> list[Path]:
    """The DICOM files in `folder` and below, in the order of their paths."""
    return sorted(path for _, files in walk(folder) for path in files if is_dicom(path))


def dicom_cases(root: Path) -> list[Path]:
    """`root`, or the folders below, that hold one examination each; [] where no DICOM file is.

    A folder is a case where it holds CT slices itself, or folders of one patient and study that share no series.
    Files without an image (DICOMDIR, reports) make a case only where a tree has nothing else, nor another volume.
    """
    tree = list(walk(root))
    held = {folder: found for folder, files in tree if (found := _examine(folder, files))}
    kept = {folder: found for folder, found in held.items() if found.image}
    if not kept and not any(suffix_of(file) for _, files in tree for file in files):
        kept = held
    return _split(root, kept)


def _examine(folder: Path, files: list[Path]) -> Examined | None:
    """By the first CT slice in `folder`, else the first image, else any DICOM file."""
    best: Examined | None = None
    for path in files:
        if not is_dicom(path):
            continue
        told = peek(path)
        ct, image = told["class"] in CT_IMAGES, not told["class"].startswith(NO_IMAGES)
        if best is None or (ct, image) > (best.ct, best.image):
            study = (told["patient"], told["study"]) if told["study"] else ("", str(folder))
            best = Examined(ct, image, study, told["series"])
        if ct:
            break
    return best


def _split(folder: Path, held: dict[Path, Examined], top: bool = True) -> list[Path]:
    """The cases of `folder`, where `held` is all at and below it; `top`: one folder below is rather the case itself."""
    best = {path: found for path, found in held.items() if found.ct} or held
    children: dict[Path, dict[Path, Examined]] = {}
    for path in held:
        if path != folder:
            children.setdefault(folder / path.relative_to(folder).parts[0], {})[path] = held[path]
    own = folder in held and held[folder].ct
    one = len({found.study for found in best.values()}) == 1
    apart = len({found.series for found in best.values()}) == len(best)
    alone = sum(not best.keys().isdisjoint(inside) for inside in children.values()) == 1
    if one and (own or (apart and not (top and alone))):
        return [folder]
    return [folder] * own + [case for child in sorted(children) for case in _split(child, children[child], False)]
