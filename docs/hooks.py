"""What of the documentation is made from the code: parameters, columns, methods, figures and examples."""

import importlib.util
import io
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from synimg import family, schema
from synimg.analysis.separation import methods
from synimg.config import Config, families
from synimg.errors import SynimgError
from synimg.model import Model
from synimg.store.dataset import Dataset
from synimg.viewers.forms import text_of, unit_of

ROOT = Path(__file__).parent.parent
TABLES = (
    ("Synapse table", schema.SYNAPSES),
    ("Predictions", schema.PREDICTIONS),
    ("Separation, per synapse", schema.SEPARATION),
    ("Separation, per neuron", schema.NEURON_RESULT),
    ("Separation, per animal", schema.ANIMAL_RESULT),
    ("Truth, per synapse", schema.TRUTH_SYNAPSES),
    ("Truth, per neuron", schema.TRUTH_NEURONS),
)
DPI = 110


def on_files(files: Files, config: Any) -> Files:
    """Add the pictures of the gallery and of the examples."""
    from synimg.viewers.gallery import FIGURES, draw
    from synimg.viewers.sample import sample_dataset
    from synimg.viewers.source import Source

    source = Source(Dataset.open(sample_dataset()))
    for name in FIGURES:
        try:
            figure = draw(name, source)
        except SynimgError:
            continue  # the sample cannot have it; the page says so
        files.append(File.generated(config, f"figures/{name}.png", content=_png(figure)))
    for file in examples():
        files.append(File.generated(config, f"figures/{file.stem}.png", content=_png(_module(file).main())))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Fill the markers of a page."""
    made = {
        "<!-- parameters -->": parameters,
        "<!-- columns -->": columns,
        "<!-- methods -->": method_list,
        "<!-- figures -->": lambda: figures(files),
        "<!-- examples -->": example_list,
    }
    for marker, make in made.items():
        if marker in markdown:
            markdown = markdown.replace(marker, make())
    return markdown


def examples() -> list[Path]:
    """The examples that end in a picture."""
    return sorted((ROOT / "examples").glob("plot_*.py"))


def _module(file: Path) -> Any:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def parameters() -> str:
    """Every parameter of the configuration, and of every part of every family."""
    config = Config()
    parts = ["## animal", _fields(Config)]
    known = families()
    for name in Config.model_fields:
        value = getattr(config, name)
        if not isinstance(value, Model):
            continue
        if name not in known:
            parts += [f"## {name}", _headline(type(value)), _fields(type(value))]
            continue
        parts += [f"## {name}", "One of these, chosen by `kind`."]
        for kind in family.names(known[name]):
            cls = family.part(known[name], kind)
            parts += [f"### {name}: {kind}", _headline(cls), _fields(cls)]
    return "\n\n".join(parts)


def _headline(cls: Any) -> str:
    return (cls.__doc__ or "").strip().split("\n\n")[0].replace("\n    ", " ")


def _fields(cls: Any) -> str:
    from synimg.config import bounds

    rows = []
    for name, field in cls.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if name == "kind" or isinstance(default, Model) or (isinstance(default, dict) and "kind" in default):
            continue
        if name == "next_tasks":
            continue
        shown = "" if field.is_required() else f"`{text_of(default)}`"
        cells = (f"`{name}`", shown, unit_of(name), bounds(field), field.description or "")
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    if not rows:
        return "No parameters."
    return "\n".join(
        ["| parameter | default | unit | bounds | meaning and source |", "| --- | --- | --- | --- | --- |", *rows]
    )


def columns() -> str:
    """Every column of the public tables."""
    parts = []
    for title, table in TABLES:
        rows = [f"| `{c.name}`{' *' if c.required else ''} | {c.unit} | {c.meaning} |" for c in table.columns]
        parts.append("\n".join([f"### {title}", "", "| name | unit | meaning |", "| --- | --- | --- |", *rows]))
    return "\n\n".join(parts)


def method_list() -> str:
    """The built-in methods: what each does, needs and assumes."""
    parts = []
    for name, needs in methods().items():
        assumes = "\n".join(f"- assumes {text}" for text in needs.assumes)
        parts.append(f"### {name}\n\n{needs.what[:1].upper()}{needs.what[1:]}.\n\n- needs {needs.text()}\n{assumes}")
    return "\n\n".join(parts)


def figures(files: Files) -> str:
    """The gallery: every figure with what it shows and the command that draws it."""
    from synimg.viewers.gallery import FIGURES

    parts = []
    for name, entry in FIGURES.items():
        picture = f"![{name}](figures/{name}.png)"
        if files.get_file_from_path(f"figures/{name}.png") is None:
            picture = "(The sample data set cannot have this figure; the command says why.)"
        parts.append(
            f"## {name}\n\n{entry.what[:1].upper()}{entry.what[1:]}: `synimg figure {name} DATASET`\n\n{picture}"
        )
    return "\n\n".join(parts)


def example_list() -> str:
    """The examples with their code and their pictures."""
    parts = []
    for file in examples():
        module = _module(file)
        title, _, text = (module.__doc__ or "").strip().partition("\n\n")
        code = file.read_text(encoding="utf-8").split('"""', 2)[2].strip()
        parts.append(
            f"## {title}\n\n{text}\n\n![{title}](figures/{file.stem}.png)\n\n`examples/{file.name}`:\n\n```python\n{code}\n```"
        )
    return "\n\n".join(parts)
