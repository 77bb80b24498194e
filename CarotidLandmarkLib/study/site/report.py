"""What came out of a site's cases: one page, the same as JSON, and the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...atomic import write_json, write_text
from ...landmarks.detection import Detection
from ...landmarks.points import AXES
from ..report.figures import Drawn, missing_packages, save_chart
from ..report.rows import Row, coverages, make_rows, worst_first
from ..report.tables import Table, interval, number, pair, percent, plural
from ..report.tables import coverages as coverage_table
from ..report.write import landmarks, markdown_of, render
from ..scores import LARGE_ERROR_MM
from .cases import SiteCases
from .choose import ABOUT, LEAST_GAIN_MM, OFFSET, UNCHANGED
from .run import FOLDS, Findings
from .weights import write_site_weights

SCHEMA = "carotid-landmark/site/1"
REPORT, WEIGHTS, PAGE, TEXT = "site.json", "site.safetensors", "report.html", "report.md"
WORST = 6
WHERE = (
    ("nearer to the midline", "farther from the midline"),
    ("farther forward", "farther back"),
    ("lower", "higher"),
)


def write_site(
    out: Path, found: Findings, facts: Mapping[str, Any], base: Mapping[str, Any], way: str
) -> dict[str, Any]:
    """Write the weights of this ``way`` (none for UNCHANGED), the page and site.json to the folder ``out``; return what
    site.json holds. facts: of the command; base: header of the weights that the site began with.

    Raises CannotRunError where they cannot be written.
    """
    report = as_report(found, facts, base, way)
    (out / REPORT).unlink(missing_ok=True)  # it comes last: without it the others may be of two minds
    if way == UNCHANGED:
        (out / WEIGHTS).unlink(missing_ok=True)
    else:
        story = {key: report[key] for key in ("way", "worse_than_before", "command", "folds")}
        story["results"] = {key: _results(of.table) for key, of in found.judged.items()}
        report["sha256"] = write_site_weights(
            out / WEIGHTS, found.networks[way], base, found.final[way], found.site, story, found.grown[way]
        )
    rows = {key: make_rows({case.name: case for case in found.site.cases}, of) for key, of in found.detections.items()}
    tables = all_tables(found, report, rows)
    title = f"{base.get('name')} {base.get('version')} on {facts['data']}"
    summary, remarks = summary_of(found, report), remarks_of(found)
    write_text(out / TEXT, markdown_of(title, summary, tables, remarks))
    if not missing_packages():
        figures = _figures(out / "figures", found, rows[way], way)
        about = [f"{len(found.site.cases)} cases", f"weights {str(base.get('sha256'))[:12]}"]
        write_text(
            out / PAGE, render(title, about, summary, tables, figures, remarks, landmarks(worst_first(rows[way])))
        )
    write_json(out / REPORT, report)
    return report


def as_report(found: Findings, facts: Mapping[str, Any], base: Mapping[str, Any], way: str) -> dict[str, Any]:
    """Everything as plain values."""
    site, choice = found.site, found.choice
    return {
        "schema": SCHEMA,
        "way": way,
        "chosen": choice.way,
        "why": choice.why,
        "worse_than_before": choice.worse[way],
        "base": {key: base.get(key) for key in ("name", "version", "sha256")},
        **facts,
        "cases": len(site.cases),
        "patients": found.final[OFFSET].patients,
        "folds": len(set(site.folds(FOLDS).values())),
        "data_sha256": site.digest,
        "failed_cases": dict(found.failed),
        "remarks": list(found.remarks),
        "offset_mm": {
            axis: {"median": float(found.offset[i]), "interval_95": found.limits[:, i].tolist()}
            for i, axis in enumerate(AXES)
        },
        "against_missing": against_missing(site, found.detections[UNCHANGED]),
        "ways": {
            key: {
                **of.table,
                "offset_lps_mm": found.final[key].offset.tolist(),
                "covariance_factor": found.final[key].factor,
                "less_the_best_mm": {"mean": choice.differences[key][0], "interval_95": choice.differences[key][1]},
                "worse_than_before": choice.worse[key],
            }
            for key, of in found.judged.items()
        },
        "test_phantoms": found.cost,
    }


def summary_of(found: Findings, report: Mapping[str, Any]) -> list[str]:
    """The result in a few sentences."""
    before, way = found.judged[UNCHANGED].table, report["way"]
    after = found.judged[way].table
    of, unsure = before["all"], before["uncertainty"]
    said = [f"Use “{way}”: {ABOUT[way]}. {report['why']}"]
    if way != report["chosen"]:
        said = [f"You chose “{way}”: {ABOUT[way]}. By these cases “{report['chosen']}” is for you: {report['why']}"]
    elif way == UNCHANGED:
        said = [f"Keep what you have. {report['why']}"]
    if report["worse_than_before"]:
        said.append("These weights are WORSE on your cases than those that they were made from: do not use them.")
    said += [
        said_of_offset(found.offset, found.limits),
        f"As they are, the weights located {of['located']} of {of['present']} landmarks, with a mean error of "
        f"{number(of['mean_mm'])} mm {interval(of['interval_95']['mean_mm'])}; their {100 * unsure['confidence']:.4g}% "
        f"ellipsoids hold your point in {percent(unsure['coverage'])} "
        f"{interval(unsure['interval_95']['coverage'], 100, 1)}. {percent(of['review_share'])} of what was located is "
        f"for review; silent (found, but over {LARGE_ERROR_MM:g} mm off or not there): {percent(of['silent_share'])}.",
    ]
    if way != UNCHANGED:
        of, unsure = after["all"], after["uncertainty"]
        said.append(
            f"With “{way}”, on cases that it has not seen: mean error {number(of['mean_mm'])} mm "
            f"{interval(of['interval_95']['mean_mm'])}, coverage {percent(unsure['coverage'])} "
            f"{interval(unsure['interval_95']['coverage'], 100, 1)}."
        )
    return said


def said_of_offset(offset: np.ndarray, limits: np.ndarray) -> str:
    """Where the readers put the point, in a sentence."""
    parts = []
    for axis in np.argsort(-np.abs(offset)):
        low, high = limits[:, axis]
        if low * high > 0 and abs(offset[axis]) >= LEAST_GAIN_MM:
            half = max((high - low) / 2, 0.1)  # nothing is known to less than what is shown
            parts.append(f"{abs(offset[axis]):.1f} ± {half:.1f} mm {WHERE[axis][int(offset[axis] > 0)]}")
    if not parts:
        return (
            f"Your readers put the point where these weights put it, within {LEAST_GAIN_MM:g} mm or what can be told."
        )
    last = f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]
    return f"Your readers put the point {last}, seen from these weights (± half of the 95% interval)."


def against_missing(site: SiteCases, detections: Mapping[str, Detection]) -> dict[str, dict[str, int]]:
    """What readers said (placed, missing) -> the weights' status -> how often."""
    counts = {said: dict.fromkeys(("found", "review", "absent"), 0) for said in ("placed", "missing")}
    for name, detection in detections.items():
        for side, point in site.truths[name].items():
            counts["missing" if point is None else "placed"][detection.landmark(side).status] += 1
    return counts


