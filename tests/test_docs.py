"""The documentation: its code runs, its commands exist, its pictures come from the examples."""

import contextlib
import importlib.util
import io
import re
import shlex
from pathlib import Path

import pytest
import typer
from PIL import Image

from synimg.cli import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"])
EXAMPLES = sorted((ROOT / "examples").glob("plot_*.py"))


def blocks(page: Path, language: str) -> list[str]:
    """Code blocks of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


WITH_PYTHON = [page for page in PAGES if blocks(page, "python")]
LONG = {ROOT / "README.md": ('"demo"', '"tiny"')}
"""Where a page asks for what takes minutes, and what is made in its place."""


@pytest.mark.parametrize("page", WITH_PYTHON, ids=name)
def test_the_python_of_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch, short_chain):
    monkeypatch.chdir(tmp_path)
    space = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()):
        for k, block in enumerate(blocks(page, "python")):
            long, short = LONG.get(page, ("", ""))
            assert long in block
            code = block.replace(long, short).replace("workers=2", "workers=1")
            exec(compile(code, f"{page.name}, block {k + 1}", "exec"), space)


def commands() -> list[tuple[str, str]]:
    """Every call of synimg in the shell blocks and in the code of the tables of a page."""
    found = []
    for page in PAGES:
        lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
        lines += re.findall(r"`(synimg [^`]+)`", page.read_text(encoding="utf-8"))
        found += [(name(page), line.split(" #")[0].strip()) for line in lines if line.strip().startswith("synimg ")]
    return sorted(set(found))


@pytest.mark.parametrize(("page", "line"), commands())
def test_a_command_in_the_documentation_exists_with_its_options(page, line):
    group = typer.main.get_command(app)
    _, command, *arguments = shlex.split(line.replace("...", ""))
    assert command in group.commands, page
    options = {flag for parameter in group.commands[command].params for flag in parameter.opts}
    for argument in arguments:
        assert not argument.startswith("--") or argument in options, f"{page}: {line}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_and_pictures_of_a_page_are_there(page):
    made = {f"figures/{file.stem}.png" for file in EXAMPLES}
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" in target or target in made or target.startswith("figures/"):
            continue
        assert (page.parent / target).exists(), f"{name(page)}: {target}"


@pytest.mark.parametrize("file", EXAMPLES, ids=name)
def test_an_example_ends_in_a_picture(file, tmp_path):
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main().savefig(tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as picture:
        assert len(picture.convert("RGB").getcolors(maxcolors=10**6)) > 20


def test_every_screenshot_is_shown_and_small():
    shown = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    pictures = list((ROOT / "docs" / "images").glob("*.png"))
    assert len(pictures) >= 7
    for picture in pictures:
        assert picture.name in shown
        assert picture.stat().st_size < 200_000
