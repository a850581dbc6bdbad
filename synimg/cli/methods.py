"""The command `synimg methods`."""

import json

import typer

from synimg.cli.options import Json


def methods(as_json: Json = False) -> None:
    """List the separation methods: what each does, needs and assumes.

    Example: `synimg methods`
    """
    from dataclasses import asdict
    from textwrap import fill

    from synimg.analysis.separation import methods as known

    if as_json:
        typer.echo(json.dumps({name: asdict(needs) for name, needs in known().items()}, indent=1))
        return
    for name, needs in known().items():
        typer.echo(fill(f"{name}: {needs.what}", 80))
        for what, text in (("needs", needs.text()), *(("assumes", text) for text in needs.assumes)):
            typer.echo(fill(f"{what} {text}", 80, initial_indent="    ", subsequent_indent=" " * 12))