def all_tables(found: Findings, report: Mapping[str, Any], rows: Mapping[str, Sequence[Row]]) -> list[Table]:
    """Of the page, in order. rows: of each way."""
    offset = [
        (axis.capitalize(), f"{number(of['median'])} {interval(of['interval_95'])}")
        for axis, of in report["offset_mm"].items()
    ]
    note = "From the weights' point to the reader's, both sides mirrored onto each other; surer answers count more. "
    note += "Lateral is away from the midline, posterior towards the back, cranial towards the head. 95% intervals."
    statuses = [
        (said.capitalize(), *(str(count) for count in of.values())) for said, of in report["against_missing"].items()
    ]
    tables = [
        Table("Three ways", ("", *report["ways"]), _side_by_side(report), _judged_note(report)),
        Table("Your definition", ("Axis", "Median offset, mm"), offset, note),
        Table("Missing or absent", ("Your reader says", "found", "review", "absent"), statuses),
        _coverage(rows),
    ]
    if found.cost:
        tables.append(_cost(found.cost))
    return tables


def remarks_of(found: Findings) -> list[str]:
    """What to know of how the figures came about."""
    folds = len(set(found.site.folds(FOLDS).values()))
    return [
        *found.remarks,
        *(f"Left out: {name}: {sentence}" for name, sentence in found.failed.items()),
        f"Each case was judged by what had been learned from other patients only, in {folds} parts; the final weights "
        "have learned from all. The ellipsoids of “tuned” were fitted to answers of nets that had not seen the case.",
        "Scans of one patient are known by DICOM's patient ID alone: of exports without names give one scan each.",
        f"Means that differ by less than {LEAST_GAIN_MM:g} mm, or by an interval that holds 0, count as equal; of ways "
        "that are equal the simplest is taken whose ellipsoids hold what they say.",
        f"The ellipsoids rest on {plural(len(found.site.cases), 'case')}: with so few they may hold the point less or "
        "more often than they say.",
        "Not for clinical use.",
    ]


