"""The corrections of a folder, every revision, and each reader's last word on each case."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ...errors import BadInputError
from ...landmarks.corrections import Correction, all_revisions, read_revision

PLACED = ("accepted", "moved")


def read_all(folder: str | os.PathLike[str], failed: dict[str, str] | None = None) -> list[Correction]:
    """Every revision in ``folder`` that can be read and is in its case's folder, by case, oldest first.

    ``failed`` gets the sentences of the others by "case/revision", and of cases that may not be looked into by "case".
    Raises BadInputError for a folder without any.
    """
    failed = {} if failed is None else failed
    revisions = all_revisions(folder, failed)
    if not revisions:
        none = f"{folder} holds no corrections; give the folder that they were exported to."
        raise BadInputError(next(iter(failed.values()), none))
    found = []
    for case, folders in revisions.items():
        for revision in folders:
            try:
                found.append(read_revision(revision))
            except BadInputError as error:
                failed[f"{case}/{revision.name}"] = str(error)
    return found


def last_words(corrections: Iterable[Correction]) -> list[Correction]:
    """The newest of each reader's revisions of each case; ``corrections`` come as from ``read_all``."""
    return list({(of.case, of.reader): of for of in corrections}.values())
