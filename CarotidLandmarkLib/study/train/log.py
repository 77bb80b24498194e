"""What a training run writes down of itself on its way."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm


class Log:
    """TensorBoard, `steps.csv` and `epochs.jsonl` in the run's folder."""

    COLUMNS = ("step", "loss", "rate", "norm")

    def __init__(self, folder: Path, options: dict[str, Any], active: bool) -> None:
        self.active = active
        if not active:
            return
        (folder / "options.json").write_text(json.dumps({k: str(v) for k, v in options.items()}, indent=1))
        self.board = SummaryWriter(str(folder / "tensorboard"))
        self.epochs = folder / "epochs.jsonl"
        path = folder / "steps.csv"
        fresh = not path.exists()
        self.file = path.open("a", newline="")
        self.writer = csv.writer(self.file)
        if fresh:
            self.writer.writerow([*self.COLUMNS, "values"])

    def step(self, step: int, values: dict[str, float]) -> None:
        if self.active:
            rest = {k: round(v, 3) for k, v in values.items() if k not in self.COLUMNS}
            self.writer.writerow([step, *(f"{values[k]:.6g}" for k in self.COLUMNS[1:]), json.dumps(rest)])
            for name, value in values.items():
                self.board.add_scalar(f"train/{name}", value, step)

    def epoch(self, state: dict[str, Any], values: dict[str, float]) -> None:
        """Add what validation says to the run's state and to its logs."""
        step = state["step"]
        state["history"].append({"step": step, **values})
        self.file.flush()
        with self.epochs.open("a") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")
        for name, value in values.items():
            if np.isfinite(value):
                self.board.add_scalar(f"validation/{name}", value, step)
        tqdm.write(f"step {step}: " + ", ".join(f"{name} {value:.3g}" for name, value in values.items()))

    def close(self) -> None:
        if self.active:
            self.file.close()
            self.board.close()
