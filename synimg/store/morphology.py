"""Neuron morphologies: SWC, Neurolucida ASC and H5 in, SWC out."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import morphio
import numpy as np
from numpy.typing import NDArray

from synimg.errors import SynimgError
from synimg.store.atomic import disk_errors

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
AXON = 2
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


@dataclass(frozen=True)
class Trace:
    """The dendrites of one neuron as somebody traced them: pieces from one point to the next.

    path : the file
    neuron_id : the number at the end of the file's name, or the place among the files
    start_um, end_um : (n, 3) ndarray, z, y, x in the image frame
    radius_um : (n,) ndarray; 0 where the file has none
    branch_id : (n,) ndarray of int, the unbranched section, from 1
    """

    path: Path
    neuron_id: int
    start_um: Floats
    end_um: Floats
    radius_um: Floats
    branch_id: Ints

    @property
    def length_um(self) -> Floats:
        """Lengths of the pieces."""
        return np.linalg.norm(self.end_um - self.start_um, axis=1)

    def in_plane(self) -> "Trace":
        """Seen along z: all of it at z = 0."""
        flat = np.array([0.0, 1.0, 1.0])
        return replace(self, start_um=self.start_um * flat, end_um=self.end_um * flat)


def read_traces(places: Iterable[Path]) -> list[Trace]:
    """The dendrites in SWC files (x, y, z and radius in um), one neuron per file.

    Parameters
    ----------
    places : iterable of Path
        Files, or folders whose SWC files are taken. A file needs no soma and may hold several trees: paths of one neuron in
        a field of view. Axons (type 2) are left out.

    Raises
    ------
    SynimgError
        If there is no such file, one is damaged or holds no dendrite, or one is given twice.
    """
    files: list[Path] = []
    for place in map(Path, places):
        inside = sorted(f for f in place.iterdir() if f.suffix.lower() == ".swc") if place.is_dir() else [place]
        if not place.exists():
            raise SynimgError(f"{place}: no such file or folder; --traces takes SWC files, or a folder of them")
        if not inside:
            raise SynimgError(f"{place}: no .swc file in this folder; a trace is an SWC file for each neuron")
        files += inside
    numbers = [re.search(r"(\d+)$", file.stem) for file in files]
    ids = [int(found.group(1)) for found in numbers if found and len(found.group(1)) < 19]
    if len(set(ids)) < len(files):
        ids = list(range(1, len(files) + 1))
    if len({file.resolve() for file in files}) < len(files):
        raise SynimgError("--traces: a file is given twice; every neuron is traced once")
    return [_trace(file, neuron_id) for file, neuron_id in zip(files, ids, strict=True)]


def _trace(path: Path, neuron_id: int) -> Trace:
    cell, _ = _read(path, is_one_tree=False)
    start, end, radii = [], [], []
    branches: list[Ints] = []
    for section in cell.iter():
        points = np.array(section.points, dtype=np.float64)
        if int(section.type) == AXON or len(points) < 2:
            continue
        if not np.isfinite(points).all():
            raise SynimgError(f"{path}: a coordinate is not a number; every point needs finite x, y, z in um")
        start.append(points[:-1, ::-1])
        end.append(points[1:, ::-1])
        radii.append(0.25 * (section.diameters[:-1] + section.diameters[1:]))
        branches.append(np.full(len(points) - 1, len(branches) + 1))
    if not start:
        raise SynimgError(
            f"{path}: has no dendrite: it is empty, or has only a soma, an axon or single points; trace the dendrites"
        )
    radius = np.concatenate(radii).astype(np.float64)
    if not (np.isfinite(radius) & (radius >= 0)).all():
        raise SynimgError(f"{path}: a radius is negative or not a number; it is in um, 0 where it was not traced")
    return Trace(path, neuron_id, np.concatenate(start), np.concatenate(end), radius, np.concatenate(branches))


def morphology_notes(path: Path) -> list[str]:
    """What the reader found odd in a morphology file, and read nevertheless; one sentence each."""
    _, warnings = _read(Path(path))
    return [f"{path}: {text.replace('Warning: ', '', 1)}" for text in dict.fromkeys(_plain(w, path) for w in warnings)]


def _read(path: Path, is_one_tree: bool = True) -> tuple[Any, list[str]]:
    """The cell in a file, and the reader's warnings; `is_one_tree` refuses an SWC file of several."""
    if path.suffix.lower() not in {".swc", ".asc", ".h5"}:
        raise SynimgError(f"{path}: a morphology is an .swc, .asc (Neurolucida) or .h5 file")
    if not path.is_file():
        raise SynimgError(f"{path}: no such morphology file")
    if path.suffix.lower() == ".swc":
        _refuse_loops(path, is_one_tree)
    collector = morphio.WarningHandlerCollector()
    try:
        # some tracers change the type along a dendrite, without a branching; the reader then says so
        options = morphio.Option.allow_unifurcated_section_change
        cell = morphio.Morphology(str(path), options, warning_handler=collector)
    except (morphio.MorphioError, ValueError, RuntimeError) as error:
        raise SynimgError(f"{path}: not readable as a morphology ({_plain(error, path)})") from None
    return cell, [one.warning.msg() for one in collector.get_all()]


def _refuse_loops(path: Path, is_one_tree: bool) -> None:
    """Refuse an SWC file with points that go round in a circle, or of several trees: the reader leaves them out."""
    parent: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        values = line.split("#")[0].split()
        if len(values) >= 7:
            parent[values[0]] = values[6]
    roots = [point for point, up in parent.items() if up == "-1"]
    if is_one_tree and len(roots) > 1:
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
    text = text.replace("Can't iterate past the end", "the file ends before its tree does")
    text = " ".join(text.split()).removeprefix("line 0: ")  # of the whole file
    return text.rstrip(" :")[:200]


def write_swc(path: Path, points_um: Floats, radius_um: Floats, parent: Ints, swc_type: Ints) -> None:
    """Write a tree as SWC (x, y, z in um; ids from 1) into the folder of a stage, which syncs its files when it is done."""
    up = np.where(parent < 0, -1, parent + 1)
    columns = (values.tolist() for values in (swc_type, *points_um.T[::-1], radius_um, up))
    lines = [
        f"{i} {t} {x:.4f} {y:.4f} {z:.4f} {r:.4f} {p}"
        for i, (t, x, y, z, r, p) in enumerate(zip(*columns, strict=True), 1)
    ]
    text = "\n".join(["# id type x y z radius parent; um", *lines]) + "\n"
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
