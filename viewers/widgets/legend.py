"""The legend that napari's points lack: categories with counts that can be switched off, or a scale of colours."""

from qtpy.QtCore import QPoint, Signal
from qtpy.QtGui import QColor, QIcon, QLinearGradient, QPainter, QPixmap, QPolygon
from qtpy.QtWidgets import QCheckBox, QLabel, QVBoxLayout, QWidget

from synimg.viewers.colours import MOST_CATEGORIES, UNKNOWN, Legend

TRIANGLES = {"potentiated": ((7, 0), (14, 13), (0, 13)), "depressed": ((0, 1), (14, 1), (7, 14))}
"""Corners of the symbols of the classes that are no dots."""


class LegendView(QWidget):
    """Draws a `Legend`; `changed` tells that a category was switched on or off."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: dict[str, QCheckBox] = {}
        self._column = ""
        self._box = QVBoxLayout(self)
        self._box.setContentsMargins(0, 0, 0, 0)
        self._box.setSpacing(1)

    @property
    def hidden(self) -> frozenset[str]:
        """Categories that are switched off."""
        return frozenset(name for name, box in self._rows.items() if not box.isChecked())

    @property
    def column(self) -> str:
        """The column that the legend is of."""
        return self._column

    def show_legend(self, legend: Legend) -> None:
        """Draw a legend; what was switched off in one of the same column stays off."""
        off = self.hidden if legend.column == self._column else frozenset()
        while item := self._box.takeAt(0):
            if widget := item.widget():
                # at once: a row that waits for deletion would be drawn under the new ones
                widget.setParent(None)
        self._rows, self._column = {}, legend.column
        if legend.limits is not None:
            self._box.addWidget(_scale(legend))
        for entry in legend.entries[:MOST_CATEGORIES]:
            box = QCheckBox(f"{entry.name}   {entry.count}")
            box.setIcon(_swatch(entry.color, TRIANGLES.get(entry.name) if legend.column == "class" else None))
            box.setChecked(entry.name not in off)
            box.toggled.connect(lambda _: self.changed.emit())
            self._rows[entry.name] = box
            self._box.addWidget(box)
        if len(legend.entries) > MOST_CATEGORIES:
            self._box.addWidget(QLabel(f"and {len(legend.entries) - MOST_CATEGORIES} more, colours repeat"))
        if legend.n_unknown:
            unknown = QLabel(f"<span style='color:{UNKNOWN}'>■</span> unknown   {legend.n_unknown}")
            self._box.addWidget(unknown)


def _swatch(color: str, corners: tuple[tuple[int, int], ...] | None) -> QIcon:
    """A square of a colour, or the polygon with these corners."""
    pixmap = QPixmap(14, 14)
    if corners is None:
        pixmap.fill(QColor(color))
        return QIcon(pixmap)
    pixmap.fill(QColor("transparent"))
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QColor("transparent"))
    painter.setBrush(QColor(color))
    painter.drawPolygon(QPolygon([QPoint(*corner) for corner in corners]))
    painter.end()
    return QIcon(pixmap)


def _scale(legend: Legend) -> QWidget:
    """A bar from the low to the high end with the numbers under it."""
    assert legend.limits is not None
    pixmap = QPixmap(240, 14)
    gradient = QLinearGradient(0, 0, 240, 0)
    for k, color in enumerate(legend.ramp):
        gradient.setColorAt(k / (len(legend.ramp) - 1), QColor(color))
    painter = QPainter(pixmap)
    painter.fillRect(0, 0, 240, 14, gradient)
    painter.end()
    bar, low_high = QLabel(), QLabel()
    bar.setPixmap(pixmap)
    low, high = legend.limits
    low_high.setText(f"{low:.3g} to {high:.3g}   {legend.column.replace('_', ' ')}")
    holder = QWidget()
    box = QVBoxLayout(holder)
    box.setContentsMargins(0, 0, 0, 0)
    box.addWidget(bar)
    box.addWidget(low_high)
    return holder
