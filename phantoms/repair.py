"""Damaged files of a data set, made again: what is rendered from a seed can be rendered again, chunk by chunk."""

import shutil
from pathlib import Path
from typing import Any

from synimg import compute
from synimg.errors import SynimgError
from synimg.phantoms.generate import remake
from synimg.phantoms.render import render_block, shrink_block
from synimg.phantoms.stages.image import EMITTERS, block_of, image_parts, new_image
from synimg.store.atomic import disk_errors, remove_folder, sha256
from synimg.store.dataset import PARTIAL, Dataset
from synimg.store.image import pyramid


def repair(
    dataset: Dataset | str | Path,
    workers: int | None = None,
    scheduler: str | None = None,
    report: compute.Report = compute.silent,
) -> tuple[list[str], list[str]]:
    """Make missing and altered files again, with the very bytes that they had.

    Parameters
    ----------
    dataset : Dataset or path
        A generated data set.
    workers, scheduler, report
        As in `generate`.

    Returns
    -------
    repaired, left : list of str
        Files that are whole again, and sentences about those that only another command can make.

    Raises
    ------
    SynimgError
        If this version of the software makes other bytes, or the disk is full or read-only; nothing is changed then.
    """
    dataset = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    compute.refuse_wrong(workers, scheduler)
    damaged = dataset.damaged()
    if not any(stage in {"network", "tissue", "image"} for stage, _ in damaged.values()):
        return [], _left(damaged, [])
    with compute.pool(workers, scheduler, dataset.path) as pool:
        return _repaired(dataset, damaged, pool, report)


Damage = dict[str, tuple[str, str]]


def _repaired(
    dataset: Dataset, damaged: Damage, pool: compute.Pool, report: compute.Report
) -> tuple[list[str], list[str]]:
    repaired: list[str] = []
    for stage in ("network", "tissue"):
        names = [name for name, (of, _) in damaged.items() if of == stage]
        if names:
            report(f"making the {stage} again", 0, 1)
            remake(dataset, stage, pool)
            report(f"making the {stage} again", 1, 1)
            repaired += names
    chunks = [name for name, (of, _) in damaged.items() if of == "image"]
    if chunks:
        with disk_errors(dataset.path):
            _render_again(dataset, chunks, pool, report)
        repaired += chunks
    return repaired, _left(damaged, repaired)


def _left(damaged: Damage, repaired: list[str]) -> list[str]:
    """Sentences about the files that another command makes."""
    return [
        f"{name}: {what}; run 'synimg {stage.split('/')[-1]}' again"
        for name, (stage, what) in damaged.items()
        if name not in repaired
    ]


def _render_again(dataset: Dataset, names: list[str], pool: compute.Pool, report: compute.Report) -> None:
    """Render the blocks that wrote the given files of the image, beside the image, and put those files in their place."""
    config = dataset.config
    scratch = dataset.path / PARTIAL / "repair"
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        channels, things, facts = image_parts(dataset, config, None, scratch / EMITTERS)
        image = scratch / dataset.image.name
        new_image(image, config, channels, facts)
        found = [(name, block_of(Path(name).relative_to(dataset.image.name), config.volume)) for name in names]
        # a level is made from the one below, so that one has to be whole first
        work = sorted({where for _, where in found if where is not None})
        into, levels = str(image.resolve()), pyramid(config.volume.shape_vox, config.volume.voxel_um)
        for level in range(len(levels)):
            boxes = [box for of, box in work if of == level]
            function: Any = shrink_block if level else render_block
            below = (str(dataset.image.resolve()), level, levels, into)
            shared = below if level else (into, channels, config, things)
            for i, _ in pool.run(function, boxes, shared, f"rendering level {level} again", report) if boxes else ():
                _put(dataset, scratch, [name for name, where in found if where == (level, boxes[i])])
        _put(dataset, scratch, [name for name, where in found if where is None])
        shutil.rmtree(scratch)
    except BaseException:
        remove_folder(scratch)
        raise
    finally:
        dataset.sweep()


def _put(dataset: Dataset, scratch: Path, names: list[str]) -> None:
    wanted: dict[str, Any] = dataset.index["stages"]["image"]["files"]
    for name in names:
        if sha256(scratch / name) != wanted[name]:
            made_with = ", ".join(f"{k} {v}" for k, v in dataset.index["software"].items() if k in {"synimg", "numba"})
            raise SynimgError(
                f"{dataset.path / name}: comes out with other bytes here; the data set was made with {made_with}: "
                "repair it with those versions"
            )
    for name in names:
        target = dataset.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (scratch / name).replace(target)
