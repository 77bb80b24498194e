"""`carotid-landmark model`: what a weights file says of itself, and the weights that are installed on this computer."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..atomic import as_json
from ..errors import BadInputError, CannotRunError
from .options import WEIGHTS_HELP, some_path, some_weights

ABOUT = {
    "show": "what a weights file says of itself (also: model, without an action)",
    "list": "the weights that are installed; * marks those in use",
    "install": "copy a weights file to the user's data folder, to be found by name",
    "use": "choose the weights that detect takes where none are named",
    "verify": "read installed weights and compare them with their checksums: exit code 2 if anything is wrong",
    "remove": "remove installed weights",
}
HEADER = ("", "name", "model", "version", "installed", "MB", "sha256", "")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One action each; names are NAME (the newest revision) or NAME@NUMBER."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, about in ABOUT.items():
        action = actions.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
        if name == "show":
            action.add_argument("--weights", type=some_weights, metavar="FILE|NAME", help=WEIGHTS_HELP)
            action.add_argument("--json", action="store_true", help="print the header as one JSON object")
        if name == "list":
            action.add_argument("--json", action="store_true", help="print one JSON object a line")
        if name == "install":
            action.add_argument("file", type=some_path, metavar="FILE", help="a .safetensors file")
            action.add_argument("--name", help="what to call them here (default: the name in the file)")
            action.add_argument("--use", action="store_true", help="make them the weights in use")
            action.add_argument("--force", action="store_true", help="although their site report found them worse")
        if name in ("use", "remove"):
            note = "; default: those of the package" if name == "use" else "; NAME alone: all its revisions"
            action.add_argument("name", metavar="NAME", help=f"NAME or NAME@NUMBER{note}")
        if name == "verify":
            action.add_argument("name", nargs="?", metavar="NAME", help="only these (default: all, and the package's)")


def run(args: argparse.Namespace) -> int:
    """Do what the action says; return 0, or 2 where `verify` found a problem."""
    actions = {"show": _show, "list": _list, "install": _install, "use": _use, "verify": _verify, "remove": _remove}
    return actions[args.action](args)


def _list(args: argparse.Namespace) -> int:
    from ..model import store
    from ..model.header import DEFAULT
    from ..model.weights import read_weights

    used, gone = None, None
    try:
        used = store.in_use()
    except CannotRunError as error:
        gone = error  # said once all is listed
    is_package = used is None and gone is None
    package = read_weights().header
    rows: list[tuple[str, ...]] = [HEADER]
    rows.append(_row(is_package, store.PACKAGE, DEFAULT.stat().st_size, {**package, "model": package["name"]}))
    told = [{"name": store.PACKAGE, "in_use": is_package, "file": str(DEFAULT), "sha256": package["sha256"]}]
    for one in store.installed():
        rows.append(_row(one == used, one.reference, one.about.get("bytes", 0), one.about))
        told.append(
            {"name": one.name, "revision": one.revision, "in_use": one == used, "file": str(one.file), **one.about}
        )
    if args.json:
        for values in told:
            print(as_json(values))
    else:
        widths = [max(map(len, column)) for column in zip(*rows)]
        for row in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    if gone:
        raise gone
    return 0


def _row(used: bool, name: str, size: int, about: dict[str, Any]) -> tuple[str, ...]:
    note = "worse, by its site report" if about.get("worse") else "" if about else "cannot be read: install it again"
    day = str(about.get("installed_at") or "")[:10]
    model, version, sha256 = (str(about.get(key) or "") for key in ("model", "version", "sha256"))
    return ("*" if used else "", name, model, version, day, f"{size / 1e6:.1f}", sha256[:12], note)


def _install(args: argparse.Namespace) -> int:
    from ..model import install, store

    one = install.install(args.file, args.name, args.force)
    print(f"Installed as {one.reference}: {one.file}")
    if args.use:
        install.use(one.reference)
        print(f"{one.reference} is in use.")
    else:
        name = one.name if store.find(one.name) == one else one.reference  # which the name alone does not mean
        print(f"`detect --weights {name}` takes them; `model use {name}` makes them the ones in use.")
    return 0


def _use(args: argparse.Namespace) -> int:
    from ..model import install

    one = install.use(args.name)
    print(f"{one.reference} is in use." if one else "The weights of the package are in use.")
    return 0


def _verify(args: argparse.Namespace) -> int:
    from ..model import install, store
    from ..model.weights import read_weights

    problems: dict[str, str | None] = {}
    if args.name in (None, store.PACKAGE):
        try:
            read_weights().check()
            problems[store.PACKAGE] = None
        except BadInputError as error:
            problems[store.PACKAGE] = str(error)
    if args.name is None:
        chosen: Sequence[store.Installed] = store.installed()
    else:
        chosen = [] if args.name == store.PACKAGE else [store.find(args.name)]
    problems.update({one.reference: install.problem(one) for one in chosen})
    for name, problem in problems.items():
        print(f"{name}: {problem or 'as it was installed'}")
    store.in_use()  # raises where those that were chosen are gone
    return 2 if any(problems.values()) else 0


def _remove(args: argparse.Namespace) -> int:
    from ..model import install

    print(f"Removed {', '.join(one.reference for one in install.remove(args.name))}.")
    return 0


def _show(args: argparse.Namespace) -> int:
    """Read and check the weights, print their header and, where it lies beside them, their card (CARD.md)."""
    from ..model.store import card_of, file_in_use
    from ..model.weights import calibration_warning, read_weights

    weights = read_weights(args.weights or file_in_use())
    weights.check()
    header = weights.header
    if args.json:
        print(as_json(header))
        return 0
    file = Path(header["path"])
    facts = {
        "model": f"{header.get('name')} {header.get('version')}",
        "file": f"{file} ({file.stat().st_size / 1e6:.1f} MB)",
        "sha256": header["sha256"],
        "parameters": f"{sum(tensor.size for tensor in weights.tensors.values()):,}",
        "scales": ", ".join(f"{spacing:g} mm" for spacing in weights.config.scales_mm),
        "calibration": as_json(header.get("calibration")),
        "trust": as_json(header.get("trust")),
        "training": f"\n{'':<13}".join(_stages(header.get("training") or {})),
    }
    if isinstance(header.get("site"), dict):
        facts["site"] = as_json({key: value for key, value in header["site"].items() if key != "volumes"})
    print("\n".join(f"{name + ':':<12} {fact}" for name, fact in facts.items()))
    warning = calibration_warning(header)
    if warning:
        print(f"warning:     {warning}")
    card = card_of(file)
    if card is not None:
        print("\n" + card.rstrip())
    return 0


def _stages(training: dict[str, Any]) -> list[str]:
    """A line for each stage of a header's "training" that took steps; where `train` did not write it, all it holds."""
    try:
        told = [_stage(stage) for stage in [*training.get("stages", []), training] if stage.get("steps")]
    except (TypeError, ValueError, AttributeError):
        told = []
    return told or [as_json(training)]


def _stage(stage: dict[str, Any]) -> str:
    """A stage in words, without what is not known of it, as the day and the minutes in a site's weights."""
    text = f"{stage['steps']:,} steps"
    for name, words in (("date", "{0}: {1}"), ("minutes", "{1} in {0:g} minutes"), ("machine", "{1} on {0}")):
        if stage.get(name) is not None:
            text = words.format(stage[name], text)
    return text if stage.get("data") is None else f"{text}, {stage['data']}"
