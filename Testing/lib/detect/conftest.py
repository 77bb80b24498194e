from __future__ import annotations

import io
import json

import pytest

from CarotidLandmarkLib.detect import worker
from CarotidLandmarkLib.volume.ct import write_volume


@pytest.fixture
def ct(volume, tmp_path):
    write_volume(volume, tmp_path / "neck.nrrd", compress=False)
    return str(tmp_path / "neck.nrrd")


@pytest.fixture
def serve(detector, monkeypatch):
    """Answers a list of requests with the list of events; `loads` are the checksums of the weights that were loaded,
    each with its device and backend."""
    loads = []

    def load(weights, *engine):
        loads.append((weights.header["sha256"], *engine))
        detector.header = weights.header
        return detector

    monkeypatch.setattr(worker.Detector, "of", load)

    def serve(*requests):
        lines = [request if isinstance(request, str) else json.dumps(request) for request in requests]
        events = io.StringIO()
        worker.Worker(io.StringIO("\n".join(lines) + "\n"), events, heartbeat_s=60).run()
        return [json.loads(line) for line in events.getvalue().splitlines()]

    serve.loads = loads
    return serve
