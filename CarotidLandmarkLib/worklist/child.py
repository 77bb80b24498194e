"""What takes too long for a program with a window, as a process of its own.

    python -m CarotidLandmarkLib.worklist.child REQUEST

The request is a JSON object, the answer the last line of stdout, another one, with "problem", a sentence, where it
cannot be done, and then "here": true unless the fault is in what was given:

    {"command": "list", "source": PATH, "corrections": PATH}  ->  {"cases": [WorkCase], "marks": [Mark]}
    {"command": "read", "volume": PATH, "folder": PATH, "series": UID or null, "sha256": or null}  ->  see make_ready
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import BadInputError, as_sentence
from .cases import read_list
from .marks import read_marks
from .volumes import make_ready


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Do what is asked; never raises."""
    try:
        if request["command"] == "list":
            cases = [asdict(case) for case in read_list(request["source"])]
            return {"cases": cases, "marks": read_marks(request["corrections"])}
        return make_ready(request["volume"], Path(request["folder"]), request["series"], request["sha256"])
    except Exception as error:
        return {"problem": str(as_sentence(error)), "here": not isinstance(error, BadInputError)}


if __name__ == "__main__":
    print(json.dumps(answer(json.loads(sys.argv[1]))))
