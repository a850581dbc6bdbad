"""The files that make the package agree with each other and with the folders."""

import importlib
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from fnmatch import fnmatch
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PROJECT["tool"]["setuptools"]
ROOTS = {"synimg": "synimg", "phantoms": "synimg.phantoms", "analysis": "synimg.analysis", "viewers": "synimg.viewers"}
LINKS = ("phantoms", "analysis", "viewers")


def folders_with_code() -> dict[str, Path]:
    """Package name -> folder, for every folder with an `__init__.py`; links are not followed."""
    found = {}
    for top, package in ROOTS.items():
        for init in sorted((ROOT / top).rglob("__init__.py")):
            inside = init.parent.relative_to(ROOT / top)
            if top != "synimg" or not inside.parts or inside.parts[0] not in LINKS:  # rglob of 3.12 follows links
                found[".".join((package, *inside.parts))] = init.parent
    return found


def constraints() -> dict[str, str]:
    """Name -> version, of `constraints.txt`."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    return {canonicalize_name(line.split("==")[0]): line.split("==")[1].split(";")[0].strip() for line in lines}


def requirements() -> list[Requirement]:
    """What the package and its extras ask for, but for neurogym, whose own pins do not go with the constraints."""
    extras = [e for name, e in PROJECT["project"]["optional-dependencies"].items() if name != "neurogym"]
    asked = [Requirement(text) for text in [*PROJECT["project"]["dependencies"], *(r for e in extras for r in e)]]
    return [requirement for requirement in asked if requirement.name != "synimg"]


def test_every_folder_with_code_is_a_listed_package() -> None:
    assert sorted(folders_with_code()) == sorted(SETUPTOOLS["packages"])


def test_the_map_names_the_four_folders() -> None:
    assert SETUPTOOLS["package-dir"] == {package: top for top, package in ROOTS.items()}


@pytest.mark.parametrize("name", LINKS)
def test_a_checkout_has_the_same_names_as_an_installation(name: str) -> None:
    link = ROOT / "synimg" / name
    assert link.is_symlink()
    assert link.readlink() == Path("..") / name
    module = importlib.import_module(f"synimg.{name}")
    assert module.__file__ is not None
    assert Path(module.__file__).resolve() == ROOT / name / "__init__.py"


def test_every_other_file_among_the_code_is_package_data() -> None:
    patterns = SETUPTOOLS["package-data"]["*"]
    files = (file for folder in folders_with_code().values() for file in folder.iterdir() if file.is_file())
    other = [file for file in files if file.suffix != ".py"]
    assert [str(file) for file in other if not any(fnmatch(file.name, pattern) for pattern in patterns)] == []


def test_one_version_everywhere() -> None:
    version = PROJECT["project"]["version"]
    assert distribution("synimg").version == version
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()


def test_what_the_package_asks_for_is_in_the_constraints() -> None:
    versions = constraints()
    missing = [str(r) for r in requirements() if versions.get(canonicalize_name(r.name), "") not in r.specifier]
    assert missing == []


def test_constraints_hold_names_and_versions_only() -> None:
    line = re.compile(r"#.*|[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+( ; python_version [<>=]+ ['\"][0-9.]+['\"])?")
    text = (ROOT / "constraints.txt").read_text()
    assert [bad for bad in text.splitlines() if not line.fullmatch(bad)] == []


def test_entry_points_lead_to_what_they_name() -> None:
    entries = {entry.group: entry for entry in distribution("synimg").entry_points}
    assert callable(entries["console_scripts"].load())
    package, file = entries["napari.manifest"].value.split(":")
    assert (ROOT / SETUPTOOLS["package-dir"][package] / file).is_file()


def test_a_wheel_holds_every_file_once_and_no_other_top_level_name(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for top in ROOTS:
        shutil.copytree(ROOT / top, source / top, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source)]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    expected = [
        "/".join((*package.split("."), file.name))
        for package, folder in folders_with_code().items()
        for file in folder.iterdir()
        if file.is_file()
    ]
    assert sorted(names) == sorted(expected)
