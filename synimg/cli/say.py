"""What people read on standard error."""

import sys
from pathlib import Path
from typing import Any, NoReturn

import typer

address_of: dict[str, str] = {}
"""Addresses by the local folder in which they are worked on, for people to read."""


def say(text: str) -> None:
    """Print a line for people; what other programs read goes to standard output."""
    for folder, address in address_of.items():
        text = text.replace(folder, address)
    typer.echo(text, err=True)


def say_quality(folder: Path) -> Any:
    """Say the quality report of a measurement, warnings first."""
    from synimg.analysis.quality import read_quality

    quality = read_quality(folder)
    for sentence in quality.warnings():
        say(f"warning: {sentence}")
    for name, value in quality.headlines().items():
        say(f"  {name:<30} {value}")
    return quality


def fail(text: str, code: int) -> NoReturn:
    """Say why the process ends, and end it with the exit code."""
    say(text)
    sys.stdout.flush()
    sys.exit(code)
