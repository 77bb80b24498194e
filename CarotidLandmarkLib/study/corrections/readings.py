"""The corrections of a folder, every revision, and each reader's last word on each case."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ...errors import BadInputError
from ...landmarks.corrections import Correction, all_revisions, read_correction

PLACED = ("accepted", "moved")


def read_all(folder: str | os.PathLike[str], failed: dict[str, str] | None = None) -> list[Correction]:
    """Every revision in ``folder`` that can be read, by case, oldest first.

    ``failed`` gets the sentences of the others by "case/revision". Raises BadInputError for a folder without any.
    """
    revisions = all_revisions(folder)
    if not revisions:
        raise BadInputError(f"{folder} holds no corrections; give the folder that they were exported to.")
    found = []
    for case, folders in revisions.items():
        for revision in folders:
            try:
                found.append(read_correction(revision))
            except BadInputError as error:
                if failed is not None:
                    failed[f"{case}/{revision.name}"] = str(error)
    return found


def last_words(corrections: Iterable[Correction]) -> list[Correction]:
    """The newest of each reader's revisions of each case; ``corrections`` come as from ``read_all``."""
    return list({(of.case, of.reader): of for of in corrections}.values())
