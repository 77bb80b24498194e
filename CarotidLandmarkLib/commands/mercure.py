"""`carotid-landmark mercure`: a processing module of the DICOM router mercure, started for each series or study.

Its contract (https://mercure-imaging.org/docs/modules.html): images and task.json in the folder MERCURE_IN_DIR, what is
to be sent on, and result.json, into MERCURE_OUT_DIR; exit code 0 where that went well.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cli import Parser
from ..errors import BadInputError
from .options import add_engine_arguments

if TYPE_CHECKING:
    from ..landmarks.detection import Detection

EPILOG = """
The settings of the module in mercure may hold samples, confidence, seed, picture and no-fork, as the options of these
names. Every CT series in MERCURE_IN_DIR is answered with the files of detect and a DICOM SR (extra [dicom]), which
mercure sends on. result.json says what was found, without the patient's name, and asks for a notification where a
landmark needs a look. The exit code is not 0 where no series could be answered.
"""
SETTINGS = ("samples", "confidence", "seed", "no-fork", "picture")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of the engine; mercure itself gives none."""
    parser.epilog = EPILOG
    add_engine_arguments(parser)
    parser.add_argument("--picture", action="store_true", help="also draw a key image of each series")


def run(args: argparse.Namespace) -> int:
    """Answer all series that are there; return the exit code."""
    from ..atomic import write_json
    from ..intake.arrivals import Arrivals
    from ..intake.books import Books
    from ..intake.watch import Watch, open_log, without_names
    from .watch import answering, require_apart

    source, output = (_folder(name) for name in ("MERCURE_IN_DIR", "MERCURE_OUT_DIR"))
    require_apart(source, output)
    _apply(_settings(source / "task.json"), args)
    answer, _ = answering(argparse.Namespace(**vars(args), sr=True))
    books = Books(output)
    books.open()
    for kind in ("done", "failed"):  # by a run that was killed: mercure is told of every series once more
        shutil.rmtree(books.home / kind)
    with open_log(books.home, quiet=False) as log:
        watch = Watch(Arrivals(source, 0.0), books, answer, log, keep=True)
        while watch.step():
            pass
    shutil.rmtree(books.home)  # mercure moves what lies here
    if not watch.done and not watch.failed:
        raise BadInputError("MERCURE_IN_DIR holds no CT series: give this module a rule for CT only.")
    failed = {name: without_names(error) for name, error in watch.failed.items()}
    found = {name: _in_short(detection) for name, detection in watch.done.items()}
    texts = [", ".join(f"{side} {told['status']}" for side, told in sides.items()) for sides in found.values()]
    asked = any(told["status"] == "review" for sides in found.values() for told in sides.values())
    text = "Carotid bifurcations: " + ("; ".join([*texts, *failed.values()]))
    told = {"series": found, "failed": failed, "__mercure_notification": {"text": text, "requested": asked}}
    write_json(output / "result.json", told)
    return 0 if watch.done else max(error.exit_code for error in watch.failed.values())


def _folder(name: str) -> Path:
    if not os.environ.get(name):
        raise BadInputError(f"The environment variable {name} names no folder: mercure sets it; by hand use watch.")
    return Path(os.environ[name])


def _settings(task: Path) -> dict[str, Any]:
    """Those of this module in mercure's task; of several modules the first that has not answered yet."""
    if not task.exists():
        return {}
    try:
        process = json.loads(task.read_text(encoding="utf-8")).get("process") or {}
        if isinstance(process, list):
            process = next((one for one in process if not one.get("output")), {})
        return dict(process.get("settings") or {})
    except (ValueError, AttributeError, TypeError) as error:
        raise BadInputError("task.json is none of mercure's: see that the folder is MERCURE_IN_DIR.") from error


def _apply(settings: dict[str, Any], args: argparse.Namespace) -> None:
    """Set the options that the module's settings hold; others in there are for whoever else reads them."""
    parser = Parser()
    add_arguments(parser)
    given = {name: settings[name] for name in SETTINGS if settings.get(name) not in (None, False)}
    parser.parse_args([f"--{name}" if value is True else f"--{name}={value}" for name, value in given.items()], args)


def _in_short(detection: Detection) -> dict[str, Any]:
    return {
        landmark.side: {"status": landmark.status, "presence": round(landmark.presence, 3), "reasons": landmark.reasons}
        for landmark in detection.landmarks
    }
