"""The table of landmarks: a row a side with its numbers, and below it a row with the reasons in words."""

import qt
from slicer.i18n import tr as _

from .ellipsoids import COLORS
from .tableColumns import setUpColumns

COLUMNS = 5
TEXT_MARGIN = 4
NO_VALUE = "\u2013"


class LandmarkTable:
    """Fills a QTableWidget from LandmarkReviews. onClicked(side) is called when a row is clicked."""

    def __init__(self, table, onClicked):
        self.table = table
        self.onClicked = onClicked
        self.sides = []
        definition = _(
            "It speaks of the bifurcation as the model learned it: by default the carina, where the lumens of internal "
            "and external carotid part. If yours lies elsewhere, it is off by as much."
        )
        tips = [
            _("The patient's side."),
            _("What was detected, or what the reader has decided."),
            _("Where the point is now: to the right, to the front, to the head."),
            _("Largest radius of the confidence ellipsoid.") + "\n" + definition,
            _("Volume of the confidence ellipsoid.") + "\n" + definition,
        ]
        titles = [_("Side"), _("Status"), _("R, A, S (mm)"), _("\u00b1 mm"), _("mm\u00b3")]
        self.fitting = setUpColumns(table, titles, tips, self.fit)
        table.verticalHeader().setMinimumSectionSize(26)
        table.verticalHeader().setSectionResizeMode(qt.QHeaderView.Fixed)
        table.connect("cellClicked(int,int)", self._clicked)

    def show(self, reviews):
        """Show the LandmarkReviews in their order; the selected side stays, else the first is."""
        selected = self.selectedSide()
        self.sides = [review.side for review in reviews]
        self.table.setRowCount(2 * len(reviews))
        for number, review in enumerate(reviews):
            self._showRow(2 * number, review)
        if self.sides:
            self.select(selected or self.sides[0])
        self.fit()

    def selectedSide(self):
        """Return "left", "right" or None."""
        row = self.table.currentRow()
        return self.sides[row // 2] if 0 <= row < 2 * len(self.sides) else None

    def select(self, side):
        """Select the row of that side, which is in the table."""
        self.table.setCurrentCell(2 * self.sides.index(side), 0)

    def fit(self):
        """Make rows as high as what is in them and the table as large as its cells, so that it never scrolls."""
        table, header, metrics = self.table, self.table.horizontalHeader(), self.table.fontMetrics()
        width = header.length() - 2 * TEXT_MARGIN
        for row in range(1, table.rowCount, 2):
            words = table.item(row, 0)
            text = metrics.boundingRect(0, 0, width, 0, qt.Qt.TextWordWrap, words.text())
            words.setSizeHint(qt.QSize(0, text.height() + TEXT_MARGIN))  # Qt 5 takes the first column for the width
        table.resizeRowsToContents()
        rows = sum(table.rowHeight(row) for row in range(table.rowCount))
        table.setFixedHeight(rows + header.sizeHint.height() + 2 * table.frameWidth)
        names = [metrics.horizontalAdvance(sideName(side)) + 2 * TEXT_MARGIN for side in self.sides]
        columns = [max([header.sectionSizeHint(0), *names]), *map(table.columnWidth, range(1, COLUMNS))]
        table.setMinimumWidth(sum(columns) + 2 * table.frameWidth)

    def _showRow(self, row, review):
        numbers = [
            NO_VALUE if review.ras is None else "{:.1f}, {:.1f}, {:.1f}".format(*review.ras),
            NO_VALUE if review.radiiMm is None else _number(max(review.radiiMm)),
            NO_VALUE if review.volumeMm3 is None else _number(review.volumeMm3),
        ]
        texts = [sideName(review.side), "", *numbers]
        for column, text in enumerate(texts):
            item = qt.QTableWidgetItem(text)
            if column > 1:
                item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
            self.table.setItem(row, column, item)
        self.table.setCellWidget(row, 1, _chip(review.chip))
        self.table.setSpan(row + 1, 0, 1, COLUMNS)
        words = qt.QTableWidgetItem(describe(review))
        words.setFlags(qt.Qt.ItemIsEnabled)
        self.table.setItem(row + 1, 0, words)
        self.table.setRowHidden(row + 1, not words.text())

    def _clicked(self, row, column):
        side = self.sides[row // 2]
        self.select(side)
        self.onClicked(side)


def sideName(side):
    """Return the name of the side in the user's language."""
    return {"left": _("Left"), "right": _("Right")}[side]


def chipName(chip):
    """Return the name of the status or decision in the user's language."""
    return {
        "found": _("found"),
        "review": _("review"),
        "absent": _("absent"),
        "undetected": _("not detected"),
        "accepted": _("accepted"),
        "moved": _("moved"),
        "missing": _("missing"),
    }[chip]


def describe(review):
    """Return how far the point was moved and why it is doubted; "" if there is nothing to say."""
    words = list(review.reasons)
    if review.decision == "moved" and review.displacementMm is not None:
        words.insert(0, _("Moved by {distance:.1f} mm.").format(distance=review.displacementMm))
    elif review.decision == "moved":
        words.insert(0, _("Placed by hand."))
    return " ".join(filter(None, [review.problem, *words]))


def _number(value):
    """Return a length or volume as text that is never zero."""
    if value < 0.01:
        return "< 0.01"
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def dressChip(label, text, color):
    """Make a label a chip: a word on a coloured ground (RGB, 0 to 1)."""
    red, green, blue = color
    words = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
    ground = "#" + "".join(f"{round(255 * part):02x}" for part in color)
    label.text = text
    label.setAlignment(qt.Qt.AlignCenter)
    label.setStyleSheet(
        f"QLabel {{ background: {ground}; color: {words}; border-radius: 7px; margin: 3px; padding: 0px 5px; }}"
    )


def _chip(chip):
    label = qt.QLabel()
    label.setAttribute(qt.Qt.WA_TransparentForMouseEvents)
    dressChip(label, chipName(chip), COLORS[chip])
    return label
