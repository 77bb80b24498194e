"""`python -m CarotidLandmarkLib.detect.worker`: a Detector that stays loaded and speaks JSON, one object a line.

Requests on stdin:
    {"id": 1, "command": "detect", "path": "…"}, and if wanted "case", "output" (a folder for the files), "series",
    "spacing" (three numbers), "samples", "confidence", "seed", "fork" (whether to look at the lumen), "picture"
    (whether to draw one into "output"), "device", "backend", "weights", and "temporary": true for a volume that nobody
    else needs
    {"id": 1, "command": "picture", "path": "…", "detection": {…}, "readings": {side: {"decision": "…",
    "position_lps_mm": […] or null}}, "output": "…"}, and if wanted "temporary": the key image of a detection that was
    made in this volume, as a reader has left it, to the file "output"
    {"id": 1, "command": "describe"}, and if wanted "weights": what could be detected with, and where
    {"id": 1, "command": "cancel"}, which stops that request, begun or still waiting
Events on stdout, each with the request's "id" but for the first and the heartbeat:
    hello {protocol, version, pid}; heartbeat {}, every few seconds, also while detecting; progress {text, fraction};
    and at the end of each request one of result {detection, files, lumens}, picture {file}, description {devices,
    model}, error {message, exit_code, reason, device}, cancelled {}. The lumens are by side, each as
    landmarks.forks.Lumen packs it; the reason is "out_of_memory" or null; devices are those of list_devices; model is
    {name, version, sha256, path, data, warnings, card}, the warnings sentences, or {path, problem} with a sentence.
Requests are worked off in their order. The worker ends when stdin does, after the last of them; with
--exit-with-parent at once, in the middle of a detection too, or when nobody reads its stdout any more, and it takes
temporary volumes with it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, TextIO

from .. import __version__
from ..atomic import as_json
from ..errors import BadInputError, CancelledError, CarotidLandmarkError, FaultError, OutOfMemoryError, as_sentence
from ..landmarks.detection import Detection
from ..landmarks.reading import Reading
from ..model.store import card_of
from ..model.weights import calibration_warning, read_weights
from ..volume.read import find_cases
from .case import Settings, detect_case, draw_case
from .detector import Detector
from .device import is_out_of_memory, list_devices
from .results import check_case, mend_cases, prepare_folder, write_case

PROTOCOL = "carotid-landmark/worker/1"
HEARTBEAT_S = 2.0
FAULT = 1  # exit_code of an error that is a fault of ours


class Worker:
    """Reads requests from one stream and answers on another."""

    def __init__(
        self, requests: TextIO, events: TextIO, heartbeat_s: float = HEARTBEAT_S, exit_with_parent: bool = False
    ) -> None:
        self.requests = requests
        self.events = events
        self.heartbeat_s = heartbeat_s
        self.exit_with_parent = exit_with_parent
        self.waiting: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.cancelled: set[Any] = set()
        self.temporary: list[Path] = []
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self.loaded: tuple[Any, Detector | None] = (None, None)

    def run(self) -> None:
        self._emit("hello", protocol=PROTOCOL, version=__version__, pid=os.getpid())
        threads = [threading.Thread(target=target, daemon=True) for target in (self._listen, self._beat)]
        for thread in threads:
            thread.start()
        for request in iter(self.waiting.get, None):
            self._answer(request)
        self.ended.set()
        for thread in threads:  # one that still holds a stream when the interpreter ends would abort the process
            thread.join()

    def _listen(self) -> None:
        for line in self.requests:
            if not line.strip():
                continue
            try:
                request = json.loads(line)
                hash(request.get("id"))
                if request["command"] == "cancel":
                    self.cancelled.add(request["id"])
                elif request["command"] == "describe" or (
                    request["command"] in ("detect", "picture") and isinstance(request["path"], str)
                ):
                    if request.get("temporary"):
                        self.temporary.append(Path(request["path"]))
                    self.waiting.put({"id": None, **request})
                else:
                    raise ValueError(f"the command {request['command']!r} with the path {request.get('path')!r}")
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                self._emit("error", id=None, message=f"A request cannot be understood ({error}).", exit_code=2)
        if self.exit_with_parent:
            self._exit()
        self.waiting.put(None)

    def _beat(self) -> None:
        while not self.ended.wait(self.heartbeat_s):
            self._emit("heartbeat")

    def _answer(self, request: dict[str, Any]) -> None:
        number = request["id"]
        detector = None

        def progress(text: str, fraction: float) -> None:
            self._emit("progress", id=number, text=text, fraction=round(fraction, 4))

        try:
            if number in self.cancelled:
                raise CancelledError("Stopped before it began.")
            _require_texts(request)
            if request["command"] == "describe":
                self._emit("description", id=number, devices=list_devices(), model=_describe(request.get("weights")))
                return
            if request["command"] == "picture":
                draw_case(request["path"], *_drawing(request), progress, lambda: number in self.cancelled)
                self._emit("picture", id=number, file=request["output"])
                return
            settings = _settings({**request, "picture": request.get("picture") and request.get("output")})
            detector = self._detector(request)
            output = request.get("output")
            case = request.get("case") or find_cases(request["path"])[0][0]
            if output:
                prepare_folder(Path(output), "")
                mend_cases(Path(output), "")
                check_case(Path(output), case, "", settings.picture)
            detection = detect_case(
                detector,
                case,
                request["path"],
                settings,
                progress,
                lambda: number in self.cancelled,
            )
            files = write_case(Path(output), detection, "") if output else []
            forks = {landmark.side: landmark.fork for landmark in detection.landmarks}
            lumens = {side: fork.lumen.packed() for side, fork in forks.items() if fork and fork.lumen}
            told = {"detection": detection.to_dict(), "files": [str(file) for file in files], "lumens": lumens}
            self._emit("result", id=number, **told)
        except CancelledError:
            self._emit("cancelled", id=number)
        except Exception as error:
            known = as_sentence(error)
            if is_out_of_memory(error):  # not while detecting, but while the model was loaded
                known = OutOfMemoryError("Memory ran out while the model was loaded; close other programs.")
            fault = isinstance(known, FaultError)
            if fault:
                traceback.print_exc()
            self._emit(
                "error",
                id=number,
                message=str(known),
                exit_code=FAULT if fault else known.exit_code,
                reason=known.reason,
                device=detector.backend.device if detector else request.get("device", "auto"),
            )
        finally:
            self.cancelled.discard(number)

    def _detector(self, request: dict[str, Any]) -> Detector:
        """One with the weights as their file is now: what was loaded stays, where the checksum is still the same."""
        device, backend = request.get("device") or "auto", request.get("backend") or "auto"
        weights = read_weights(request.get("weights"))
        engine = (weights.header["sha256"], device, backend)
        if self.loaded[0] != engine or self.loaded[1] is None:
            self.loaded = (None, None)  # two models at a time could be one too many
            self.loaded = (engine, Detector.of(weights, device, backend))
        detector = self.loaded[1]
        assert detector is not None
        detector.header = weights.header  # the same weights may lie elsewhere under another name
        return detector

    def _emit(self, event: str, **values: Any) -> None:
        with self.lock:
            try:
                print(as_json({"event": event, **values}), file=self.events, flush=True)
            except OSError:
                if self.exit_with_parent:
                    self._exit()
                raise

    def _exit(self) -> None:
        for path in self.temporary:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)  # another thread may be at it, too
                path.parent.rmdir()
        os._exit(0)


def _require_texts(request: dict[str, Any]) -> None:
    for name in _TEXTS:
        if not isinstance(request.get(name), (str, type(None))):
            raise BadInputError(f"The {name} of a request is {request[name]!r}, which is no text.")


def _settings(request: dict[str, Any]) -> Settings:
    try:
        given = {name: kind(request[name]) for name, kind in _KINDS.items() if request.get(name) is not None}
    except (TypeError, ValueError) as error:
        raise BadInputError(f"A setting of the request cannot be used ({error}).") from error
    return Settings(**given)


def _drawing(request: dict[str, Any]) -> tuple[Detection, dict[str, Reading], str]:
    """The detection, its readings and the file of a request for a picture."""
    output, readings = request.get("output"), request.get("readings") or {}
    if not isinstance(output, str) or not isinstance(readings, dict):
        raise BadInputError(f"A picture cannot go to {output!r} with the readings {readings!r}.")
    detection = Detection.from_dict(request.get("detection"))
    return detection, {side: Reading.from_dict(values) for side, values in readings.items()}, output


_TEXTS = ("weights", "device", "backend", "case", "output", "series")
_KINDS = {
    "samples": int,
    "confidence": float,
    "seed": int,
    "series": str,
    "spacing": tuple,
    "fork": bool,
    "picture": bool,
}


def _describe(weights: str | None) -> dict[str, Any]:
    try:
        read = read_weights(weights)
        read.check()
    except CarotidLandmarkError as error:
        return {"path": weights, "problem": str(error)}
    header = read.header
    training = header.get("training")
    return {
        **{key: header.get(key) for key in ("name", "version", "sha256", "path")},
        "data": training.get("data") if isinstance(training, dict) else None,
        "warnings": [warning for warning in [calibration_warning(header)] if warning],
        "card": card_of(header["path"]),
    }


def main() -> None:
    """Serve stdin and stdout; whatever else would print to stdout goes to stderr."""
    parser = argparse.ArgumentParser(description="Serve requests, one JSON object a line, from stdin to stdout.")
    parser.add_argument("--exit-with-parent", action="store_true", help="leave nothing behind when stdin ends")
    exit_with_parent = parser.parse_args().exit_with_parent
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    sys.stdin.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    Worker(sys.stdin, events, exit_with_parent=exit_with_parent).run()


if __name__ == "__main__":
    main()
