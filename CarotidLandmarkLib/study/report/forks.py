"""The report's tables of forks: the check, the trace, the measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...landmarks.curves import SHORT
from ...landmarks.forks import CHECKS, SIGNS
from ..forks import GROUPS, NAMED_MM, OFF_MM, SPACINGS
from ..scores import GOOD_MM
from ..true_forks import ABOVE_MM, BELOW_MM, NARROWED_PERCENT
from .rows import Row
from .tables import Table, interval, number, percent, plural

WORDS = {
    "common_10_mm": "CCA, 10 mm below",
    "common_20_mm": "CCA, 20 mm below",
    "bulb_mm": "Bulb, widest",
    "internal_20_mm": "ICA, 20 mm above",
    "internal_30_mm": "ICA, 30 mm above",
    "external_10_mm": "ECA, 10 mm above",
    "area_ratio": "Areas (ICA + ECA) / CCA",
    "angle_deg": "Angle ICA − ECA",
    "internal_narrowest_mm": "ICA, narrowest",
    "internal_narrowest_at_mm": f"— its place, where NASCET is {NARROWED_PERCENT:.0f}% or more",
    "nascet_percent": "NASCET",
    "nascet_percent, 30 or more": "— where it is 30% or more",
    "calcium_mm3": "Calcium",
    "calcium_mm3, none": "— where there is none",
    "calcium_mm3, 20 or more, share": "— where there are 20 mm³ or more, of it",
}
FINE = ("mm", "")  # units that are shown to two decimals
TRACED = {
    "named": "ICA and ECA told apart, of the forks with vessels",
    "named_right": "— and not the other way round, of these",
    "seeded": "Forks with seeds",
    "seeds_inside": "Seeds inside the lumen of one of the three vessels",
}


def checks(forks: Mapping[str, Any]) -> Table:
    """What the lumen said, by how good the landmark is."""
    rows = [
        (GROUPS[group], str(of["landmarks"]), *(_with_limits(of, check) for check in CHECKS))
        for group, of in forks["checks"].items()
        if of["landmarks"]
    ]
    note = "Landmarks whose lumen was looked at, of phantoms that tell their vessels. In the volume: the middle of the "
    note += f"vessels, {BELOW_MM:g} mm below and {ABOVE_MM:g} mm above the true carina."
    return Table("Forks", ("Landmarks", "Number", *(check.capitalize() for check in CHECKS)), rows, note)


def trace(forks: Mapping[str, Any]) -> Table:
    """How true the vessels are that were traced from good landmarks."""
    of = forks["trace"]
    carina = of["carina_mm"]
    rows: list[Sequence[str]] = [
        ("The lumen's carina to the truth, median, mm", str(carina["landmarks"]), _with_limits(carina, "median")),
        ("— 95th percentile, mm", str(carina["landmarks"]), _with_limits(carina, "p95")),
    ]
    shares = {words: of[key] for key, words in TRACED.items()}
    shares["Seeds inside the lumen of their own vessel"] = of["seeds_right"]["all"]
    shares |= {f"— of the {short}": of["seeds_right"][vessel] for vessel, short in SHORT.items()}
    rows += [(words, str(share["landmarks"]), _with_limits(share, "share")) for words, share in shares.items()]
    note = (
        f"Of landmarks within {GOOD_MM:g} mm whose vessels are open and in the volume. ICA and ECA are compared from "
    )
    note += f"{NAMED_MM[0]:g} to {NAMED_MM[1]:g} mm beyond the carina; of the ECA the true vessel is its main trunk. "
    note += "Seeds of daughters that are not told apart are right in either, one in each."
    return Table("Traces of forks", ("What", "Number", "Value"), rows, note)


def measures(forks: Mapping[str, Any]) -> Table:
    """The errors of the measures of good landmarks."""
    rows = []
    for name, of in forks["measures"].items():
        digits = 2 if of["unit"] in FINE else 1
        limits = of["interval_95"]
        rows.append(
            (
                f"{WORDS[name]}, {SIGNS[of['unit']].strip()}".removesuffix(", "),
                f"{of['measured']} / {of['asked']}",
                f"{number(of['median'], digits=digits)} {interval(limits['median'], digits=digits)}".rstrip(),
                number(of["p95"], digits=digits),
                number(of["bias"], digits=digits),
                percent(of["within_2_sd"]),
                *(
                    f"{number(part['median'], digits=digits)} ({part['measured']})"
                    for part in of["by_spacing"].values()
                ),
            )
        )
    header = ["Measure", "Measured / have a truth", "Median error", "P95", "Bias", "Within 2 SD"]
    header += [f"Slices {name} mm" for name in SPACINGS]
    note = "Absolute errors against the true vessels, measured as the traced ones are; bias: the median of the error "
    note += (
        "with its sign; within 2 SD: of the SD that is stated; by slice spacing: median error (number). A fork whose "
    )
    note += "ICA and ECA are the other way round counts with what it says."
    return Table("Measures of forks", header, rows, note)


def tables(report: Mapping[str, Any]) -> list[Table]:
    """All of them, none where no fork has a truth."""
    forks = report.get("forks")
    return [checks(forks), trace(forks), measures(forks)] if forks and forks["landmarks"] else []


def sentences(report: Mapping[str, Any]) -> list[str]:
    """The check in a sentence, where there are good landmarks that have a truth."""
    forks = report.get("forks")
    if not forks or not forks["landmarks"] or not forks["checks"]["good"]["landmarks"]:
        return []
    good, off = forks["checks"]["good"], forks["checks"]["off"]
    said = (
        f"Of {plural(good['landmarks'], 'landmark')} within {GOOD_MM:g} mm whose vessels are open and in the volume "
        f"the lumen verified {percent(good['verified'])} and contradicted {percent(good['contradicted'])}"
    )
    if off["landmarks"]:
        said += f"; of {off['landmarks']} more than {OFF_MM:g} mm off it verified {percent(off['verified'])}"
    return [f"{said}."]


def table_columns(rows: Sequence[Row]) -> tuple[str, ...]:
    """The columns of the table of all landmarks that forks add: none where no fork has a truth."""
    scores = [row.fork for row in rows if row.fork is not None]
    if not scores:
        return ()
    names = [name for name in WORDS if any(name in score.truth for score in scores)]
    return (
        *("fork", "fork_group", "carina_error_mm", "internal_right", "seeds_right"),
        *(f"{start}{name}{end}" for name in names for start, end in (("", ""), ("", "_sd"), ("true_", ""))),
    )


def table_cells(row: Row) -> dict[str, Any]:
    """What the table of all landmarks says of one's fork; what is not known is not there, or NaN."""
    of = row.fork
    if of is None:
        return {}
    cells: dict[str, Any] = {"fork": of.check, "fork_group": of.group}
    numbers = {f"true_{name}": value for name, value in of.truth.items()}
    if of.carina_error_mm is not None:
        numbers["carina_error_mm"] = of.carina_error_mm
    if of.named is not None:
        cells["internal_right"] = int(of.named)
    if of.seeds:
        cells["seeds_right"] = " ".join(name for name, lumen in of.seeds.items() if lumen == "its own")
    for name in of.truth.keys() & of.measured.keys():
        numbers[name], numbers[f"{name}_sd"] = of.measured[name]
    return {**cells, **{name: round(value, 4) for name, value in numbers.items()}}


def _with_limits(of: Mapping[str, Any], name: str) -> str:
    """A share in %, or a length in mm, with its interval."""
    limits = of["interval_95"][name]
    if name in ("median", "p95"):
        return f"{number(of[name])} {interval(limits)}".rstrip()
    return f"{percent(of[name])} {interval(limits, 100, 1)}".rstrip()
