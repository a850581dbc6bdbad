"""The command line: a file per command. Each parses, calls, saves, and says in one line what was made where."""

from synimg.cli.entry import main
from synimg.cli.parser import app

__all__ = ["app", "main"]
