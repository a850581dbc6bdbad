"""All commands, in the order of the help: that of an experiment."""

from typing import Annotated

import typer

from synimg.cli.benchmark import benchmark
from synimg.cli.camera import camera
from synimg.cli.demo import demo
from synimg.cli.dyes import dyes
from synimg.cli.figure import figure
from synimg.cli.generate import generate
from synimg.cli.info import info
from synimg.cli.measure import measure
from synimg.cli.methods import methods
from synimg.cli.new import new
from synimg.cli.plan import plan
from synimg.cli.population import population
from synimg.cli.repair import repair
from synimg.cli.report import report
from synimg.cli.resimulate import resimulate
from synimg.cli.separate import separate
from synimg.cli.stitch import stitch
from synimg.cli.validate import validate
from synimg.cli.verify import verify
from synimg.cli.view import view

app = typer.Typer(
    name="synimg",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Phantoms of synapse maps that record learning, their analysis, and the score of that analysis.\n\n"
    "Start with: `synimg demo`",
)


def _say_version(asked: bool) -> None:
    if asked:
        from synimg import __version__

        typer.echo(f"synimg {__version__}")
        raise typer.Exit


@app.callback()
def of_all(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say which version.")
    ] = False,
) -> None:
    """What holds for no one command."""


for command in (
    new,
    plan,
    generate,
    population,
    measure,
    stitch,
    camera,
    dyes,
    separate,
    resimulate,
    methods,
    validate,
    benchmark,
    view,
    figure,
    report,
    info,
    verify,
    repair,
    demo,
):
    app.command()(command)
