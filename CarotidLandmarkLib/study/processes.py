"""Work beside each other in processes that end with the one that started them, however that ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from multiprocessing.process import parent_process
from typing import Any, TypeVar

from ..errors import CannotRunError, as_sentence
from ..streams import one_line

SPAWN = multiprocessing.get_context("spawn")
Result = TypeVar("Result")


@contextmanager
def pool(workers: int, prepare: Callable[[], None] | None = None) -> Iterator[ProcessPoolExecutor]:
    """Processes for short tasks, each prepared so, or else to use one thread of torch. When the block is left, however
    that is, they are ended."""
    with _deaf():
        executor = ProcessPoolExecutor(workers, SPAWN, initializer=prepare or _single_thread)
        for _ in range(workers):  # each starts a process
            executor.submit(os.getpid)
    try:
        yield executor
    finally:
        for process in list((executor._processes or {}).values()):
            process.kill()
        executor.shutdown(cancel_futures=True)


def result_of(task: Future[Result]) -> Result:
    """What a task of a ``pool`` has returned, once it has ended. Raises what it raised, and CannotRunError where the
    system has ended its process."""
    try:
        return task.result()
    except BrokenProcessPool as error:
        raise CannotRunError(
            "The system has ended a process that worked beside this one, mostly for memory: close other programs, or "
            "let fewer work at a time; the same command goes on."
        ) from error


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes started in here do not hear Ctrl-C, which ends the one that started them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, heard)


def run_all(tasks: Iterable[tuple[Any, ...]], work: Callable[..., None], parallel: int) -> Iterator[tuple[Any, bool]]:
    """``work(*task)`` of each task in a process of its own, ``parallel`` at a time; yields (task, whether it went well)
    as they end. If the generator is left, those that run are ended.
    """
    waiting = iter(tasks)
    running: dict[Any, tuple[SpawnProcess, tuple[Any, ...]]] = {}
    try:
        while True:
            while len(running) < parallel and (task := next(waiting, None)) is not None:
                process = SPAWN.Process(target=_followed, args=(work, task), daemon=True)
                with _deaf():
                    process.start()
                running[process.sentinel] = (process, task)
            if not running:
                return
            for sentinel in wait(list(running)):
                process, task = running.pop(sentinel)
                process.join()
                yield task, process.exitcode == 0
    finally:
        for process, _ in running.values():
            process.kill()


def _single_thread() -> None:
    import torch

    follow_parent()
    torch.set_num_threads(1)


def _followed(work: Callable[..., None], task: tuple[Any, ...]) -> None:
    follow_parent()
    try:
        work(*task)
    except Exception as fault:
        error = as_sentence(fault)
        print(one_line(error), file=sys.stderr, flush=True)
        sys.exit(error.exit_code)


def follow_parent() -> None:
    """End this process as soon as the one that started it has ended, be it by kill -9."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
