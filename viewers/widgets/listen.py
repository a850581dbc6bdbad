"""Listening to napari as long as a widget lives: napari outlives its docks, and a call into a closed one is an error."""

from collections.abc import Callable
from typing import Any


def listen(widget: Any, emitter: Any, callback: Callable[..., Any]) -> None:
    """Connect a callback of a Qt widget to an emitter of napari's, until the widget is destroyed."""
    emitter.connect(callback)
    at_end(widget, lambda: emitter.disconnect(callback))


def at_end(widget: Any, function: Callable[[], Any]) -> None:
    """Call a function, which must not touch the widget's Qt parts, when the widget is destroyed."""

    def ended(*_: Any) -> None:
        try:
            function()
        except (ValueError, KeyError, RuntimeError):  # napari has let go of it before
            return

    widget.destroyed.connect(ended)
