"""The table of what was measured at the forks: a row a measure, a column a side."""

import qt
import slicer
from slicer.i18n import tr as _

from CarotidLandmarkLib.landmarks.forks import MEASURES
from CarotidLandmarkLib.landmarks.points import SIDES

from .panelTable import NO_VALUE, sideName

ROW_MARGIN = 6


class MeasuresTable:
    """Fills a QTableWidget from ForkResults; Ctrl+C within it copies."""

    def __init__(self, table):
        self.table = table
        table.setColumnCount(1 + len(SIDES))
        table.setHorizontalHeaderLabels([_("Measure"), *map(sideName, SIDES)])
        header = table.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
        header.setHighlightSections(False)
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setSectionResizeMode(qt.QHeaderView.Fixed)

        class CopyFilter(qt.QWidget):  # the table itself would copy one cell
            def eventFilter(self, watched, event):
                isCopy = event.type() == qt.QEvent.KeyPress and event.matches(qt.QKeySequence.Copy)
                if isCopy:
                    measuresTable.copySelected()
                return isCopy

        measuresTable = self
        self.filter = CopyFilter()
        table.installEventFilter(self.filter)

    def show(self, forks):
        """Show the measures of ``forks``, side to ForkResult or None, that any of them has."""
        measures = {side: fork.measures if fork is not None else {} for side, fork in forks.items()}
        names = [name for name in MEASURES if any(name in measures[side] for side in SIDES)]
        table = self.table
        table.setVisible(bool(names))
        table.setRowCount(len(names))
        for row, name in enumerate(names):
            title = qt.QTableWidgetItem(measureName(name))
            title.setToolTip(title.text())  # where the panel is too narrow for it
            table.setItem(row, 0, title)
            for column, side in enumerate(SIDES, start=1):
                table.setItem(row, column, _cell(measures[side].get(name)))
        self._fit()

    def copy(self):
        """Copy all rows, separated by tabs, below their header."""
        self._copy(range(self.table.rowCount))

    def copySelected(self):
        """Copy the selected rows, or all if none is selected."""
        rows = [row for row in range(self.table.rowCount) if self.table.item(row, 0).isSelected()]
        self._copy(rows or range(self.table.rowCount))

    def _copy(self, rows):
        columns = range(self.table.columnCount)
        lines = [[self.table.horizontalHeaderItem(column).text() for column in columns]]
        lines += [[self.table.item(row, column).text() for column in columns] for row in rows]
        slicer.app.clipboard().setText("".join("\t".join(line) + "\n" for line in lines))

    def _fit(self):
        """Make the table as large as its cells, so that it never scrolls."""
        table, header, metrics = self.table, self.table.horizontalHeader(), self.table.fontMetrics()
        height = metrics.height() + ROW_MARGIN
        for row in range(table.rowCount):
            table.setRowHeight(row, height)
        table.setFixedHeight(table.rowCount * height + header.sizeHint.height() + 2 * table.frameWidth)


def measureName(name):
    """Return what a measure of MEASURES is called in the user's language."""
    names = {
        "common_10_mm": _("CCA, 10 mm below"),
        "common_20_mm": _("CCA, 20 mm below"),
        "bulb_mm": _("Bulb, widest"),
        "internal_20_mm": _("ICA, 20 mm above"),
        "internal_30_mm": _("ICA, 30 mm above"),
        "external_10_mm": _("ECA, 10 mm above"),
        "area_ratio": _("Area, (ICA + ECA) / CCA"),
        "angle_deg": _("Angle of ICA and ECA"),
        "internal_narrowest_mm": _("ICA, narrowest"),
        "internal_narrowest_at_mm": _("\u2026 above the carina"),
        "nascet_percent": _("NASCET"),
        "calcium_mm3": _("Calcium"),
        "above_top_mm": _("Carina to the top"),
        "below_bottom_mm": _("Carina to the bottom"),
        "mandible_angle_mm": _("Carina above mandible"),
        "hyoid_mm": _("Carina above hyoid"),
        "skull_base_mm": _("Carina above skull base"),
    }
    return names.get(name) or _("Carina above {vertebra}").format(vertebra=name.split("_")[0].upper())


def _cell(measure):
    item = qt.QTableWidgetItem((measure and measure.text()) or NO_VALUE)
    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
    if measure is not None and measure.reason:
        item.setToolTip(measure.reason)
    return item
