"""Tables as text cells, how they are written, and those of the report."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..scores import FAILURE_MM, GOOD_MM
from ..scores import LARGE_ERROR_MM as SILENT_MM
from .rows import FACTORS, LARGE_ERROR_MM

COMPARED = "2.5"  # mm, the success rate that comparisons show


class Table(NamedTuple):
    """``header`` names the columns of ``rows``; ``note`` is a sentence below."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    @property
    def name(self) -> str:
        """The title's first words."""
        return self.title.partition(":")[0]

    def markdown(self) -> str:
        """The table, without title and note; "" where it has no rows."""
        if not self.rows:
            return ""
        header, *lines = (f"| {' | '.join(map(escape, line))} |" for line in (self.header, *self.rows))
        return "\n".join([header, "|---" * len(self.header) + "|", *lines])


def escape(text: str) -> str:
    """A text that Markdown shows as it is, on one line; so does a terminal, but for what may be a tag."""
    return " ".join(re.sub("<(?! )", "&lt;", text.replace("|", "\\|")).split())


def as_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """CSV with these columns; what a row does not have, None and NaN are empty."""
    text = io.StringIO()
    table = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows({key: "" if value != value else value for key, value in row.items()} for row in rows)
    return text.getvalue()


def protocol(report: Mapping[str, Any]) -> Table:
    """Figures down, all / left / right across, of a table of ``metrics.evaluate``."""
    groups = [report["all"], report["left"], report["right"]]
    rows: list[Sequence[str]] = [
        ("Landmarks in the volume (located / missed)", *(_counts(group) for group in groups)),
        ("Error, mean ± SD, mm", *(_mean(group) for group in groups)),
        ("— 95% interval of the mean", *(interval(group["interval_95"]["mean_mm"]) or "–" for group in groups)),
        ("Median, mm", *(_with_interval(group, "median_mm") for group in groups)),
        ("95th percentile, mm", *(_with_interval(group, "p95_mm") for group in groups)),
        ("Largest, mm", *(number(group["max_mm"]) for group in groups)),
    ]
    for threshold in report["all"]["success"]:
        rows.append((f"Within {threshold} mm", *(_success(group, threshold) for group in groups)))
    rows += [
        (f"Errors over {FAILURE_MM:g} mm (found / review)", *(pair(group["failures_over_10_mm"]) for group in groups)),
        ("— of the located", *(_share(group, "share_over_10_mm") for group in groups)),
        ("Not in the volume but located (found / review)", *(pair(group["false_positives"]) for group in groups)),
        (
            f"Silent: found, but over {SILENT_MM:g} mm off or not there",
            *(_share(group, "silent_share") for group in groups),
        ),
        (f"Found of those within {GOOD_MM:g} mm", *(_share(group, "found_of_good") for group in groups)),
        ("For review, of the located", *(_share(group, "review_share") for group in groups)),
    ]
    found = [{**group["found"], "interval_95": group["interval_95"]["found"]} for group in groups]
    rows += [
        ("Of “found” alone: landmarks", *(str(group["landmarks"]) for group in found)),
        ("— mean ± SD, mm", *(_mean(group) for group in found)),
        ("— 95% interval of the mean", *(interval(group["interval_95"]["mean_mm"]) or "–" for group in found)),
        ("— median, mm", *(_with_interval(group, "median_mm") for group in found)),
        ("— 95th percentile, mm", *(_with_interval(group, "p95_mm") for group in found)),
        ("— largest, mm", *(number(group["max_mm"]) for group in found)),
    ]
    of = plural(report["cases"], "case")
    if report["patients"] < report["cases"]:
        of += f" of {plural(report['patients'], 'patient')}"
    return Table("Errors", (of, "All", "Left", "Right"), rows)


