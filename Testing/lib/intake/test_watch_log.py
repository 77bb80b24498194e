"""The log of `watch` by itself."""

from __future__ import annotations

import pytest

from CarotidLandmarkLib.errors import BadInputError, CannotRunError
from CarotidLandmarkLib.intake import watch as room
from CarotidLandmarkLib.intake.watch import open_log, without_names


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (BadInputError("'/in/O'Neil/a' is cut off: copy it."), "'…' is cut off: copy it."),
        (BadInputError("'/in/x' has 'Quixote' as its Rows, not a number."), "'…' has '…' as its Rows, not a number."),
        (BadInputError("1 of 2 in '/x' are empty, 'O' first: copy."), "1 of 2 in '…' are empty, '…' first: copy."),
        (BadInputError("'/in/O'Neil/O'Brien' is cut off."), "'…' is cut off."),
        (BadInputError("'/D' Arc' holds 'Joan' twice."), "'…' twice."),
        (CannotRunError("Memory ran out; close other programs."), "Memory ran out; close other programs."),
    ],
)
def test_sentences_are_told_without_what_they_quote(error, told):
    assert without_names(error) == told


def test_the_log_goes_round(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(room, "LOG_BYTES", 200)
    monkeypatch.setattr(room, "LOG_FILES", 2)
    with open_log(tmp_path, quiet=True) as log:
        for number in range(50):
            log.info("series %d", number)
        log.warning("look")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["watch.log", "watch.log.1", "watch.log.2"]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 600
    said = capsys.readouterr().err
    assert said.endswith("WARNING look\n") and "series" not in said
