"""The table of Qt 5.15, where Qt 6 has since mended the height of rows."""

from PySide6.QtCore import QRect
from PySide6.QtWidgets import QStyleOptionViewItem, QTableWidget


class QTableWidget5(QTableWidget):
    """A row that is as high as its contents takes a spanned cell for one of the width of its first column."""

    def sizeHintForRow(self, row):
        heights = [self._heightHint(row, column) for column in range(self.columnCount())]
        return max(heights) + (1 if self.showGrid() else 0)

    def _heightHint(self, row, column):
        index = self.model().index(row, column)
        option = QStyleOptionViewItem()
        self.initViewItemOption(option)
        place = self.columnViewportPosition(column), self.rowViewportPosition(row)
        option.rect = QRect(*place, self.columnWidth(column), max(self.rowHeight(row), 1))
        if self.wordWrap():
            option.features |= QStyleOptionViewItem.ViewItemFeature.WrapText
        height = self.itemDelegateForIndex(index).sizeHint(option, index).height()
        widget = self.indexWidget(index)
        return height if widget is None else max(height, widget.sizeHint().height())
