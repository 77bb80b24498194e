"""The columns of the module's tables."""

import qt


def setUpColumns(table, titles, tips, fit):
    """Give a QTableWidget its columns: the first takes the room that the others leave.

    fit() is called soon after widths have changed, once. Returns the timer that does so.
    """
    table.setColumnCount(len(titles))
    table.setHorizontalHeaderLabels(titles)
    for column, tip in enumerate(tips):
        table.horizontalHeaderItem(column).setToolTip(tip)
    header = table.horizontalHeader()
    header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
    header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
    header.setHighlightSections(False)
    table.verticalHeader().setVisible(False)
    fitting = qt.QTimer(table)
    fitting.setSingleShot(True)
    fitting.connect("timeout()", fit)
    header.connect("sectionResized(int,int,int)", lambda column, before, after: fitting.start(0))
    return fitting
