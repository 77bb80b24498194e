"""Which CT series lie in a tree of folders that a DICOM receiver fills, and which of them have arrived whole.

A receiver may sort into folders or not: a series is all CT images of one Series Instance UID, wherever they lie. The
tree is looked at again and again (a network folder tells nobody of what is new), by an uncaring clock: only that a file
is other than before counts, never its time. Of folders in which nothing is left to do one digest is kept, so memory
grows with their number and not with that of their files.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ..errors import CannotRunError
from ..volume.headers import CT_IMAGES, is_empty, kind_of_name, peek

NAME_LETTERS, MARK_LETTERS = 16, 8
EMPTY = "empty"  # instead of an instance UID


class Image(NamedTuple):
    """A file, with its size in bytes and time of change in ns; ``series`` is "" where it is no CT image."""

    path: str
    size: int
    changed: int
    series: str = ""
    instance: str = ""


@dataclass(frozen=True)
class Arrived:
    """A series as it lies there now. ``empty``: files beside its own that are named like them and have no content, as a
    full disk leaves them, or that cannot be read."""

    uid: str
    files: list[Image]
    empty: tuple[Image, ...] = ()

    @cached_property
    def name(self) -> str:
        """What stands for the series in names of files and in logs, where neither UID nor folder may."""
        return hashlib.sha256(self.uid.encode("utf-8", "surrogateescape")).hexdigest()[:NAME_LETTERS]

    @cached_property
    def images(self) -> list[Image]:
        """One file an instance, the largest: a smaller one is half a copy."""
        largest: dict[str, Image] = {}
        for image in sorted(self.files, key=lambda image: (image.size, image.path)):
            largest[image.instance or image.path] = image
        return list(largest.values())

    @cached_property
    def identity(self) -> str:
        """The same for a series that was sent again as it was, wherever to; another one once it has grown."""
        return _digest(sorted((image.instance or image.path, image.size) for image in self.images)).hex()

    @cached_property
    def state(self) -> str:
        """Another one as soon as any of its files is other than it was."""
        return _digest(sorted([*self.files, *self.empty])).hex()

    @cached_property
    def marks(self) -> list[str]:
        """What stands for each file as it is, to tell some of these files from others."""
        return sorted(_digest([file]).hex()[:MARK_LETTERS] for file in self.files)

    @property
    def folder(self) -> str:
        """The innermost folder that holds all its images."""
        return os.path.commonpath([os.path.dirname(image.path) for image in self.images])

    def is_gone(self) -> bool:
        """Whether a file has gone meanwhile."""
        return not all(os.path.exists(image.path) for image in self.images)


class Listing(NamedTuple):
    """A folder's files as (name, size, time of change), its folders, and whether the marker lies in it."""

    files: list[tuple[str, int, int]]
    folders: list[str]
    marked: bool


