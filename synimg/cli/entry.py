"""From the arguments of the process to its exit code."""

import contextlib
import errno
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import typer

from synimg.cli.parser import app
from synimg.cli.say import address_of, fail
from synimg.errors import SynimgError

UsageError: Any = typer.BadParameter.__base__
"""What typer raises for a wrong call; its home differs between versions (click, or a copy of it inside typer)."""


def _join_voxel_size(arguments: list[str]) -> list[str]:
    """Arguments with the numbers after --voxel-um joined by commas: both Z,Y,X and Z Y X are understood."""
    if "--voxel-um" not in arguments:
        return arguments
    first = last = arguments.index("--voxel-um") + 1
    while last < len(arguments) and last < first + 3 and arguments[last].replace(".", "", 1).isdigit():
        last += 1
    if last - first < 2:
        return arguments
    return [*arguments[:first], ",".join(arguments[first:last]), *arguments[last:]]


@contextlib.contextmanager
def _here(arguments: list[str]) -> Iterator[list[str]]:
    """The arguments with the local mirror of a data set in the place of each fsspec address; changes go back at the end."""
    if not any("://" in argument for argument in arguments):
        yield arguments
        return
    from synimg.store.remote import is_address, mirrored

    as_it_is = arguments[:1] in (["verify"], ["repair"])
    with contextlib.ExitStack() as stack:
        local = []
        for before, argument in zip(["", *arguments], arguments, strict=False):
            option, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
            if is_address(value) and "--scheduler" not in (before, option):
                folder = str(stack.enter_context(mirrored(value, is_checked=not as_it_is)))
                address_of[folder] = value
                argument = f"{option}{equals}{folder}"
            local.append(argument)
        yield local


def main() -> None:
    """Entry point: exit code 0 fine, 1 our fault, 2 the user's mistake, 3 damage is left, 130 Ctrl-C."""
    # an interrupted cluster has nothing to say that the sentence below does not
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    try:
        with _here(_join_voxel_size(sys.argv[1:])) as arguments:
            code = app(args=arguments, standalone_mode=False)
        if code == 130:
            raise KeyboardInterrupt
        sys.exit(code if isinstance(code, int) else 0)
    except UsageError as error:
        where = error.ctx.command_path if error.ctx else "synimg"
        if type(error).__name__ == "NoArgsIsHelpError":
            fail(error.format_message(), 0)
        fail(f"{where}: {error.format_message()} ('{where} --help' has an example)", 2)
    except SynimgError as error:
        fail(f"synimg: {error}", 2)
    except (KeyboardInterrupt, typer.Abort):
        fail("synimg: stopped; what was finished is kept, the same command goes on from there", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            fail(f"synimg: the disk is full ({error.filename}); free some space and run the same command again", 2)
        traceback.print_exc()
        fail("synimg: this is our fault; please report the lines above", 1)
    except Exception:  # the last net: the user gets the trace and a sentence
        traceback.print_exc()
        fail("synimg: this is our fault; please report the lines above", 1)
