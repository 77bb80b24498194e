from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from CarotidLandmarkLib.atomic import hold
from CarotidLandmarkLib.errors import BadInputError, CannotRunError
from CarotidLandmarkLib.study.processes import SPAWN, follow_parent, pool, result_of, run_all

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


def refuse(folder):
    raise BadInputError(f"{folder} is not what it should be.")


def test_what_ends_a_task_is_said_in_a_sentence(tmp_path, capfd):
    assert list(run_all([(tmp_path,)], refuse, 1)) == [((tmp_path,), False)]
    assert list(run_all([(tmp_path, 1)], fail_on_odd, 1)) == [((tmp_path, 1), False)]
    refused, fault = capfd.readouterr().err.splitlines()
    assert refused == f"{tmp_path} is not what it should be."
    assert fault.startswith("This should not happen, please report it: RuntimeError") and fault.endswith("odd")


def test_a_process_that_the_system_ends_is_a_sentence():
    with pytest.raises(CannotRunError, match="memory"), pool(1, follow_parent) as executor:
        result_of(executor.submit(os._exit, 9))


def hold_or_say(folder, told):
    try:
        hold(folder)
        told.put("held")
    except CannotRunError as error:
        told.put(str(error))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")
def test_a_folder_is_that_of_one_process_at_a_time(tmp_path):
    def another():
        told = SPAWN.Queue()
        process = SPAWN.Process(target=hold_or_say, args=(tmp_path, told))
        process.start()
        said = told.get(timeout=120)
        process.join()
        return said

    assert another() == "held"  # and let go at its end
    hold(tmp_path)
    hold(tmp_path)
    assert another().startswith(f"Another process works in {tmp_path.resolve()}")


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