class Arrivals:
    """Looks at the tree under ``root``. A series is whole when none of its files has changed for ``quiet_for`` seconds
    of ``clock``, or when in each of its folders, or in one above, lies a file named ``marker``.

    Hidden files and folders, and links, are left out.
    """

    def __init__(
        self, root: Path, quiet_for: float, marker: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.root, self.quiet_for, self.marker, self.clock = os.path.abspath(root), quiet_for, marker, clock
        self._open: dict[str, dict[str, Image]] = {}  # folder to its files by name
        self._settled: dict[str, tuple[bytes, tuple[str, ...]]] = {}  # folder to its digest, and the series in it
        self._homes: dict[str, tuple[str, ...]] = {}  # series to its settled folders
        self._since: dict[str, tuple[str, float]] = {}  # series to its state, and since when it is in it
        self._answered: dict[str, str] = {}  # series to the state in which it was answered

    def look(self) -> list[Arrived]:
        """The series that have arrived whole and are not answered, those first that have waited longest.

        Raises CannotRunError where the root cannot be looked into.
        """
        now = self.clock()
        marked = self._list_all()
        found: dict[str, list[Image]] = {}
        for images in self._open.values():
            for image in images.values():
                if image.series:
                    found.setdefault(image.series, []).append(image)
        series = {uid: Arrived(uid, files, self._empty_beside(files)) for uid, files in found.items()}
        before, self._since = self._since, {}
        for uid, one in series.items():
            state, since = before.get(uid, ("", now))
            self._since[uid] = (one.state, since if state == one.state else now)
        self._answered = {uid: state for uid, state in self._answered.items() if uid in series}
        due = [one for one in series.values() if self._is_whole(one, now, marked)]
        self._settle(series)
        return sorted(due, key=lambda one: (self._since[one.uid][1], one.name))

    def _empty_beside(self, files: list[Image]) -> tuple[Image, ...]:
        kinds = {(os.path.dirname(image.path), kind_of_name(image.path)) for image in files}
        beside = [other for folder in {folder for folder, _ in kinds} for other in self._open[folder].values()]
        empty = [other for other in beside if other.instance == EMPTY]
        return tuple(of for of in empty if (os.path.dirname(of.path), kind_of_name(of.path)) in kinds)

    def answered(self, series: Arrived) -> None:
        """Leave the series alone until one of its files changes."""
        self._answered[series.uid] = series.state

    def _is_whole(self, one: Arrived, now: float, marked: set[str]) -> bool:
        if self._answered.get(one.uid) == one.state:
            return False
        quiet = now - self._since[one.uid][1] >= self.quiet_for
        return quiet or all(os.path.dirname(image.path) in marked for image in one.files)

    def _list_all(self) -> set[str]:
        """Bring what is known of all folders up to date; return those with a marker."""
        here, marked = set(), set()
        for folder, listing in self._walk():
            here.add(folder)
            if listing.marked:
                marked.add(folder)
            if folder not in self._settled or self._settled[folder][0] != _digest(listing.files):
                self._unsettle(folder)
                self._read(folder, listing)
        for folder in [folder for folder in self._settled if folder not in here]:
            self._unsettle(folder)
        for folder in [folder for folder in self._open if folder not in here]:
            del self._open[folder]
        self._join()
        return marked

    def _join(self) -> None:
        """Open the settled folders that hold more of a series in an open one."""
        waiting = list(self._open)
        while waiting:
            for uid in {image.series for image in self._open[waiting.pop()].values()}:
                for folder in self._homes.get(uid, ()):
                    self._unsettle(folder)
                    try:
                        self._read(folder, self._list(folder))
                    except OSError:  # gone meanwhile
                        continue
                    waiting.append(folder)

    def _settle(self, series: dict[str, Arrived]) -> None:
        """Keep a digest alone of the folders all of whose series are answered."""
        for folder, images in list(self._open.items()):
            uids = tuple({image.series for image in images.values()} - {""})
            if all(self._answered.get(uid) == series[uid].state for uid in uids):
                files = sorted((name, image.size, image.changed) for name, image in images.items())
                self._settled[folder] = (_digest(files), uids)
                for uid in uids:
                    self._homes[uid] = (*self._homes.get(uid, ()), folder)
                del self._open[folder]

    def _unsettle(self, folder: str) -> None:
        for uid in self._settled.pop(folder, (b"", ()))[1]:
            self._homes[uid] = tuple(home for home in self._homes[uid] if home != folder)
            if not self._homes[uid]:
                del self._homes[uid]

    def _read(self, folder: str, listing: Listing) -> None:
        known, images = self._open.get(folder, {}), {}
        for name, size, changed in listing.files:
            image = known.get(name)
            if image is None or (image.size, image.changed) != (size, changed):
                image = _look_into(Image(os.path.join(folder, name), size, changed))
            images[name] = image
        self._open[folder] = images

    def _walk(self) -> Iterator[tuple[str, Listing]]:
        """The root and all folders below; one that cannot be looked into is left out."""
        try:
            waiting = [(self.root, self._list(self.root))]
        except OSError as error:
            raise CannotRunError(
                f"The folder to watch cannot be looked into ({error.strerror}): see that it is there and may be read."
            ) from error
        while waiting:
            folder, listing = waiting.pop()
            yield folder, listing
            for name in listing.folders:
                path = os.path.join(folder, name)
                try:
                    below = self._list(path)
                except OSError:  # gone, or forbidden
                    continue
                inherits = listing.marked and folder != self.root
                waiting.append((path, below._replace(marked=below.marked or inherits)))

    def _list(self, folder: str) -> Listing:
        files, folders, marked = [], [], False
        with os.scandir(folder) as entries:
            for entry in entries:
                marked = marked or (entry.name == self.marker)
                if entry.name.startswith(".") or entry.name == self.marker:
                    continue
                try:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.name)
                    elif entry.is_file(follow_symlinks=False):
                        told = entry.stat(follow_symlinks=False)
                        files.append((entry.name, told.st_size, told.st_mtime_ns))
                except OSError:  # gone meanwhile
                    continue
        return Listing(sorted(files), folders, marked)


def _look_into(image: Image) -> Image:
    path = Path(image.path)
    try:
        told = peek(path)
    except FileNotFoundError:
        return image._replace(changed=-1)
    except OSError:  # forbidden, or the network fails: the next look is at another file, and there is no answer without
        return image._replace(changed=-1, instance=EMPTY)
    if told["class"] not in CT_IMAGES:
        return image._replace(instance=EMPTY if is_empty(path) else "")
    return image._replace(series=told["series"] or f"without UID in {path.parent}", instance=told["instance"])


def _digest(values: Iterable[tuple[object, ...]]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for value in values:
        digest.update(repr(value).encode("utf-8", "surrogateescape"))
    return digest.digest()
