from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[3]


def test_whatever_a_file_holds_one_sentence_refuses_it_and_the_process_lives(tmp_path, ct_like):
    np.save(tmp_path / "hu.npy", ct_like[:10, ::2, ::2])
    command = [sys.executable, "-m", "Testing.lib.volume.fuzz_files", str(tmp_path), "1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and done.stderr == "", (done.stdout[-200:], done.stderr[-2000:])
    counts: Counter[str] = Counter()
    wrong = []
    for line in done.stdout.splitlines():
        name, end = json.JSONDecoder().raw_decode(line)
        outcome = json.loads(line[end:])
        counts[outcome] += 1
        wrong += [(name, outcome)] if outcome not in ("read", "refused") else []
    assert not wrong
    assert counts["refused"] > 250 and counts["read"] > 50
