"""Measured recordings in folders, put together by the places at which their images were taken."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from synimg import __version__, schema
from synimg.analysis import quality
from synimg.analysis.scale import Scale
from synimg.analysis.stitch import Stitched, StitchSettings, TileTable, stitch_tiles
from synimg.analysis.traces import NO_TRACES, Tracing, with_parents
from synimg.errors import SynimgError
from synimg.schema import PLACE
from synimg.store.atomic import read_json, write_json
from synimg.store.results import INDEX, filling
from synimg.store.tables import read_notes, read_table, write_table

Draw = Callable[[Path, Stitched, Sequence[TileTable]], None]


def stitch(
    folders: Sequence[str | Path],
    out: str | Path,
    positions: str | Path | None = None,
    settings: StitchSettings | None = None,
    tracing: Tracing | None = None,
    draw: Draw | None = None,
) -> Stitched:
    """Every synapse of the recordings in `folders` once; writes the tables to `out`.

    Parameters
    ----------
    folders : sequence of path
        Of `synimg measure IMAGE --old ... --new ...`: of one recording, or of several.
    out : path
        Folder for ``synapses.parquet``, ``tiles.csv``, ``overlaps.csv``, ``twice.csv``, ``result.json``.
    positions : path, optional
        Table with the columns ``tile``, ``z_um``, ``y_um``, ``x_um``; if not given, the images state theirs.
    settings : StitchSettings, optional
    tracing : Tracing, optional
        Dendrites in the frame of the first tile.
    draw : callable, optional
        Draws a picture into a file.

    Raises
    ------
    SynimgError
        If a folder holds no recording, a position is not known, recordings are of several animals or in several units, or
        tiles that should overlap do not agree.
    """
    settings, tracing = settings or StitchSettings(), tracing or Tracing()
    found = [child for folder in folders for child in _recordings(Path(folder))]
    names = [folder.name for folder in found]
    if len(found) < 2:
        raise SynimgError(
            f"{', '.join(map(str, folders))}: one recording alone; stitching takes two or more that overlap"
        )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SynimgError(f"two recordings are called '{twice}'; every tile has a name of its own")
    places = None if positions is None else _positions(Path(positions), names)
    facts = [read_json(folder / INDEX) for folder in found]
    tiles = [_tile(f, fact, None if places is None else places[f.name]) for f, fact in zip(found, facts, strict=True)]
    for what, values in (
        ("animals", {str(a) for tile in tiles for a in tile.synapses["animal_id"].dropna().unique()}),
        ("units", {fact["unit"] for fact in facts}),
    ):
        if len(values) > 1:
            raise SynimgError(f"the recordings have several {what}: {', '.join(sorted(values))}; stitch those of one")
    stitched = stitch_tiles(tiles, settings)
    synapses = stitched.synapses
    said = [f"{name}: {w}" for name, f in zip(names, facts, strict=True) for w in f["warnings"]]
    missing = [f"{f.name}: {one}" for f in found if (one := read_notes(f / "synapses.parquet").get("missing"))]
    stitched.warnings[:0] = missing
    if tracing.traces:
        said = [sentence for sentence in said if not sentence.endswith(NO_TRACES)]
        synapses, more = with_parents(synapses, tracing)
        stitched.warnings.extend(more)
    with filling(Path(out)) as scratch:
        notes = {"missing": "; ".join(missing)} if missing else None
        write_table(scratch / "synapses.parquet", synapses, schema.SYNAPSES, notes)
        for name in ("tiles", "overlaps", "twice"):
            write_table(scratch / f"{name}.csv", getattr(stitched, name))
        if draw is not None:
            draw(scratch / "stitched.png", stitched, tiles)
        info = {
            "synimg": __version__,
            "settings": settings.model_dump(),
            "traces": tracing.facts(),
            "unit": facts[0]["unit"],
            "scale": Scale.largest([_scale(folder) for folder in found]).model_dump(),
            "tiles": {folder.name: str(folder) for folder in found},
            "warnings": stitched.warnings + said,
        }
        write_json(scratch / INDEX, info)
    return stitched


def _recordings(folder: Path) -> list[Path]:
    """The folders of recordings in what one call of `measure` has written, or the one that `folder` is."""
    if not (folder / INDEX).is_file():
        raise SynimgError(
            f"{folder}: no measured recording there ({INDEX} is missing); 'synimg measure IMAGE --old 0 --new 1' makes one"
        )
    facts = read_json(folder / INDEX)
    if "recordings" in facts:
        return [folder / name for name in facts["recordings"]]
    if "shape_vox" not in facts:
        raise SynimgError(f"{folder}: holds other results than those of a recording of old and new receptors")
    return [folder]


def _scale(folder: Path) -> Scale:
    """The errors that all counts of a recording share; none where it states none."""
    file = folder / quality.FILE
    return Scale.parse(read_json(file).get("scale", {}), f"{file}: scale") if file.is_file() else Scale()


def _tile(folder: Path, facts: dict[str, object], position_um: np.ndarray | None) -> TileTable:
    if position_um is None:
        if facts["position_um"] is None:
            raise SynimgError(
                f"{folder}: its image does not state where it was taken: give --positions FILE.csv with the columns tile, z_um, "
                "y_um, x_um"
            )
        position_um = np.array(facts["position_um"], float)
    synapses = read_table(folder / "synapses.parquet", schema.SYNAPSES)
    detections = read_table(folder / "detections.parquet")
    size_um = np.array(facts["shape_vox"]) * np.array(facts["voxel_um"])
    return TileTable(folder.name, synapses, detections, size_um, position_um)


def _positions(path: Path, names: list[str]) -> dict[str, np.ndarray]:
    """Places of tiles by their names."""
    if not path.is_file():
        raise SynimgError(f"{path}: no such file; --positions takes a table with the columns tile, z_um, y_um, x_um")
    table: pd.DataFrame = read_table(path)
    if missing := [name for name in ("tile", *PLACE) if name not in table]:
        raise SynimgError(
            f"{path}: column '{missing[0]}' is missing, it has {', '.join(map(str, table.columns))}; positions have the columns "
            "tile, z_um, y_um, x_um"
        )
    table["tile"] = table["tile"].astype(str)
    if table["tile"].duplicated().any():
        raise SynimgError(f"{path}: tile '{table['tile'][table['tile'].duplicated()].iloc[0]}' occurs more than once")
    if missing := [name for name in names if name not in set(table["tile"])]:
        raise SynimgError(
            f"{path}: tile '{missing[0]}' is missing; it has {', '.join(table['tile'])}: tiles have the names of the "
            "recordings' folders"
        )
    places = table.set_index("tile")[PLACE].apply(pd.to_numeric, errors="coerce")
    if (bad := ~np.isfinite(places).all(axis=1)).any():
        raise SynimgError(f"{path}: the position of tile '{places.index[bad][0]}' is no number; it is in um")
    return {name: places.loc[name].to_numpy(float) for name in names}
