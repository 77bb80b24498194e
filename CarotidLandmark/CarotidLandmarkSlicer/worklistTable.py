"""The table of a worklist: a row a case, what is wrong with a case in words in its row."""

import os

import qt
from slicer.i18n import tr as _

from .tableColumns import setUpColumns

COLUMNS = 4
TEXT_MARGIN = 8
MAX_ROWS_SHOWN = 8
MANY_ROWS = 50


class WorklistTable:
    """Fills a QTableWidget from the library's Rows. onChosen(name) is called when a row is double-clicked."""

    def __init__(self, table, onChosen):
        self.table = table
        self.onChosen = onChosen
        self.rows = []
        self._name = None
        tips = [
            _("Double-click a row to open the case."),
            _("What was detected, and why the case is in the list; audit: a random tenth of those that seem sure."),
            _("Done: both sides were decided and exported."),
            _("Who has done it, has done half of it, or has it open now."),
        ]
        titles = [_("Case"), _("Why"), _("State"), _("Reader")]
        self.fitting = setUpColumns(table, titles, tips, self.fit)
        table.verticalHeader().setMinimumSectionSize(20)
        table.connect("cellDoubleClicked(int,int)", lambda row, column: self.onChosen(self.rows[row].case.name))

    def show(self, rows, name):
        """Show the Rows, that of the case ``name`` in bold; only those are written that are not there as they are."""
        isSame = [row.case.name for row in rows] == [row.case.name for row in self.rows]
        names = {row.case.name for row in rows}
        gone = [number for number, row in enumerate(self.rows) if row.case.name not in names]
        before = [(row, row.case.name == self._name) for row in self.rows]
        for number in reversed(gone[:MANY_ROWS]):
            self.table.removeRow(number)
            del before[number]
        before = before[: len(rows)] + [None] * (len(rows) - len(before))
        now = [(row, row.case.name == name) for row in rows]
        changed = [number for number, told in enumerate(now) if told != before[number]]
        if len(changed) > MANY_ROWS:  # one by one they would be measured each time, which takes far longer
            self.table.setRowCount(0)
            before, changed = [None] * len(rows), range(len(rows))
        self.rows, self._name = rows, name
        self.table.setRowCount(len(rows))
        for number in changed:
            if before[number] is not None and before[number][0].problem:
                self.table.setSpan(number, 0, 1, 1)
            self._showRow(number, *now[number])
        if changed or not isSame or not rows:
            self.fit(changed)
        number = next((number for number, row in enumerate(rows) if row.case.name == name), None)
        if number is not None and (not isSame or self.table.currentRow() != number):
            self.table.setCurrentCell(number, 0)
            self.table.scrollToItem(self.table.item(number, 0))

    def fit(self, numbers=None):
        """Make rows with a sentence, of those with these ``numbers`` (None: all), as high as that is."""
        table, metrics = self.table, self.table.fontMetrics()
        width = table.horizontalHeader().length() - TEXT_MARGIN
        for number in range(len(self.rows)) if numbers is None else numbers:
            row = self.rows[number]
            height = metrics.height() + TEXT_MARGIN
            if row.problem:
                text = metrics.boundingRect(0, 0, width, 0, qt.Qt.TextWordWrap, table.item(number, 0).text())
                height = max(height, text.height() + TEXT_MARGIN)
            table.setRowHeight(number, height)
        heights = [table.rowHeight(number) for number in range(min(table.rowCount, MAX_ROWS_SHOWN))]
        table.setFixedHeight(sum(heights) + table.horizontalHeader().sizeHint.height() + 2 * table.frameWidth)

    def _showRow(self, number, row, isOpen):
        texts = [row.case.name, groupName(row.group), stateName(row), readers(row)]
        if row.problem:
            texts = [row.case.name + "\n" + shortened(row), "", "", ""]
            self.table.setSpan(number, 0, 1, COLUMNS)
        for column, text in enumerate(texts):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(row.problem or text)
            font = item.font()
            font.setBold(isOpen)
            item.setFont(font)
            self.table.setItem(number, column, item)


def shortened(row):
    """Return what is wrong with a case with the names of its volume and its result instead of their whole paths."""
    text = row.problem
    for path in (row.case.volume, row.case.report):
        text = text.replace(path, os.path.basename(path)) if path else text
    return text


def groupName(group):
    """Return why a case is in the list, in the user's language."""
    return {
        "review": _("review"),
        "absent": _("absent"),
        "scan": _("not detected"),
        "failed": _("failed"),
        "audit": _("audit"),
        "sure": _("sure"),
    }[group]


def stateName(row):
    """Return how far a case is, in the user's language."""
    return {"open": _("open"), "problem": "", "done": _("done"), "half": _("half done"), "todo": ""}[row.state]


def readers(row):
    """Return who has to do with a case."""
    return ", ".join(dict.fromkeys((*row.readers, *row.half, *row.open_at)))
