"""Neuron morphologies: SWC, Neurolucida ASC and H5 in, SWC out."""

import re
from pathlib import Path
from typing import Any

import morphio
import numpy as np
from numpy.typing import NDArray

from synimg.errors import SynimgError
from synimg.store.atomic import write_text

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
TreeArrays = tuple[Floats, Floats, Ints, Ints]
"""points_um (n, 3) z, y, x; radius_um (n,); parent (n,); swc_type (n,)."""


def read_tree_arrays(path: Path) -> TreeArrays:
    """The tree in a morphology file: points (z, y, x), radii, parents and types, the soma as the root.

    Raises
    ------
    SynimgError
        If the file is missing, of another kind or damaged, is not one tree, has no soma or no dendrite, or a radius that is
        not positive.
    """
    path = Path(path)
    cell, _ = _read(path)
    if len(cell.soma.points) == 0:
        raise SynimgError(f"{path}: has no soma; a tree needs one as its root")
    # one point is a sphere of that diameter, several points are its outline
    outline = len(cell.soma.points) > 1
    soma_um = float(cell.soma.max_distance if outline else 0.5 * cell.soma.diameters[0])
    points, radii, parents, kinds = [cell.soma.center], [soma_um], [-1], [1]
    last: dict[int, int] = {}
    for section in cell.iter():
        at = 0 if section.is_root else last[section.parent.id]
        begin = 0 if section.is_root else 1  # a section repeats its parent's last point
        for point, diameter in zip(section.points[begin:], section.diameters[begin:], strict=True):
            points.append(point)
            radii.append(0.5 * diameter)
            parents.append(at)
            kinds.append(int(section.type))
            at = len(points) - 1
        last[section.id] = at
    xyz, radius = np.array(points, dtype=np.float64), np.array(radii, dtype=np.float64)
    swc_type = np.array(kinds, dtype=np.int64)
    if not np.isfinite(xyz).all():
        raise SynimgError(f"{path}: a coordinate is not a number; every point needs finite x, y, z in um")
    if not (radius > 0).all():
        where = int(np.argmax(~(radius > 0)))
        raise SynimgError(
            f"{path}: the radius at x, y, z = {xyz[where].round(2).tolist()} is {radius[where]:g}; it must be above 0"
        )
    if not np.isin(swc_type, (3, 4)).any():
        raise SynimgError(f"{path}: has no dendrite (SWC type 3 or 4), so it cannot carry spines")
    return np.ascontiguousarray(xyz[:, ::-1]), radius, np.array(parents, dtype=np.int64), swc_type


def morphology_notes(path: Path) -> list[str]:
    """What the reader found odd in a morphology file, and read nevertheless; one sentence each."""
    _, warnings = _read(Path(path))
    return [f"{path}: {text.removeprefix('Warning: ')}" for text in dict.fromkeys(_plain(w, path) for w in warnings)]


def _read(path: Path) -> tuple[Any, list[str]]:
    """The cell in a file, and the reader's warnings."""
    if path.suffix.lower() not in {".swc", ".asc", ".h5"}:
        raise SynimgError(f"{path}: a morphology is an .swc, .asc (Neurolucida) or .h5 file")
    if not path.is_file():
        raise SynimgError(f"{path}: no such morphology file")
    if path.suffix.lower() == ".swc":
        _refuse_other_than_a_tree(path)
    collector = morphio.WarningHandlerCollector()
    try:
        cell = morphio.Morphology(str(path), warning_handler=collector)
    except (morphio.MorphioError, ValueError, RuntimeError) as error:
        raise SynimgError(f"{path}: not readable as a morphology ({_plain(error, path)})") from None
    return cell, [one.warning.msg() for one in collector.get_all()]


def _refuse_other_than_a_tree(path: Path) -> None:
    """Refuse an SWC file of several trees, or with points that go round in a circle: the reader leaves them out."""
    parent: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        values = line.split("#")[0].split()
        if len(values) >= 7:
            parent[values[0]] = values[6]
    roots = [point for point, up in parent.items() if up == "-1"]
    if len(roots) > 1:
        raise SynimgError(
            f"{path}: {len(roots)} trees, with the roots {', '.join(roots[:5])}; a file holds one neuron, whose root is its "
            "soma: connect them or take them apart"
        )
    reached = set(roots)
    for point in parent:
        way: dict[str, None] = {}
        while point in parent and point not in reached and point not in way:
            way[point] = None
            point = parent[point]
        if point in way and len(way) > 1:
            raise SynimgError(f"{path}: the points {', '.join(sorted(way)[:5])} go round in a loop; a neuron is a tree")
        reached.update(way)


def _plain(error: Exception | str, path: Path) -> str:
    """The reason in an `error` of the reader, without its terminal colours and its copies of the path."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    text = re.sub(re.escape(str(path)) + r":(\d+):(?:error|warning)", r"line \1:", text)
    text = text.replace(str(path), path.name)
    text = " ".join(text.split()).removeprefix("line 0: ")  # of the whole file
    return text.rstrip(" :")[:200]


def write_swc(path: Path, points_um: Floats, radius_um: Floats, parent: Ints, swc_type: Ints) -> None:
    """Write a tree as SWC (x, y, z in um; ids from 1), whole or not at all."""
    lines = ["# id type x y z radius parent; um"]
    for i in range(parent.size):
        z, y, x = points_um[i]
        up = -1 if parent[i] < 0 else parent[i] + 1
        lines.append(f"{i + 1} {swc_type[i]} {x:.4f} {y:.4f} {z:.4f} {radius_um[i]:.4f} {up}")
    write_text(path, "\n".join(lines) + "\n")
