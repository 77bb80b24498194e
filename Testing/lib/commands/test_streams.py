"""Standard output and error that are closed, full or no terminal."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys

import pytest

from CarotidLandmarkLib import cli
from CarotidLandmarkLib.cli import main
from CarotidLandmarkLib.commands.reporter import TextReporter
from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.streams import counter, one_line
from CarotidLandmarkLib.volume.ct import write_volume

FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")


def shell(command):
    """Exit code and output, with streams that Python buffers, whatever the environment says."""
    words = f"{sys.executable} -m CarotidLandmarkLib {command}"
    buffered = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    done = subprocess.run(["bash", "-c", words], capture_output=True, text=True, env=buffered)
    return done.returncode, done.stdout, done.stderr


@FULL
def test_a_full_output_is_a_sentence_and_3():
    code, _, errors = shell("--help >/dev/full")
    assert (code, errors) == (3, "Not everything could be printed (No space left on device).\n")


@FULL
def test_a_full_stderr_changes_no_exit_code():
    assert shell("detect a.nrrd --samples 0 2>/dev/full") == (2, "", "")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(closed):
    code, _, errors = shell(f"--help {closed}")
    assert (code, errors) == (0, "")
    code, out, errors = shell(f"detect a.nrrd --samples 0 {closed}")
    assert code == 2 and out == "" and errors == ("" if "2>&-" in closed else shell("detect a.nrrd --samples 0")[2])


def test_no_file_gets_the_number_of_a_closed_stream(tmp_path):
    script = (
        "import sys\n"
        "from CarotidLandmarkLib.streams import open_closed_streams\n"
        "open_closed_streams()\n"
        "file = open(sys.argv[1], 'w')\n"
        "print('lost'), print('lost', file=sys.stderr), file.write(str(file.fileno()))\n"
    )
    words = f'{sys.executable} -c "$0" "$1" <&- >&- 2>&-'
    assert subprocess.run(["bash", "-c", words, script, str(tmp_path / "file")]).returncode == 0
    assert int((tmp_path / "file").read_text()) > 2


class Full(io.StringIO):
    def write(self, text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fileno(self):
        return os.open(os.devnull, os.O_WRONLY)


def test_a_batch_goes_on_when_its_output_is_full(detector, volume, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Detector, "from_weights", lambda *words: detector)
    for name in ("a.nrrd", "b.nrrd"):
        write_volume(volume, tmp_path / name, compress=False)
    out = tmp_path / "out"
    words = ["detect", str(tmp_path / "a.nrrd"), str(tmp_path / "b.nrrd"), "-o", str(out), "--samples", "1"]
    monkeypatch.setattr(sys, "stdout", Full())
    assert main(words) == 3
    assert len(list(out.iterdir())) == 6
    assert capsys.readouterr().err == "Not everything could be printed (No space left on device).\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("term", "codes"), [("xterm", True), ("dumb", False)])
def test_a_terminal_is_drawn_on_only_if_it_can_be(term, codes, monkeypatch):
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys, "stderr", Terminal())
    reporter = TextReporter(quiet=False)
    reporter.begin("case", 1, 1)
    reporter.progress("reading", 0.5)
    reporter.clear()
    count = counter("phantoms")
    count(1, 2)
    count(2, 2)
    text = sys.stderr.getvalue()
    assert ("\033" in text) == ("reading" in text) == ("1 of 2" in text) == codes
    assert text.endswith("2 of 2 phantoms\n")


def test_a_file_gets_no_codes_and_the_last_count_alone(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    count = counter("phantoms")
    count(1, 2)
    count(2, 2)
    assert sys.stderr.getvalue() == "2 of 2 phantoms\n"


def test_what_is_printed_of_a_name_stays_on_its_line():
    assert one_line("a\nb\x1b[31m\udcff") == "a\\nb\\x1b[31m\\udcff"
    assert one_line("ä\u00a0\u3000\u202f") == "ä\u00a0\u3000\u202f"


def test_a_library_that_ends_the_program_in_words_is_heard(monkeypatch):
    monkeypatch.setattr(cli, "_run", lambda words: sys.exit("no display"))
    with pytest.raises(SystemExit, match="no display"):
        main(["demo"])
