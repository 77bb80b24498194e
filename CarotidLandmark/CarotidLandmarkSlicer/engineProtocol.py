"""What the engine says on a line; CarotidLandmarkLib.detect.worker describes it."""

import json

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.detection import Detection
from CarotidLandmarkLib.landmarks.forks import Lumen

PROTOCOL = "carotid-landmark/worker/1"
LONGEST_LINE = 1 << 24
FIELDS = {
    "hello": {"protocol": str, "pid": int},
    "heartbeat": {},
    "progress": {"id": int, "text": str, "fraction": (int, float)},
    "result": {"id": int, "detection": dict},
    "picture": {"id": int, "file": str},
    "description": {"id": int, "devices": list, "model": dict},
    "error": {"message": str},
    "cancelled": {"id": int},
}


def parseEvent(line):
    """Return the event (dict) on a line (bytes), None if it holds none; a kind that is not known yet passes."""
    try:
        event = json.loads(line)
        if not all(isinstance(event[name], kind) for name, kind in FIELDS.get(event["event"], {}).items()):
            return None
        if event["event"] == "result":
            Detection.from_dict(event["detection"])
            for lumen in event.get("lumens", {}).values():
                Lumen.unpacked(lumen)
        return event
    except (ValueError, KeyError, TypeError, AttributeError, BadInputError):
        return None
