"""Many cases of `detect`: one after the other, in processes beside each other, or on a Dask cluster.

Each way yields the cases as they end. The model is loaded once in every process; a process that dies is replaced, and
what it had begun is done again, once, without hurting the others.
"""

from __future__ import annotations

import functools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from .. import __version__
from ..detect.case import Settings, detect_case
from ..detect.detector import Detector
from ..detect.device import allowed_threads
from ..detect.results import PICTURE, SR, Outcome, check_case, read_finished, write_case
from ..detect.search import Progress
from ..errors import BadInputError, CannotRunError, as_sentence
from ..exchange.dicom_source import NO_SERIES, read_source
from ..exchange.dicom_sr import make_report
from ..fork.structures import maps_in
from ..landmarks.detection import Detection
from ..study.processes import follow_parent, pool
from ..volume.read import is_series, state_of

LOCAL = "local"  # instead of a scheduler's address
RETRIES = 2
Work = Callable[[Outcome], Outcome]
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Job:
    """What is to be done with each case. ``sr``: whether to write a DICOM SR. ``keep``: a case that was finished
    after this time (seconds since 1970) is kept; None: none is."""

    weights: Path | None
    device: str
    backend: str
    settings: Settings
    output: Path
    sr: bool = False
    keep: float | None = None
    version: str = __version__


def do_case(detector: Detector, job: Job, case: Outcome, progress: Progress | None = None) -> Outcome:
    """Detect in one case and write its results; what goes wrong is the error of what is returned."""
    try:
        if case.error is not None:
            raise case.error
        if job.sr and not is_series(case.path):
            raise BadInputError(NO_SERIES.format(path=case.path))
        check_case(job.output, case.name, picture=job.settings.picture, sr=job.sr)
        structures = job.settings.structures_of(case.name)
        state = state_of(case.path, *([] if structures is None else maps_in(structures).values()))
        if job.keep is not None and (kept := _finished(detector, job, case.name, state, job.keep)):
            return replace(case, detection=kept, kept=job.keep == 0)
        detection = detect_case(detector, case.name, case.path, job.settings, progress)
        detection.volume["state"] = state  # from before it was read: what came meanwhile is not in the answer
        if job.sr:
            detection.report = make_report(detection, read_source(detection.files))
        return replace(case, detection=detection, files=write_case(job.output, detection))
    except BrokenPipeError:  # nobody listens any more
        raise
    except Exception as error:
        return replace(case, error=as_sentence(error))


def in_processes(work: Work, cases: Iterable[Outcome], workers: int) -> Iterator[Outcome]:
    """What ``work`` makes of the cases, in so many processes beside each other.

    Where one dies all are replaced, and the cases that were under way are done alone, so that the guilty one is found:
    the one of which it dies alone twice.
    """
    waiting, alone, suspected = deque(cases), deque[Outcome](), set[str]()
    while waiting or alone:
        queue, most = (alone, 1) if alone else (waiting, workers)
        running: dict[Future[Outcome], Outcome] = {}
        with _threads(max(1, allowed_threads() // workers)), pool(most, follow_parent) as executor:
            try:
                while queue or running:
                    while queue and len(running) < most:
                        future = executor.submit(work, queue[0])
                        running[future] = queue.popleft()
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        outcome = future.result()
                        del running[future]
                        yield outcome
            except BrokenProcessPool:
                for case in running.values():
                    if case.name in suspected:
                        yield replace(case, error=_died(case))
                        continue
                    alone.append(case)
                    if len(running) == 1:
                        suspected.add(case.name)


def on_cluster(work: Work, cases: Iterable[Outcome], address: str, workers: int) -> Iterator[Outcome]:
    """What ``work`` makes of the cases, by the workers of the Dask scheduler at ``address``, or, where that is LOCAL,
    by so many on this machine.

    All must see the same files under the same names. Raises CannotRunError where Dask is not installed or the scheduler
    does not answer.
    """
    try:
        import dask

        settings = {"logging.distributed": "critical", "distributed.scheduler.allowed-failures": RETRIES}
        dask.config.set(settings)  # before the next line, which sets the logging up
        from distributed import Client, LocalCluster, as_completed
        from distributed.scheduler import KilledWorker
    except ImportError as error:
        raise CannotRunError(f"--scheduler needs Dask ({error}): pip install 'carotid-landmark[cluster]'.") from error
    cluster = None
    if address == LOCAL:
        env = {"OMP_NUM_THREADS": str(max(1, allowed_threads() // workers))}
        cluster = LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None, host="127.0.0.1", memory_limit=0, env=env
        )
    try:
        client = Client(cluster or address, timeout=30)
    except (OSError, ValueError) as error:
        raise CannotRunError(f"The Dask scheduler {address} does not answer ({error}): check its address.") from error
    try:
        futures = {client.submit(work, case, pure=False, retries=RETRIES): case for case in cases}
        for future in as_completed(futures):
            case = futures.pop(future)
            try:
                yield future.result()
            except KilledWorker:
                yield replace(case, error=_died(case))
            except Exception as error:  # of another version, or of Dask itself
                yield replace(case, error=as_sentence(error))
    finally:
        client.close()
        if cluster is not None:
            cluster.close()


def work(job: Job, case: Outcome) -> Outcome:
    """One case in a process beside others or in a cluster's worker, without what need not travel back."""
    if job.version != __version__:
        raise CannotRunError(f"This worker has version {__version__} and not {job.version}: install the same.")
    with _ONE_AT_A_TIME:
        detector = _detector(job.weights, job.device, job.backend)
        outcome = do_case(detector, job, case)
    if outcome.detection is not None:
        outcome.detection.picture = outcome.detection.report = None
        for landmark in outcome.detection.landmarks:
            if landmark.fork is not None:
                landmark.fork.lumen = None
    return outcome


@functools.lru_cache(1)
def _detector(weights: Path | None, device: str, backend: str) -> Detector:
    return Detector.from_weights(weights, device, backend)


def _finished(detector: Detector, job: Job, name: str, state: str, since: float) -> Detection | None:
    s = job.settings
    told = {**detector.settings(s.samples, s.confidence, s.seed, s.fork), **s.told()}
    endings = [ending for ending, wanted in ((PICTURE, s.picture), (SR, job.sr)) if wanted]
    return read_finished(job.output, name, state, told, detector.header, endings, since)


def _died(case: Outcome) -> CannotRunError:
    return CannotRunError(
        f"The process that worked on '{case.path}' was ended from outside, perhaps for lack of memory: "
        "do it alone, with fewer --workers."
    )


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Processes that are started in here compute with so many threads."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(number)
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before