def _side_by_side(report: Mapping[str, Any]) -> list[Sequence[str]]:
    ways = list(report["ways"].values())
    groups, unsure = [of["all"] for of in ways], [of["uncertainty"] for of in ways]

    def limited(of: Mapping[str, Any], key: str, factor: float = 1, digits: int = 2) -> str:
        return f"{number(of[key], factor, digits)} {interval(of['interval_95'][key], factor, digits)}".rstrip()

    return [
        ("Landmarks located / missed", *(f"{of['located']} / {of['missed']}" for of in groups)),
        ("Mean error, mm", *(limited(of, "mean_mm") for of in groups)),
        ("Median, mm", *(limited(of, "median_mm") for of in groups)),
        ("95th percentile, mm", *(limited(of, "p95_mm") for of in groups)),
        ("Largest, mm", *(number(of["max_mm"]) for of in groups)),
        ("Mean error less that of the best, mm", *(_less(of["less_the_best_mm"]) for of in ways)),
        (
            f"Coverage of the {100 * unsure[0]['confidence']:.4g}% ellipsoid, %",
            *(limited(of, "coverage", 100, 1) for of in unsure),
        ),
        ("For review, of the located, %", *(limited(of, "review_share", 100, 1) for of in groups)),
        ("Silent failures, %", *(limited(of, "silent_share", 100, 1) for of in groups)),
        ("Covariance times", *(number(of["covariance_factor"]) for of in ways)),
    ]


def _coverage(rows: Mapping[str, Sequence[Row]]) -> Table:
    """Of all landmarks by each way, and by side, slice spacing and status as it was before."""
    lines = []
    for way, of_way in rows.items():
        groups = coverages(of_way)
        shown = groups if way == UNCHANGED else groups[:1]
        lines += [{**of, "group": way if of is groups[0] else f"— {of['group']}"} for of in shown]
    return coverage_table({"coverages": lines})._replace(title="Coverage: before and after")


def _less(of: Mapping[str, Any]) -> str:
    return "–" if of["mean"] == 0 else f"{number(of['mean'])} {interval(of['interval_95'])}"


def _judged_note(report: Mapping[str, Any]) -> str:
    said = "; ".join(f"{way}: {ABOUT[way]}" for way in report["ways"])
    return (
        f"On cases of patients that nothing was learned from. 95% intervals over patients. {said[0].upper()}{said[1:]}."
    )


def _cost(cost: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = []
    for name, key in (("as they are", "moved"), ("without the site's offset", "not_moved")):
        tables = [of[key]["all"] for of in cost.values()]
        rows.append(
            (
                f"Mean error {name}, mm",
                *(f"{number(t['mean_mm'])} {interval(t['interval_95']['mean_mm'])}" for t in tables),
            )
        )
    plain = [of["not_moved"]["all"] for of in cost.values()]
    rows += [
        ("95th percentile without it, mm", *(number(t["p95_mm"]) for t in plain)),
        ("Missed", *(str(t["missed"]) for t in plain)),
        ("Found of those within 3 mm", *(percent(t["found_of_good"]) for t in plain)),
        ("Not there but located (found / review)", *(pair(t["false_positives"]) for t in plain)),
    ]
    cases = next(iter(cost.values()))["moved"]["cases"]
    note = (
        f"{plural(cases, 'phantom')} that these weights were first tested on; their point is the carina, so that the "
    )
    note += "offset of a site is an error there."
    return Table("What it costs: on the original test phantoms", ("", *cost), rows, note)


def _results(table: Mapping[str, Any]) -> dict[str, Any]:
    of, unsure = table["all"], table["uncertainty"]
    return {
        "mean_mm": of["mean_mm"],
        "mean_mm_95": of["interval_95"]["mean_mm"],
        "coverage": unsure["coverage"],
        "missed": of["missed"],
    }


def _figures(folder: Path, found: Findings, rows: Sequence[Row], way: str) -> list[Drawn]:
    from ...pictures.key import save as save_image
    from ..report.plots import violins
    from ..report.sheet import contact_sheet

    folder.mkdir(parents=True, exist_ok=True)
    caption = "Every located landmark is a point; the bar is the middle half, the white dot the median."
    drawn = [Drawn("ways", "Errors of each way on your cases", caption, folder)]
    save_chart(violins({key: of.scores for key, of in found.judged.items()}), folder / "ways")
    worst = worst_first(rows)[:WORST]
    if worst:
        confidence = found.judged[way].table["uncertainty"]["confidence"]
        caption = (
            f"Of “{way}”. Yellow + is your reader's point, green x the answer with its {100 * confidence:.4g}% "
            "ellipsoid, both moved along the normal into the cut. Axial, coronal, sagittal: the patient's right is on "
            "the left of the first two, anterior on the left of the third."
        )
        sheet = contact_sheet(worst, {case.name: case for case in found.site.cases}, confidence)
        save_image(sheet, folder / "worst.png")
        drawn.append(Drawn("worst", f"The worst {len(worst)} landmarks", caption, folder, False))
    return drawn
