"""The report's figures, with captions that say what to see: charts as PNG and SVG, pictures of volumes as PNG."""

from __future__ import annotations

import importlib.util
import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...atomic import write_bytes
from ...detect.results import prepare_folder
from ...errors import CarotidLandmarkError
from ...landmarks.points import SIDES
from ...pictures.key import save as save_image
from ..cases import Case
from ..scores import Score
from .rows import LOCATED, Row, worst_first

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

    from ...model.multiscale import MultiScaleLocNet

NAMES = ("errors", "success", "confidence", "groups", "heatmaps-left", "heatmaps-right", "worst")
WORST = 10
DPI = 130


class Drawn(NamedTuple):
    """A figure in ``folder``/name.png and, where it is a ``vector`` graphic, .svg, which is then the one to show."""

    name: str
    title: str
    caption: str
    folder: Path
    vector: bool = True


def draw_figures(
    folder: Path,
    methods: Mapping[str, Sequence[Score]],
    rows: Sequence[Row],
    truths: Mapping[str, Case],
    confidence: float,
    models: Mapping[str, MultiScaleLocNet],
    case: str | None = None,
) -> list[Drawn]:
    """Draw what the data allow into ``folder``, in place of what an earlier report left there; return what was drawn.

    methods: name to scores, the evaluated one first; rows are its. models: name to the network whose heatmaps are drawn
    on ``case``, or else on the landmark of median error. Without matplotlib nothing is drawn.
    """
    if folder.is_dir():
        for name in NAMES:
            for suffix in (".png", ".svg"):
                (folder / name).with_suffix(suffix).unlink(missing_ok=True)
    if "matplotlib" in missing_packages():
        return []
    prepare_folder(folder, "--out")
    drawn = _charts(folder, methods, rows)
    if models:
        drawn += _heatmaps(folder, models, rows, truths, case)
    worst = worst_first(rows)[:WORST]
    if worst:
        from .sheet import contact_sheet

        caption = (
            "Missed landmarks first, then false positives, then the largest errors. Yellow + is the truth, green x the "
            f"prediction with its {100 * confidence:.4g}% ellipsoid, both moved along the normal into the cut, which "
            "passes through the truth (of a false positive: the prediction). In brackets: beyond the edge, in that "
            "direction. Axial, coronal, sagittal: the patient's right is on the "
            "left of the first two, anterior on the left of the third."
        )
        sheet = contact_sheet(worst, truths, confidence)
        drawn.append(_save_picture(sheet, Drawn("worst", f"The worst {len(worst)} landmarks", caption, folder, False)))
    return drawn


def missing_packages() -> list[str]:
    """What figures and the report's page need and this Python has not: the extra [report] installs it."""
    return [name for name in ("matplotlib", "jinja2") if importlib.util.find_spec(name) is None]


def save(figure: Figure, path: Path) -> None:
    """Write the figure as ``path``'s suffix says; raise CannotRunError if it cannot be written."""
    from matplotlib import rc_context

    image = io.BytesIO()
    options: dict[str, Any] = {"metadata": {"Date": None} if path.suffix == ".svg" else {}, "dpi": DPI}
    with rc_context({"svg.hashsalt": path.stem}):  # the same report, the same files
        figure.savefig(image, format=path.suffix[1:], **options)
    write_bytes(path, image.getvalue())


def save_chart(figure: Figure, path: Path) -> None:
    """Write the figure to path.png and path.svg, as save does."""
    for suffix in (".png", ".svg"):
        save(figure, path.with_suffix(suffix))


