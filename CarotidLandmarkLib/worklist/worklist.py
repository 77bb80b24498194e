"""A worklist as one reader has it before him: its rows, what is next, how much is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from .cases import WorkCase
from .marks import Mark
from .order import Place, in_order

# What can be shown: what nobody has done; what this reader has not done, for a second reading; …
FILTERS = ("todo", "mine", "all", "review", "audit", "done")


@dataclass(frozen=True)
class Row:
    """A case as it stands. ``group`` is one of order.GROUPS.

    ``readers`` have done it, ``half`` have decided on one side, ``open_at`` have it before them elsewhere. ``state`` is
    "open", "problem", "done", "half" or "todo", the first that is true, and ``problem`` a sentence, or "".
    """

    case: WorkCase
    group: str
    readers: tuple[str, ...]
    half: tuple[str, ...]
    open_at: tuple[str, ...]
    problem: str

    @property
    def state(self) -> str:
        """See above."""
        told = ("open", self.open_at), ("problem", self.problem), ("done", self.readers), ("half", self.half)
        return next((name for name, holds in told if holds), "todo")

    @property
    def can_be_opened(self) -> bool:
        """Whether there is a volume, nothing is known to be wrong with it, and nobody else has it open."""
        return bool(self.case.volume) and self.state not in ("open", "problem")


class Worklist:
    """The cases in their order, with what is known of them, which may be changed at any time.

    ``claims`` maps a key to the readers that have the case open elsewhere, ``problems`` a case's name to a sentence, ""
    where there is none.
    """

    def __init__(self, cases: Sequence[WorkCase], marks: Iterable[Mark], reader: str) -> None:
        self.places = in_order(cases)
        self._at = {case.name: index for index, (case, _) in enumerate(self.places)}
        self.reader = reader
        self._marks: dict[str, dict[str, Mark]] = {}
        self.claims: Mapping[str, Sequence[str]] = {}
        self.problems = {case.name: case.problem for case in cases}
        self.take_in(marks)

    def take_in(self, marks: Iterable[Mark]) -> None:
        """Add marks; of one reader and case the later one counts."""
        for mark in marks:
            self._marks.setdefault(mark.key, {})[mark.reader] = mark

    def rows(self, shown: str = "all") -> list[Row]:
        """The rows that ``shown``, one of FILTERS, lets through, in their order."""
        return [row for row in map(self._row, self.places) if self._fits(row, shown)]

    def row(self, name: str) -> Row:
        """The row of the case with that name."""
        return self._row(self.places[self._at[name]])

    def after(self, name: str | None, step: int, shown: str) -> Row | None:
        """The next row below (``step`` 1) or above (-1) that can be opened, from the end on to the beginning again.

        None where there is no other than that of ``name``. From None it begins before the first row.
        """
        at = self._at.get(name or "", -1 if step > 0 else 0)
        around = ((at + step * count) % len(self.places) for count in range(1, len(self.places) + 1))
        rows = (self._row(self.places[index]) for index in around)
        return next((r for r in rows if r.case.name != name and self._fits(r, shown) and r.can_be_opened), None)

    def progress(self) -> tuple[int, int, int]:
        """Of the cases to be looked at: how many are done, how many of them by this reader, and how many there are."""
        needed = [self._marks.get(case.key or "", {}).values() for case, group in self.places if group != "sure"]
        done = [{mark.reader for mark in marks if mark.done} for marks in needed]
        return sum(map(bool, done)), sum(self.reader in readers for readers in done), len(needed)

    def _row(self, place: Place) -> Row:
        case, group = place
        marks = sorted(self._marks.get(case.key or "", {}).values())
        return Row(
            case,
            group,
            tuple(mark.reader for mark in marks if mark.done),
            tuple(mark.reader for mark in marks if mark.decided and not mark.done),
            tuple(self.claims.get(case.key or "", ())),
            self.problems[case.name],
        )

    def _fits(self, row: Row, shown: str) -> bool:
        fits: dict[str, Callable[[], bool]] = {
            "todo": lambda: row.group != "sure" and not row.readers,
            "mine": lambda: row.group != "sure" and self.reader not in row.readers,
            "all": lambda: True,
            "review": lambda: row.group in ("review", "absent"),
            "audit": lambda: row.group == "audit",
            "done": lambda: bool(row.readers),
        }
        return fits[shown]()