def uncertainty(report: Mapping[str, Any]) -> Table:
    """How well the confidence ellipsoids tell the errors, of a table of ``metrics.evaluate``."""
    unsure, spread = report["uncertainty"], report.get("passes_spread")
    columns = [of for of in (unsure, spread) if of]
    rows: list[Sequence[str]] = [
        (name, *(_with_interval(of, key) for of in columns))
        for name, key in (
            ("Pearson of confidence volume and error", "pearson_volume_error"),
            ("AUSE, mm", "ause_mm"),
            ("AUROC for an error over 5 mm", "auroc_error_over_5_mm"),
        )
    ]
    blank = [""] * (len(columns) - 1)
    rows.append((f"Coverage of the {100 * unsure['confidence']:.4g}% ellipsoid", _share(unsure, "coverage"), *blank))
    if unsure.get("coverage_before_calibration") is not None:
        scale = f"covariance × {1 / unsure['calibration']:.3g}"
        rows.append((f"— before calibration ({scale})", percent(unsure["coverage_before_calibration"]), *blank))
    header = [f"Uncertainty ({unsure['landmarks']} landmarks)", "The ellipsoid" if spread else ""]
    header += [f"The passes' spread alone ({spread['landmarks']} landmarks)"] if spread else []
    note = "The passes' spread alone is the volume of Ma et al.: 65.47 times the product of the SDs along the axes."
    return Table("Uncertainty", header, rows, note if spread else "")


def coverages(report: Mapping[str, Any]) -> Table:
    """What share of the truth ellipsoids of several confidences hold, by group."""
    rows = [
        (
            *(of["group"], str(of["landmarks"])),
            *(
                f"{percent(share)} {interval(of['interval_95'][level], 100, 1)}".rstrip()
                for level, share in of["coverage"].items()
            ),
        )
        for of in report["coverages"]
    ]
    levels = report["coverages"][0]["coverage"] if rows else ()
    header = ["Landmarks", "Number", *(f"{100 * float(level):.4g}% ellipsoid" for level in levels)]
    note = "Coverage: the share of the located landmarks whose truth lies inside the ellipsoid of that confidence. It "
    note += "speaks of the definition of the bifurcation that the model was trained on."
    return Table("Coverage by confidence", header, rows, note)


def methods(report: Mapping[str, Any]) -> Table:
    """This model and those it was compared with, each on all of its cases."""
    rows = []
    for name, of in [(report["name"], report), *((rival["name"], rival["table"]) for rival in report["against"])]:
        group = of["all"]
        rows.append(
            (
                *(name, str(of["cases"]), _counts(group), _mean(group)),
                *(
                    interval(group["interval_95"]["mean_mm"]) or "–",
                    number(group["median_mm"]),
                    number(group["p95_mm"]),
                ),
                *(_success(group, COMPARED), pair(group["failures_over_10_mm"]), pair(group["false_positives"])),
            )
        )
    header = ["Method", "Cases", "In the volume (located / missed)", "Mean ± SD, mm", "95% interval", "Median, mm"]
    header += ["P95, mm", f"Within {COMPARED} mm", "Over 10 mm (found / review)", "Not there but located"]
    folders = "; ".join(f"{rival['name']}: {rival['folder']}" for rival in report["against"])
    return Table("Methods", header, rows, f"The first is the one that this report is about. {folders}.")


def paired(report: Mapping[str, Any]) -> Table:
    """This model less each of the others, landmark by landmark."""
    rows = []
    for rival in report["against"]:
        of, success = rival["paired"], rival["paired"]["success"][COMPARED]
        means = [number(value) for value in of["means_mm"] or (None, None)]
        rows.append(
            (
                f"{report['name']} − {rival['name']}",
                *(str(of["landmarks"]), *means),
                f"{number(of['difference_mm'])} {interval(of['interval_95'])}".rstrip(),
                probability(of["p"]),
                str(of["present"]),
                f"{number(success['difference'], 100, 1)} {interval(success['interval_95'], 100, 1)}".rstrip(),
                probability(success["p"]),
            )
        )
    header = ["Difference", "Located by both", "Mean of the first", "Of the second", "Difference, mm", "p"]
    header += ["Asked of both", f"Within {COMPARED} mm, percentage points", "p"]
    note = "Paired bootstrap over patients, 95% intervals. A negative difference of errors and a positive one of "
    note += "success favour the first; a missed landmark is no success. No p is below 2^(1 − patients), that of a "
    note += "sign test."
    return Table("Paired differences", header, rows, note)