def median_row(rows: Sequence[Row]) -> Row | None:
    """The located landmark of median error, the lower of two; None where none was located."""
    located = sorted((row for row in rows if row.outcome == LOCATED), key=lambda row: row.score.error_mm)
    return located[(len(located) - 1) // 2] if located else None


def _charts(folder: Path, methods: Mapping[str, Sequence[Score]], rows: Sequence[Row]) -> list[Drawn]:
    from . import plots

    drawn = []
    name, scores = next(iter(methods.items()))
    located = [s for s in scores if s.error_mm == s.error_mm]
    if located:
        shown: Mapping[str, Sequence[Score]] = methods
        if len(methods) == 1:
            shown = {"all": scores, **{side: [s for s in scores if s.side == side] for side in SIDES}}
        caption = (
            "Every located landmark is a point; the shape is their density, the bar the middle half, the white dot the "
            f"median. The axis is logarithmic; errors below {plots.LEAST_MM:g} mm are drawn there. Missed landmarks "
            "have no error and are counted below."
        )
        what = " by method" if len(methods) > 1 else f" of {name}"
        drawn.append(_save(plots.violins(shown), Drawn("errors", f"Errors{what}", caption, folder)))
    if any(s.present for s in scores):
        caption = (
            "Share of the landmarks in the volume that were located within t mm of the truth; a missed one never is. "
            "The higher and the further left, the better; where the curve ends below 100% at 10 mm, landmarks were "
            "missed or grossly misplaced. Bands: 95% intervals by bootstrap over patients."
        )
        drawn.append(_save(plots.success(methods), Drawn("success", "Success rate", caption, folder)))
    if any(s.volume_mm3 > 0 or s.paper_volume_mm3 > 0 for s in located):
        caption = (
            "A useful uncertainty is large where the error is: points should rise to the right, with those for review "
            "above and to the right of the found ones. The line is the regression of the error on the volume."
        )
        if any(s.paper_volume_mm3 > 0 for s in located):
            caption += " Below, the volume of the passes' spread alone: 65.47 times the product of its SDs (Ma et al.)."
        title = f"Confidence volume and error of {name}"
        drawn.append(_save(plots.confidence(scores), Drawn("confidence", title, caption, folder)))
    figure = plots.groups(rows)
    if figure:
        caption = (
            "The middle line is the median, the box the middle half, the whiskers reach to 1.5 times its height. A "
            "missed landmark is a cross above the dashed line. Few landmarks in a group (n) tell little."
        )
        title = f"Errors of {name} by what may explain them"
        drawn.append(_save(figure, Drawn("groups", title, caption, folder)))
    return drawn


def _heatmaps(
    folder: Path,
    models: Mapping[str, MultiScaleLocNet],
    rows: Sequence[Row],
    truths: Mapping[str, Case],
    case: str | None,
) -> list[Drawn]:
    from ...volume.read import read_volume
    from .heatmaps import heatmaps, scale_heats

    middle = median_row(rows)
    chosen = [row for row in rows if row.score.case == case and row.truth is not None] if case else [middle]
    shown = [row for row in chosen if row is not None]
    if not shown:
        return []
    name = shown[0].score.case
    try:
        volume = read_volume(truths[name].volume, truths[name].series)
    except CarotidLandmarkError as error:
        print(f"No heatmaps: {error}", file=sys.stderr)
        return []
    heats = {label: scale_heats(model, volume) for label, model in models.items()}
    drawn = []
    for row in shown:
        side = row.score.side
        caption = (
            f"{name}, {side} ({row.verdict} in the report). Each row is one scale, cut through its own answer (green "
            "x), the centre of mass of the heatmap; yellow + is the truth, moved into the cut. This is a single pass; "
            "the engine averages several, and tries further starts. A compact spot on the fork means a sure answer, "
            "several spots or a smear an answer between places."
        )
        title = f"Heatmaps on {'the chosen case' if case else 'the landmark of median error'}: {name}, {side}"
        image = heatmaps({label: of[side] for label, of in heats.items()}, volume, row.truth)
        drawn.append(_save_picture(image, Drawn(f"heatmaps-{side}", title, caption, folder, False)))
    return drawn


def _save(figure: Figure, drawn: Drawn) -> Drawn:
    save_chart(figure, drawn.folder / drawn.name)
    return drawn


def _save_picture(image: Image, drawn: Drawn) -> Drawn:
    save_image(image, (drawn.folder / drawn.name).with_suffix(".png"))
    return drawn
