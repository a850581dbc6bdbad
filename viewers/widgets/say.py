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
