"""A matplotlib figure in a dock, as wide as the dock is."""

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap, QResizeEvent
from qtpy.QtWidgets import QLabel, QSizePolicy, QWidget

DPI = 100


class Picture(QLabel):
    """Shows a figure, scaled to the width that there is."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self._whole: QPixmap | None = None
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignHCenter)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def show_figure(self, figure: Figure) -> None:
        """Draw a figure in place of what is there."""
        figure.set_dpi(DPI)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        width, height = canvas.get_width_height()
        pixels = bytes(canvas.buffer_rgba())  # an image only borrows them
        image = QImage(pixels, width, height, 4 * width, QImage.Format.Format_RGBA8888)
        self._whole = QPixmap.fromImage(image)
        self.setMinimumHeight(0)
        self._fit()

    def say(self, text: str) -> None:
        """Show a sentence in place of a figure."""
        self._whole = None
        self.setMinimumHeight(0)
        self.setText(text)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802, Qt's name
        """Fit the figure into the new width."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        if self._whole is None or self.width() < 10:
            return
        fitted = self._whole.scaledToWidth(
            min(self.width(), self._whole.width()), Qt.TransformationMode.SmoothTransformation
        )
        self.setPixmap(fitted)
        # a scroll bar that comes with the height takes width, and so height, away: if the height fell again, both would come and
        # go for ever
        self.setMinimumHeight(max(self.minimumHeight(), fitted.height()))