def groups(report: Mapping[str, Any]) -> Table:
    """Errors by slice spacing, stenosis and distance to the border."""
    rows = []
    for factor in FACTORS:
        for group in report["groups"].get(factor.key, []):
            counts = (str(group[key]) for key in ("present", "missed", "review"))
            figures = (number(group[key]) for key in ("mean_mm", "median_mm", "p95_mm", "max_mm"))
            rows.append((factor.title, group["group"], *counts, *figures))
    header = ["By", "Group", "In the volume", "Missed", "For review", "Mean, mm", "Median, mm", "P95, mm"]
    header += ["Largest, mm"]
    return Table("Groups", header, rows)


def failures(report: Mapping[str, Any]) -> Table:
    """Every missed landmark, false positive and large error, with what the engine said of it."""
    rows = [
        (
            *(of["case"], of["side"], of["outcome"], of["status"], number(of["error_mm"])),
            *(number(of["presence"]), " ".join(of["reasons"])),
        )
        for of in report["failures"]
    ]
    note = "" if rows else "There is none."
    title = f"Failures: missed, not in the volume but located, or off by more than {LARGE_ERROR_MM:g} mm"
    return Table(title, ("Case", "Side", "What", "Status", "Error, mm", "Presence", "Reasons"), rows, note)


def equivariance(report: Mapping[str, Any]) -> Table:
    """How far each scale's answer moves with its crop, by model."""
    rows = []
    measured = report["equivariance"]
    for name, scales in measured["models"].items():
        for spacing, kinds in scales.items():
            whole, part = kinds["whole_voxels"], kinds["sub_voxel"]
            figures = (number(of[key], digits=3) for of in (whole, part) for key in ("mean_mm", "p95_mm"))
            rows.append((name, f"{spacing} mm", *figures, f"{whole['shifts']} + {part['shifts']}"))
    header = ("Model", "Scale", "1–8 voxels: mean, mm", "P95, mm", "Sub-voxel: mean, mm", "P95, mm", "Shifts")
    note = f"Crops around the truth against the same crops shifted along each axis. Cases: {measured['cases']}."
    return Table("Shift-equivariance error", header, rows, note)


def all_tables(report: Mapping[str, Any]) -> list[Table]:
    """Those that have something to show."""
    tables = [protocol(report), uncertainty(report)]
    tables += [coverages(report)] if report["coverages"] else []
    tables += [methods(report), paired(report)] if report["against"] else []
    tables += [equivariance(report)] if report["equivariance"] else []
    tables += [groups(report)] if any(report["groups"].values()) else []
    return [*tables, failures(report)]


def number(value: float | None, factor: float = 1, digits: int = 2) -> str:
    """To ``digits`` decimals, a dash for None."""
    if value is None or not math.isfinite(value):
        return "–"
    rounded = round(value * factor, digits) + 0.0  # and not -0.0
    return f"{rounded:.{digits}f}".replace("-", "−")


def plural(count: int, noun: str) -> str:
    """A number of things."""
    return f"{count} {noun}{'s' * (count != 1)}"


def percent(share: float | None) -> str:
    """A share as a percentage."""
    return "–" if share is None else f"{share:.1%}"


def interval(limits: Sequence[float] | None, factor: float = 1, digits: int = 2) -> str:
    """Both limits in brackets, nothing for None."""
    return "" if limits is None else f"[{', '.join(number(limit, factor, digits) for limit in limits)}]"


def probability(p: float | None) -> str:
    """A p value; 2000 resamples tell nothing below 0.001."""
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _counts(group: Mapping[str, Any]) -> str:
    return f"{group['present']} ({group['located']} / {group['missed']})"


def _mean(group: Mapping[str, Any]) -> str:
    return f"{number(group['mean_mm'])} ± {number(group['sd_mm'])}"


def pair(counts: Mapping[str, int]) -> str:
    """How many of them are `found`, how many for `review`."""
    return f"{counts['found']} / {counts['review']}"


def _with_interval(group: Mapping[str, Any], key: str) -> str:
    return f"{number(group[key])} {interval(group['interval_95'][key])}".rstrip()


def _share(group: Mapping[str, Any], key: str) -> str:
    return f"{percent(group[key])} {interval(group['interval_95'][key], 100, 1)}".rstrip()


def _success(group: Mapping[str, Any], threshold: str) -> str:
    limits = group["interval_95"]["success"][threshold]
    return f"{percent(group['success'][threshold])} {interval(limits, 100, 1)}".rstrip()
