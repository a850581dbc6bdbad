"""A user's mistake as one sentence in napari's notification; the viewer goes on."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from synimg.errors import SynimgError

Result = TypeVar("Result")


def say_error(error: SynimgError) -> None:
    """Show the sentence of an error."""
    from napari.utils.notifications import show_error

    show_error(str(error))


def show_failure(error: Exception) -> None:
    """Show an error that is ours, with its traceback behind a button, as napari does with errors of a plugin."""
    from napari.utils.notifications import notification_manager

    notification_manager.receive_error(type(error), error, error.__traceback__)


def says_errors(function: Callable[..., Result]) -> Callable[..., Result | None]:
    """A method that shows a `SynimgError` as a notification instead of raising it."""

    @functools.wraps(function)
    def wrapped(*arguments: Any, **named: Any) -> Result | None:
        try:
            return function(*arguments, **named)
        except SynimgError as error:
            say_error(error)
            return None

    return wrapped
