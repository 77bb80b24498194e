"""Speaks the worker's protocol without a network, and misbehaves as its arguments say.

    python fakeEngine.py [FAULT [PHASE]]

The fault comes when a detection reaches the phase: reading (unless given), coarse search or sampling.
"""

import json
import os
import queue
import sys
import threading
import time

PHASES = ("reading", "coarse search", "sampling")
LUMEN = {  # of two voxels, the first one filled
    "size": [2, 1, 1],
    "spacing_mm": [1.0, 1.0, 1.0],
    "origin_lps_mm": [0.0, 0.0, 0.0],
    "direction": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    "bits": "eJxrAAAAgQCB",
}
FAULT = sys.argv[1] if len(sys.argv) > 1 else ""
PHASE = sys.argv[2] if len(sys.argv) > 2 else PHASES[0]

lock = threading.Lock()


def say(event, **values):
    with lock:
        print(json.dumps({"event": event, **values}), flush=True)


def detection(request):
    landmarks = [
        {
            "side": side,
            "status": "absent",
            "reasons": [],
            "presence": 0.1,
            "position_lps_mm": None,
            "covariance_mm2": None,
            "confidence_radii_mm": None,
            "confidence_axes_lps": None,
            "confidence_volume_mm3": None,
        }
        for side in ("left", "right")
    ]
    return {
        "schema": "carotid-landmark/detection/1",
        "case": request.get("case", ""),
        "volume": {"path": request["path"]},
        "model": {"name": "fake", "version": "1", "sha256": "0" * 64},
        "settings": {name: request.get(name) for name in ("samples", "seed", "device", "weights")},
        "landmarks": landmarks,
        "timing_s": {"total": 0.0},
        "warnings": [],
    }


def misbehave(request):
    number = request["id"]
    if FAULT == "crash":
        os.abort()
    elif FAULT == "exit":
        sys.exit(3)
    elif FAULT == "hang":
        alive.clear()
        time.sleep(60)
    elif FAULT == "garbage":
        print("Segmentation fault (not really)", flush=True)
    elif FAULT == "torrent":
        print("x" * 4096, end="", flush=True)
    elif FAULT == "foreign":
        say("result", id=number, detection={"schema": "something/else"})
    elif FAULT == "broken lumen":
        say("result", id=number, detection=detection(request), lumens={"left": {**LUMEN, "bits": "eJw="}})
    elif FAULT == "future":
        say("applause", loud=True)
    elif FAULT == "error":
        say("error", id=number, message=f"'{request['path']}' is no CT.", exit_code=2, reason=None, device="cpu")
        return True
    elif FAULT in ("full", "full cpu") or (FAULT == "full gpu" and request.get("device") != "cpu"):
        device = "cpu" if "cpu" in (request.get("device"), FAULT[-3:]) else "cuda:0"
        say("error", id=number, message="Memory ran out.", exit_code=3, reason="out_of_memory", device=device)
        return True
    elif FAULT in ("hold", "stubborn"):
        while FAULT == "stubborn" or number not in cancelled:
            time.sleep(0.01)
    return False


def detect(request):
    number = request["id"]
    for share, phase in enumerate(PHASES):
        say("progress", id=number, text=phase, fraction=share / 3)
        if phase == PHASE and misbehave(request):
            return
        if number in cancelled and FAULT != "late result":
            say("cancelled", id=number)
            return
        if FAULT == "late result":
            time.sleep(0.1)
    if request["command"] == "picture":
        say("picture", id=number, file=request["output"])
    else:
        say("result", id=number, detection=detection(request), files=[], lumens={"left": LUMEN})


def beat():
    while True:
        if alive.is_set():
            say("heartbeat")
        time.sleep(0.05)


def listen():
    for line in sys.stdin:
        request = json.loads(line)
        if request["command"] == "cancel":
            cancelled.add(request["id"])
        else:
            waiting.put(request)
    os._exit(0)


print("the fake engine starts", file=sys.stderr, flush=True)
if FAULT == "no start":
    sys.exit("ModuleNotFoundError: No module named 'torch'")
if FAULT == "slow start":
    time.sleep(60)
if FAULT == "old version":
    say("hello", protocol="carotid-landmark/worker/0", pid=os.getpid())
elif FAULT != "no hello":
    say("hello", protocol="carotid-landmark/worker/1", pid=os.getpid(), version="0")
alive = threading.Event()
alive.set()
cancelled = set()
waiting = queue.Queue()
for target in (listen, beat):
    threading.Thread(target=target, daemon=True).start()
while True:
    wanted = waiting.get()
    if wanted["command"] == "describe":
        say(
            "description",
            id=wanted["id"],
            devices=[{"device": "cpu", "text": "CPU"}],
            model={"path": wanted["weights"]},
        )
    else:
        detect(wanted)
