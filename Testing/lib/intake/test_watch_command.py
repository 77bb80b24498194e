"""`carotid-landmark watch` and `mercure` as they are called."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec

import pytest

pytest.importorskip("pydicom", minversion="3.0", reason="needs pydicom 3, of the extra [dicom]")

from CarotidLandmarkLib.cli import main  # noqa: E402
from CarotidLandmarkLib.intake.arrivals import Arrivals  # noqa: E402
from Testing.benchmarks.watch_storm import ROOT, Storm  # noqa: E402
from Testing.lib.intake.still import SECRETS, use_still_detector, write_series  # noqa: E402

needs_highdicom = pytest.mark.skipif(not find_spec("highdicom"), reason="needs highdicom, of the extra [dicom]")


@pytest.fixture
def root(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def watch(root, tmp_path, monkeypatch):
    """Runs `carotid-landmark watch in out --no-sr …`; returns its exit code."""
    use_still_detector(monkeypatch)
    return lambda *words: main(["watch", str(root), str(tmp_path / "out"), "--no-sr", *map(str, words)])


def results(tmp_path):
    return sorted(path.name for path in (tmp_path / "out").glob("*.*") if path.name != ".watch")


def test_in_a_storm_each_good_series_is_done_once_and_no_bad_one(tmp_path):
    told = Storm(tmp_path, series=16, half=4, twice=4, gone=1, kills=3, quiet_for=0.3, sr=False, slowly=False).run()
    assert told["wrong"] == [] and told["kills"] == 3


def test_once_does_what_is_there_and_tells_how_it_went(watch, root, tmp_path, capsys):
    assert watch("--once") == 0 and results(tmp_path) == []
    write_series(root / "a", "1.2.1")
    assert watch("--once", "--quiet") == 0 and len(results(tmp_path)) == 2
    write_series(root / "b", "1.2.2", slices=1)
    capsys.readouterr()
    assert watch("--once", "--quiet") == 2 and len(results(tmp_path)) == 2
    told = capsys.readouterr()
    assert told.out == "" and "WARNING" in told.err and "has 1 CT slices" in told.err and "INFO" not in told.err


def test_list_says_what_became_of_each_and_where_it_lies(watch, root, tmp_path, capsys):
    write_series(root / "a", "1.2.1")
    write_series(root / "b", "1.2.2", slices=1)
    watch("--once")
    write_series(root / "c", "1.2.3")
    capsys.readouterr()
    assert watch("--list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    places = [line.partition("  ")[2] for line in lines]
    assert places[0] == f"12 images in {root / 'a'}: done" and places[2] == f"12 images in {root / 'c'}: waiting"
    assert places[1].startswith(f"1 images in {root / 'b'}: failed: ")
    assert results(tmp_path)[0].startswith(lines[0].split()[0])


def test_list_names_the_files_that_are_in_the_way(watch, root, capsys):
    write_series(root / "a", "1.2.1")
    empty = root / "a" / f"other{next((root / 'a').iterdir()).suffix or '1'}"
    empty.touch()
    assert watch("--once", "--quiet") == 2
    capsys.readouterr()
    assert watch("--list") == 0
    said = capsys.readouterr().out
    assert "failed: 1 of 13 files" in said and f"empty, cut off or closed: {empty}" in said


def signalled(root, out, *numbers):
    """`watch` as a process to which these signals come while it is at a series: its exit code and what it said."""
    words = ["watch", root, out, "--no-sr", "--quiet-for", "0.01", "--every", "0.01"]
    command = [sys.executable, "-m", "Testing.lib.intake.still", *map(str, words)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "STILL_SIGNALS": " ".join(str(int(number)) for number in numbers)}
    done = subprocess.run(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True, timeout=100)
    return done.returncode, done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_after_the_series_it_is_at(number, code, root, tmp_path):
    for uid in ("1.2.1", "1.2.2"):
        write_series(root / uid, uid)
    told, said = signalled(root, tmp_path / "out", number)
    assert told == code and len(results(tmp_path)) == 2
    assert "Traceback" not in said


def test_a_second_interrupt_ends_it_at_once(root, tmp_path):
    write_series(root, "1.2.1")
    assert signalled(root, tmp_path / "out", signal.SIGINT, signal.SIGINT)[0] == 130
    assert results(tmp_path) == [] and not list((tmp_path / "out" / ".watch" / "begun").iterdir())


def test_signals_are_as_before_afterwards(watch):
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    assert watch("--once") == 0
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_folders_that_cannot_be_are_refused(watch, root, tmp_path, capsys):
    assert main(["watch", str(tmp_path / "none"), str(tmp_path / "out")]) == 2
    assert "is no folder" in capsys.readouterr().err
    for out in (root, root / "out"):
        assert main(["watch", str(root), str(out)]) == 2
        assert "choose another" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert main(["watch", str(root), str(tmp_path / "file"), "--no-sr"]) == 3


def test_without_highdicom_nothing_is_begun(root, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "highdicom.sr", None)
    assert main(["watch", str(root), str(tmp_path / "out")]) == 3
    assert "carotid-landmark[dicom]" in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.fixture
def mercure(root, tmp_path, monkeypatch):
    """Runs the module as mercure does, on files named as it names them; returns the exit code."""
    use_still_detector(monkeypatch)
    (tmp_path / "out").mkdir()
    monkeypatch.setenv("MERCURE_IN_DIR", str(root))
    monkeypatch.setenv("MERCURE_OUT_DIR", str(tmp_path / "out"))

    def mercure(*uids, task=None):
        for uid in uids:
            for file in write_series(tmp_path / "depot" / uid, uid, slices=1 if uid == "1.2.9" else 12).iterdir():
                file.rename(root / f"{uid}#{file.name}")
                (root / f"{uid}#{file.stem}.tags").write_text("{}")
        (root / "task.json").write_text(json.dumps({"id": "x", "process": task} if task is not None else {}))
        return main(["mercure"])

    return mercure


@needs_highdicom
def test_mercure_gets_reports_to_send_and_a_result_without_names(mercure, tmp_path):
    assert mercure("1.2.1", "1.2.2", "1.2.9", task={"settings": {"samples": 7, "other": {"a": 1}}}) == 0
    out = tmp_path / "out"
    assert len(list(out.glob("*.dcm"))) == 2 and not list(out.glob(".*"))
    told = (out / "result.json").read_text()
    result = json.loads(told)
    assert len(result["series"]) == 2 and list(result["failed"].values()) == [
        "'…' has 1 CT slices: give a whole series, of at least 4."
    ]
    assert next(iter(result["series"].values()))["left"] == {"status": "found", "presence": 0.9, "reasons": []}
    notice = result["__mercure_notification"]
    assert notice["text"].startswith("Carotid bifurcations: left found, right found;") and not notice["requested"]
    assert not [secret for secret in (*SECRETS, "1.2.1") if secret in told]
    report = json.loads(next(out.glob("*.detection.json")).read_text())
    assert report["settings"]["samples"] == 7


@needs_highdicom
@pytest.mark.parametrize(("uids", "done"), [(["1.2.1"], 1), (["1.2.1", "1.2.2"], 1), (["1.2.1", "1.2.9"], 2)])
def test_mercure_is_told_of_all_series_by_a_run_after_one_that_was_killed(uids, done, mercure, tmp_path, monkeypatch):
    looks, look = [], Arrivals.look

    def killed(arrivals):
        looks.append(arrivals)
        if len(looks) > done:
            raise KeyboardInterrupt
        return look(arrivals)

    monkeypatch.setattr(Arrivals, "look", killed)
    assert mercure(*uids) == 130 and (tmp_path / "out" / ".watch").is_dir()
    monkeypatch.setattr(Arrivals, "look", look)
    gc.collect()  # the lock goes, as with a process
    assert mercure() == 0
    told = json.loads((tmp_path / "out" / "result.json").read_text())
    assert len(told["series"]) + len(told["failed"]) == len(uids) and len(told["failed"]) == ("1.2.9" in uids)
    assert (
        len(list((tmp_path / "out").glob("*.dcm"))) == len(told["series"])
        and not (tmp_path / "out" / ".watch").exists()
    )


@needs_highdicom
def test_of_several_modules_the_settings_of_the_one_whose_turn_it_is_count(mercure, tmp_path):
    task = [{"settings": {"seed": 1}, "output": {"a": 1}}, {"settings": {"seed": 2, "no-fork": True}, "output": None}]
    assert mercure("1.2.1", task=task) == 0
    settings = json.loads(next((tmp_path / "out").glob("*.detection.json")).read_text())["settings"]
    assert settings["seed"] == 2 and settings["fork"] is False


@needs_highdicom
def test_what_mercure_cannot_use_is_refused_in_a_sentence(mercure, tmp_path, monkeypatch, capsys):
    assert mercure() == 2 and "holds no CT series" in capsys.readouterr().err
    assert mercure("1.2.9") == 2 and (tmp_path / "out" / "result.json").is_file()
    with pytest.raises(SystemExit) as left:
        mercure("1.2.1", task={"settings": {"samples": "many"}})
    assert left.value.code == 2 and "--samples: give a whole number from 1, not 'many'" in capsys.readouterr().err
    assert mercure(task="text") == 2 and "task.json is none of mercure's" in capsys.readouterr().err
    monkeypatch.delenv("MERCURE_OUT_DIR")
    assert mercure() == 2 and "MERCURE_OUT_DIR names no folder" in capsys.readouterr().err
