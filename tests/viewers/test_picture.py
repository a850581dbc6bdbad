"""A figure in a dock that scrolls."""

import pytest
from matplotlib.figure import Figure

pytest.importorskip("napari")
pytestmark = pytest.mark.window


def test_a_figure_settles_whatever_room_is_left_for_it(qapp):
    from qtpy.QtWidgets import QLabel, QScrollArea, QVBoxLayout, QWidget

    from synimg.viewers.widgets.picture import Picture

    area, inside, above, picture = QScrollArea(), QWidget(), QLabel(), Picture("")
    layout = QVBoxLayout(inside)
    layout.addWidget(above)
    layout.addWidget(picture)
    area.setWidget(inside)
    area.setWidgetResizable(True)
    area.resize(360, 500)
    area.show()
    qapp.processEvents()
    for height in range(100, 180):  # with a scroll bar the figure is lower, and there are heights that need none then
        above.setFixedHeight(height)
        picture.show_figure(Figure(figsize=(4.2, 4.14)))
        qapp.processEvents()
        assert picture.minimumHeight() >= picture.pixmap().height() > 300
    area.close()
