"""`carotid-landmark watch` in a storm: series that arrive at random moments, bad ones among them, while it is killed.

    python Testing/benchmarks/watch_storm.py [--series 200] [--half 20] [--twice 20] [--gone 5] [--kills 10]
    python Testing/benchmarks/watch_storm.py --crowd 100000

The reader, the SR and all that is written are real; the detector looks at nothing. Prints a line of JSON, and what went
wrong: exit code 1. With --crowd: how long a look at so many folders of a series takes, and how much memory it holds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

import psutil  # noqa: E402

from CarotidLandmarkLib.intake.arrivals import Arrivals, Arrived  # noqa: E402
from CarotidLandmarkLib.landmarks.detection import read_detection  # noqa: E402
from Testing.lib.intake.still import PERSON, SECRETS, write_series  # noqa: E402

PATIENCE_S = 600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, count in (("series", 200), ("half", 20), ("twice", 20), ("gone", 5), ("kills", 10), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--quiet-for", type=float, default=3.0)
    parser.add_argument("--crowd", type=int)
    args = vars(parser.parse_args())
    count = args.pop("crowd")
    with tempfile.TemporaryDirectory() as folder:
        told = crowd(Path(folder), count) if count else Storm(Path(folder), **args).run()
    print(json.dumps(told))
    sys.exit(bool(told["wrong"]))


def crowd(folder: Path, count: int) -> dict[str, object]:
    """``count`` folders with a series of one small image each: looked at until all are answered, and once more."""
    (template,) = write_series(folder / "template", "1.2.826.1000000", slices=1).iterdir()
    data = template.read_bytes()[:2000]
    for number in range(count):
        home = folder / "in" / str(number)
        home.mkdir(parents=True)
        (home / "1.dcm").write_bytes(data.replace(b"1000000", f"{1000000 + number}".encode()))
    process, seconds = psutil.Process(), {}
    before, arrivals, seen = process.memory_info().rss, Arrivals(folder / "in", 0.0), set()
    for what in ("new", "to be settled", "settled"):
        started = time.perf_counter()
        for one in arrivals.look():
            arrivals.answered(one)
            seen.add(one.name)
        seconds[what] = round(time.perf_counter() - started, 2)
    wrong = [f"{len(seen)} of {count}"] * (len(seen) != count)
    return {"series": count, "seconds": seconds, "MB": (process.memory_info().rss - before) >> 20, "wrong": wrong}


class Storm:
    """``series`` good ones, ``half`` more with a file that is cut off, every second of which is whole in the end,
    ``gone`` more that go before they have been quiet; ``twice`` of the good ones are sent again.

    sr: whether to write reports. slowly: files are written in two pieces, with pauses, as a receiver does.
    """

    def __init__(
        self,
        folder: Path,
        series: int,
        half: int,
        twice: int,
        gone: int,
        kills: int,
        seed: int = 0,
        quiet_for: float = 3.0,
        sr: bool = True,
        slowly: bool = True,
    ) -> None:
        self.depot, self.root, self.out = (folder / name for name in ("depot", "in", "out"))
        self.root.mkdir()
        self.rng, self.kills, self.quiet_for, self.sr, self.slowly = random.Random(seed), kills, quiet_for, sr, slowly
        kinds = ["done"] * series + ["half"] * (half // 2) + ["mended"] * (half - half // 2) + ["gone"] * gone
        self.kind = {f"1.2.826.{number}": kind for number, kind in enumerate(kinds)}
        self.twice = self.rng.sample([uid for uid, kind in self.kind.items() if kind == "done"], twice)
        self.said: list[str] = []
        self.wrong: list[str] = []
        self.published: defaultdict[str, set[tuple[int, int]]] = defaultdict(set)
        self.ended = threading.Event()

    def run(self) -> dict[str, object]:
        for uid in self.kind:
            write_series(self.depot / uid, uid)
        started = time.monotonic()
        observer, sender = threading.Thread(target=self._observe), threading.Thread(target=self._send)
        observer.start()
        sender.start()
        killed = 0
        process = self._start()
        while killed < self.kills:
            while not self._is_at_work() and not self._is_all_told():
                time.sleep(0.01)
            time.sleep(self.rng.uniform(0, 4.0 if self.slowly else 0.2))
            process.kill()
            self._ended(process)
            killed += 1
            process = self._start()
        sender.join()
        patience = time.monotonic() + PATIENCE_S
        while not self._is_all_told() and time.monotonic() < patience and process.poll() is None:
            time.sleep(0.1)
        time.sleep(2 * self.quiet_for)  # for what should not come
        process.send_signal(signal.SIGTERM)
        code = self._ended(process)
        self.ended.set()
        observer.join()
        self._judge(code)
        told = {"kinds": Counter(self.kind.values()), "twice": len(self.twice), "kills": killed, "exit_code": code}
        return {**told, "seconds": round(time.monotonic() - started, 1), "wrong": self.wrong}

    def _start(self) -> subprocess.Popen[str]:
        words = ["watch", str(self.root), str(self.out), "--quiet-for", str(self.quiet_for), "--every", "0.1"]
        command = [sys.executable, "-m", "Testing.lib.intake.still", *words, *["--no-sr"] * (not self.sr)]
        env = {**os.environ, "PYTHONPATH": str(ROOT), "STILL_SECONDS": "0.05"}
        return subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True)

    def _ended(self, process: subprocess.Popen[str]) -> int:
        self.said.append(process.communicate(timeout=300)[1])
        return process.returncode

    def _send(self) -> None:
        """Everything once, in a random order; then what comes later, after the first answer to it."""
        uids = list(self.kind)
        self.rng.shuffle(uids)
        for uid in uids:
            self._drop(uid, self._home(uid))
            if self.slowly:
                time.sleep(self.rng.uniform(0, 0.4))
        later = [uid for uid, kind in self.kind.items() if kind == "mended"] + self.twice
        self.rng.shuffle(later)
        for uid in later:
            kind, name = "done" if uid in self.twice else "failed", Arrived(uid, []).name
            patience = time.monotonic() + PATIENCE_S
            while name not in self._records(kind) and time.monotonic() < patience:
                time.sleep(0.1)
            again = kind == "done" and self.rng.random() < 0.5
            self._drop(uid, self.root / "sent again" / uid if again else self._home(uid), whole=True)

    def _home(self, uid: str) -> Path:
        """Receivers sort by patient and series, by study, or not at all."""
        number = int(uid.rpartition(".")[2])
        by_patient = self.root / f"{PERSON['PatientName']}-{number // 7}" / uid
        return (by_patient, self.root / f"study-{number // 6}", self.root)[number % 3]

    def _drop(self, uid: str, home: Path, whole: bool = False) -> None:
        home.mkdir(parents=True, exist_ok=True)
        files = sorted((self.depot / uid).iterdir())
        bad = None if whole or self.kind[uid] not in ("half", "mended") else self.rng.choice(files)
        for file in files:
            data, target = file.read_bytes(), home / file.name
            data = data[: self.rng.randrange(len(data) // 2, len(data))] if file == bad else data
            if not self.slowly:
                (self.root / ".part").write_bytes(data)
                os.rename(self.root / ".part", target)
                continue
            with open(target, "wb") as stream:
                stream.write(data[: len(data) // 3])
                stream.flush()
                time.sleep(self.rng.uniform(0, 0.01))
                stream.write(data[len(data) // 3 :])
        if self.kind[uid] == "gone":
            for file in files:
                (home / file.name).unlink()

    def _observe(self) -> None:
        while not self.ended.wait(0.02):
            for file in self.out.glob("*.*") if self.out.exists() else ():
                try:
                    told = file.stat()
                    if (told.st_ino, told.st_mtime_ns) in self.published[file.name]:
                        continue
                    self.published[file.name].add((told.st_ino, told.st_mtime_ns))
                    if file.name.endswith(".detection.json"):
                        read_detection(file)
                except FileNotFoundError:
                    continue
                except Exception as error:
                    self.wrong.append(f"{file.name}: {error}")

    def _records(self, kind: str) -> set[str]:
        return {file.stem for file in (self.out / ".watch" / kind).glob("*/*.json")}

    def _names(self, *kinds: str) -> set[str]:
        return {Arrived(uid, []).name for uid, kind in self.kind.items() if kind in kinds}

    def _is_at_work(self) -> bool:
        return any((self.out / ".watch").glob("staged/*"))

    def _is_all_told(self) -> bool:
        return self._records("done") >= self._names("done", "mended") and self._records("failed") >= self._names("half")

    def _judge(self, code: int) -> None:
        good, bad = self._names("done", "mended"), self._names("half")
        endings = [".detection.json", ".mrk.json", *[".sr.dcm"] * self.sr]
        seen = set(self.published) | {file.name for file in self.out.glob("*.*") if file.name != ".watch"}
        checks = {
            "exit code": code == 0,
            "results": seen - {".watch"} == {f"{name}{ending}" for name in good for ending in endings},
            "failures": self._records("failed") == bad,
            "each once": all(len(times) == 1 for name, times in self.published.items() if name != ".watch"),
            "revisions": self._revisions() <= {1},
            "nothing left": not [*self.out.glob(".watch/ready/*"), *self.out.glob(".watch/making/*")],
            "nothing begun": not list(self.out.glob(".watch/begun/*")),
            "no traceback": not any("Traceback" in text for text in self.said),
        }
        self.wrong += [what for what, right in checks.items() if not right]
        told = [path.read_text() for path in self.out.glob(".watch/**/*") if path.is_file()] + self.said
        told += [str(path.relative_to(self.out)) for path in self.out.rglob("*")]
        self.wrong += [secret for secret in (*SECRETS, "1.2.826") if any(secret in text for text in told)]

    def _revisions(self) -> set[int]:
        files = (self.out / ".watch" / "done").glob("*/*.json")
        return {json.loads(file.read_text())["revision"] for file in files}


if __name__ == "__main__":
    main()
