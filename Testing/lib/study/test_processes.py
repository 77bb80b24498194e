from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from CarotidLandmarkLib.study.processes import run_all

STARTS_ONE = """
import sys, time
from pathlib import Path
from CarotidLandmarkLib.study.processes import run_all

def work(file):
    import os
    Path(file + ".part").write_text(str(os.getpid()))
    os.replace(file + ".part", file)
    time.sleep(600)

if __name__ == "__main__":
    list(run_all([(sys.argv[1],)], work, 1))
"""


def fail_on_odd(folder, number):
    (folder / f"{number}-{os.getpid()}").touch()
    if number % 2:
        raise RuntimeError("odd")


def test_every_task_has_a_process_of_its_own_and_failures_stop_no_other(tmp_path):
    results = {task[1]: well for task, well in run_all([(tmp_path, n) for n in range(3)], fail_on_odd, 2)}
    assert results == {0: True, 1: False, 2: True}
    assert len({path.name.split("-")[1] for path in tmp_path.iterdir()}) == 3


def test_a_process_ends_with_its_parent_even_if_that_was_killed(tmp_path):
    script, file = tmp_path / "start.py", tmp_path / "pid"
    script.write_text(STARTS_ONE)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen([sys.executable, str(script), str(file)], env=environment)
    until = time.monotonic() + 120
    while not file.exists() and parent.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    child = int(file.read_text())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    while time.monotonic() < until and alive(child):
        time.sleep(0.05)
    assert not alive(child)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = f"/proc/{pid}/stat"
    if not os.path.exists(stat):
        return True
    with open(stat) as file:
        return file.read().rsplit(")", 1)[1].split()[0] != "Z"
