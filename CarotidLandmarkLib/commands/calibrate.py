"""`carotid-landmark calibrate`: finished weights on whole scans with their truth, for ellipsoids and trust."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import BadInputError, CannotRunError, CarotidLandmarkError
from .claim import claim
from .options import add_engine_arguments, chosen_weights, some_path, whole_number

EPILOG = """
Calibrate on scans that the model was neither trained on nor is tested on: 300 or more for ellipsoids of 90 % that hold
87 to 93 %. OUT gets weights.safetensors, the same network with its calibration and with the signs that tell right
answers from wrong ones; the same command goes on with a run that was interrupted.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the scans are, and where the calibrated weights go."""
    parser.epilog = EPILOG
    parser.add_argument(
        "--data", type=some_path, required=True, help="volumes with their points, as evaluate reads them"
    )
    parser.add_argument("--out", type=some_path, required=True, help="folder of the run, and of the calibrated weights")
    parser.add_argument("--parallel", type=whole_number(1), default=1, metavar="N", help="cases at a time (default 1)")
    add_engine_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Look at what was not looked at yet, and write the weights. Returns 0, or 2 where cases cannot be read."""
    import math
    from dataclasses import replace

    from ..atomic import as_json, write_json
    from ..detect.case import Settings
    from ..model.weights import calibration_warning, load_weights, save_weights
    from ..study.calibration import calibrated_on, covariance_factor, fit_trust, look, moved_trust, read_seen
    from ..study.cases import digest, kept_name, read_cases
    from ..study.patients import learned_from, marks_of, patients_of, say_known
    from ..study.processes import pool, result_of

    unusable: dict[str, str] = {}
    cases = read_cases(args.data, unusable)
    model, header = load_weights(chosen_weights(args))
    how = {key: getattr(args, key) for key in ("samples", "seed", "fork")}
    say_known(cases, header)
    claim(args.out, {"weights": header["sha256"], **how}, "calibrate.json")
    folder: Path = args.out / "cases"
    folder.mkdir(exist_ok=True)
    files = {case.name: folder / f"{kept_name(case.name, digest([case]))}.json" for case in cases}
    missing = [case for case in cases if not files[case.name].is_file()]
    failed: dict[str, str] = {}
    with pool(args.parallel) as executor:
        settings = Settings(args.samples, args.confidence, args.seed, fork=args.fork)
        engine = (header["path"], args.device, args.backend)
        coming = {c.name: executor.submit(look, c, engine, settings, files[c.name]) for c in missing}
        for number, (name, future) in enumerate(coming.items(), start=1):
            try:
                result_of(future)
            except CannotRunError:
                raise
            except CarotidLandmarkError as error:
                failed[name] = str(error)
            said = f" {failed[name]}" if name in failed else ""
            print(f"{number} of {len(missing)} cases: {name}{said}", file=sys.stderr, flush=True)
    seen = read_seen(file for file in files.values() if file.is_file())
    factor = covariance_factor(seen, args.confidence)
    scales = (*model.config.covariance_scale[:-1], model.config.covariance_scale[-1] * factor)
    model.config = replace(model.config, covariance_scale=scales)
    told = {key: value for key, value in header.items() if key not in ("sha256", "path", "config", "trust")}
    number = len({s.case for s in calibrated_on(seen)})
    told["volumes"] = sorted(learned_from(header) | marks_of(case for case in cases if files[case.name].is_file()))
    told["calibration"] = {"cases": number, "kept_from_start": False, "whole_scans": True}
    print(f"Covariances times {factor:.3f}, on {number} cases.")
    try:
        trust, shares = fit_trust(seen, factor, patients_of(cases))
    except BadInputError as error:
        print(f"What to trust stays as it is: {error}", file=sys.stderr)
        (args.out / "trust.json").unlink(missing_ok=True)  # of fewer or more cases
        if header.get("trust"):
            told["trust"] = moved_trust(header["trust"], 0.5 * math.log(factor), 0.0)
    else:
        told["trust"] = trust.to_dict()
        print(as_json({"trust": trust.to_dict(), "cross-validated": shares}, 2))
        write_json(args.out / "trust.json", {**trust.to_dict(), "cross-validated": shares})
    save_weights(args.out / "weights.safetensors", model, told)
    print(f"Weights: {args.out / 'weights.safetensors'}")
    if warning := calibration_warning(told):
        print(warning, file=sys.stderr)
    return 2 if unusable or failed else 0
