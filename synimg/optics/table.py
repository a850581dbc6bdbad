"""A point spread function as a table: what every voxel collects of an emitter, wherever in its voxel that emitter lies."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from synimg.errors import SynimgError

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]
Block = Floats32 | Floats

N_STEPS = 5
"""Steps between sub-voxel nodes across: linear interpolation lowers the peak of a sigma of 1.3 voxels by 0.6 %."""
N_STEPS_Z = 10
LARGEST_ERROR = 0.001
"""Of the sum of products that stands for a point spread function, relative to its peak."""
MOST_CELLS = 150 * 150
LANES = 8
"""Rows have a multiple of so many cells, which vector instructions add at once."""


class Source(NamedTuple):
    """What to tabulate: intensity about the emitter as a sum of products, and how far along z, y, x [um] it reaches.

    along : function of z (n,) [um] that gives (n_terms, n)
    across : function of y (n, 1) and x (m,) [um] that gives (n_terms, n, m)
    """

    along: Callable[[Floats], Floats]
    across: Callable[[Floats, Floats], Floats]
    half_um: tuple[float, float, float]


def products(values: Floats, error: float) -> tuple[Floats, Floats]:
    """A matrix (n, m) as a sum of as few products as the error allows: (n_terms, n) and (n_terms, m).

    `error` is the largest one of an element, relative to the largest element.
    """
    u, size, v = np.linalg.svd(values, full_matrices=False)
    left, peak = values.copy(), np.abs(values).max()
    n = 0
    while n < size.size and np.abs(left).max() > error * peak:
        left -= size[n] * np.outer(u[:, n], v[n])
        n += 1
    return u.T[:n] * size[:n, None], v[:n]


@dataclass(frozen=True)
class Table:
    """A point spread function as a sum of products, each of a function of z and one of (y, x).

    Attributes
    ----------
    along : (n_depths, n_terms, n_z) ndarray
        Functions of z, integrated over a voxel, in steps of a tenth of a voxel from `low_z` voxels on.
    across : (n_depths, n_terms, n, n, n_rows * width) ndarray of float32
        Functions of (y, x), integrated over a voxel, for an emitter at fractions (y, x) of a voxel between voxel centres; rows
        as long as the longest, 0 where a row ends before.
    sums : (n_depths, n_terms, n, n, n_planes) ndarray
        The latter, summed over the cells that get light in each plane.
    spans : (n_planes, 2) ndarray of int
        First row, and the one after the last, that get light in each plane, from `low_z` on.
    depth_um : (n_depths,) ndarray, increasing
        Depths of the emitter for which there is a function of its own; the nearest is taken.
    low : tuple of int
        First plane, row and voxel of a row as offsets from the voxel below the emitter.
    width : int
        Voxels of a row.
    voxel_z_um, first_depth_um : float
        Spacing of the planes, and depth of plane 0.
    """

    along: Floats
    across: Floats32
    sums: Floats
    spans: Ints
    depth_um: Floats
    low: tuple[int, int, int]
    width: int
    voxel_z_um: float
    first_depth_um: float

    @property
    def reach_vox(self) -> tuple[int, int, int]:
        """Farthest voxel from an emitter along each axis."""
        n = len(self.spans), int(self.spans.max()), self.width
        z, y, x = (max(-low, low + size) for low, size in zip(self.low, n, strict=True))
        return z + 1, y, x

    def deposit(self, block: Block, origin_vox: Ints, points_vox: Floats, photons: Floats) -> None:
        """Add every emitter's expected photons to the voxels of a block; see `synimg.psf.protocol.Kernel`."""
        depth = self.first_depth_um + points_vox[:, 0] * self.voxel_z_um
        level = np.zeros(depth.size, np.int64)
        if self.depth_um.size > 1:
            level = np.searchsorted(0.5 * (self.depth_um[1:] + self.depth_um[:-1]), depth)
        shape = self.spans, np.array(self.low), self.width
        _deposit(block, origin_vox, points_vox, photons, level, self.along, self.across, self.sums, *shape)


def tabulate(
    sources: list[Source],
    voxel_um: tuple[float, float, float],
    depth_um: Floats,
    first_depth_um: float,
    energy: float,
    detail_um: tuple[float, float, float],
) -> Table:
    """The table of one `Source` per depth, integrated over the voxel.

    Parameters
    ----------
    energy : float
        Share of the light that the kept voxels hold; what lies outside is put back in proportion, so that no flux is lost.
    detail_um : tuple of float
        Length along z, y, x that the integration has to resolve, such as a standard deviation.

    Raises
    ------
    SynimgError
        If a plane of it has more than 150 x 150 voxels.
    """
    half = np.max([refuse_wide(source.half_um, voxel_um) for source in sources], axis=0).tolist()
    steps = (N_STEPS_Z, 2 * N_STEPS, 2 * N_STEPS)  # even, so that a voxel's faces lie between fine cells
    fine = [n * max(1, int(np.ceil(4 * v / (n * d)))) for v, n, d in zip(voxel_um, steps, detail_um, strict=True)]
    kinds = [_few(*_collected(source, voxel_um, half, fine)) for source in sources]
    n_terms = max(along.shape[0] for along, _ in kinds)
    along = np.zeros((len(kinds), n_terms, kinds[0][0].shape[1]))
    across = np.zeros((len(kinds), n_terms, *kinds[0][1].shape[1:]), np.float32)
    for d, (a, b) in enumerate(kinds):
        along[d, : len(a)], across[d, : len(b)] = a, b
    # which voxels are kept is decided for an emitter at a voxel's centre; what one in between may light is kept too
    plane = 2 * half[1] + 2, 2 * half[2] + 2
    centred = np.einsum("dkz,dki->zi", along[:, :, N_STEPS_Z::N_STEPS_Z], across[:, :, 0, 0]).reshape(-1, *plane)
    kept = np.zeros((len(centred) + 1, *centred.shape[1:]), bool)
    kept[:-1] = _kept(np.maximum(centred, 0.0), energy)
    for axis in range(3):
        kept |= np.roll(kept, 1, axis)
    planes, used, columns = (np.flatnonzero(kept.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
    lit_rows = [np.flatnonzero(kept[z, used].any(axis=1)) for z in range(planes[0], planes[-1] + 1)]
    spans = np.array([(lit[0], lit[-1] + 1) for lit in lit_rows])
    x0, n_cells = columns[0], columns[-1] + 1 - columns[0]
    of_row = np.zeros((used.size, -(-n_cells // LANES) * LANES), bool)
    for row, y in enumerate(used):
        lit = np.flatnonzero(kept[:, y].any(axis=0)) - x0
        of_row[row, lit[0] : lit[-1] + 1] = True
    rows = np.zeros((*across.shape[:-1], *of_row.shape), np.float32)
    rows[..., :n_cells] = across.reshape(*across.shape[:-1], *plane)[..., used, x0 : x0 + n_cells]
    rows *= of_row
    over_x = rows.sum(axis=-1, dtype=np.float64)
    sums = np.stack([over_x[..., a:b].sum(axis=-1) for a, b in spans], axis=-1)
    return Table(
        along=np.ascontiguousarray(along[..., planes[0] * N_STEPS_Z : (planes[-1] + 1) * N_STEPS_Z + 1]),
        across=rows.reshape(*across.shape[:-1], -1),
        sums=sums,
        spans=spans,
        depth_um=depth_um,
        low=(int(planes[0]) - half[0], int(used[0]) - half[1], int(x0) - half[2]),
        width=of_row.shape[1],
        voxel_z_um=float(voxel_um[0]),
        first_depth_um=first_depth_um,
    )


def refuse_wide(half_um: tuple[float, float, float], voxel_um: tuple[float, float, float]) -> list[int]:
    """Voxels along z, y, x over which light reaches that is followed `half_um` far.

    Raises
    ------
    SynimgError
        If they are more in a plane than a table holds.
    """
    half = [int(np.ceil(h / v)) for h, v in zip(half_um, voxel_um, strict=True)]
    if (2 * half[1] + 2) * (2 * half[2] + 2) > MOST_CELLS:
        raise SynimgError(
            f"psf: reaches over {2 * half[1] + 2} x {2 * half[2] + 2} voxels, 150 x 150 is the most; "
            "follow its light less far (psf.half_depth_um) or take larger voxels"
        )
    return half


def _kept(shares: Floats, energy: float) -> NDArray[np.bool_]:
    """The brightest voxels that together hold `energy` of the light, and those that are as bright for other places."""
    order = np.sort(shares.ravel())[::-1]
    light = np.cumsum(order)
    kept: NDArray[np.bool_] = shares >= order[min(np.searchsorted(light, energy * light[-1]), order.size - 1)]
    return kept


def _collected(
    source: Source, voxel_um: tuple[float, float, float], half: list[int], fine: list[int]
) -> tuple[Floats, Floats]:
    """Light in every voxel as a sum of products: (term, z place) and (term, y node, x node, y, x), flattened but for the term.

    The z place runs over tenths of a voxel, from the distance ``-half - 1`` to ``half + 1`` between voxel and emitter;
    the nodes are emitters at 0, 1/5, ..., 1 voxel; voxels run from -half to half + 1.

    Notes
    -----
    The midpoint rule on `fine` cells per voxel, summed up along each axis.
    """
    z, y, x = (
        ((np.arange((2 * h + 3) * n) + 0.5) / n - (h + 1.5)) * voxel
        for voxel, h, n in zip(voxel_um, half, fine, strict=True)
    )
    start = np.arange(0, z.size - fine[0] + 1, fine[0] // N_STEPS_Z)
    along = _between(source.along(z), (start, start + fine[0]))
    edges = [_edges(h, n) for h, n in zip(half[1:], fine[1:], strict=True)]
    over_x = _between(source.across(y[:, None], x), edges[1])  # term, y, node, x
    across = _between(np.moveaxis(over_x, 1, -1), edges[0])  # term, x node, x, y node, y
    return along, across.transpose(0, 3, 1, 4, 2).reshape(len(across), N_STEPS + 1, N_STEPS + 1, -1)


def _few(along: Floats, across: Floats) -> tuple[Floats, Floats32]:
    """The same sum with as few products as the error allows.

    Raises
    ------
    SynimgError
        If there is no light.
    """
    flat = across.reshape(len(across), -1)
    peak = (along.T @ flat).max() if along.size else 0.0
    if not peak > 0:
        raise SynimgError("psf: no light at the emitter's place; check its widths and the voxel size")
    # an orthonormal basis of the functions of (y, x) makes the matrix small
    size, basis = np.linalg.eigh(flat @ flat.T)
    kept = size > 1e-12 * size.max()
    q = (basis[:, kept] / np.sqrt(size[kept])).T @ flat
    few, mixed = products(along.T @ (basis[:, kept] * np.sqrt(size[kept])), 0.1 * LARGEST_ERROR)
    wide = mixed @ q
    n = len(few)
    left = np.zeros((few.shape[1], wide.shape[1]), np.float32)
    while n > 1:
        left += np.outer(few[n - 1], wide[n - 1]).astype(np.float32)
        if np.abs(left).max() > LARGEST_ERROR * peak:
            break
        n -= 1
    return few[:n], (wide[:n] / peak).reshape(n, *across.shape[1:]).astype(np.float32)


def _edges(half: int, n: int) -> tuple[Ints, Ints]:
    """First of the `n` fine cells of each voxel (node, voxel), and the first one after them."""
    node, voxel = np.arange(N_STEPS + 1)[:, None], np.arange(-half, half + 2)
    low = (voxel + half + 1) * n - node * (n // N_STEPS)
    return low, low + n


def _between(values: Floats, edges: tuple[Ints, Ints]) -> Floats:
    """Sums over the last axis between edges: (..., node, voxel)."""
    total = np.zeros((*values.shape[:-1], values.shape[-1] + 1))
    np.cumsum(values, axis=-1, out=total[..., 1:])
    return total[..., edges[1]] - total[..., edges[0]]


@nb.njit(cache=True, nogil=True)
def _four(
    out: Floats32,
    one: Floats32,
    two: Floats32,
    three: Floats32,
    last: Floats32,
    a: np.float32,
    b: np.float32,
    c: np.float32,
    d: np.float32,
) -> None:
    for k in range(out.size):
        out[k] = (a * one[k] + b * two[k]) + (c * three[k] + d * last[k])


@nb.njit(cache=True, nogil=True)
def _three(
    out: Floats32, one: Floats32, two: Floats32, last: Floats32, a: np.float32, b: np.float32, c: np.float32
) -> None:
    for k in range(out.size):
        out[k] = a * one[k] + b * two[k] + c * last[k]


@nb.njit(cache=True, nogil=True)
def _three_more(
    out: Floats32, one: Floats32, two: Floats32, last: Floats32, a: np.float32, b: np.float32, c: np.float32
) -> None:
    for k in range(out.size):
        out[k] += a * one[k] + b * two[k] + c * last[k]


@nb.njit(cache=True, nogil=True)
def _deposit(
    block: Block,
    origin: Ints,
    points: Floats,
    photons: Floats,
    level: Ints,
    along: Floats,
    across: Floats32,
    sums: Floats,
    spans: Ints,
    low: Ints,
    width: int,
) -> None:
    """Blend the functions of (y, x) between four nodes, add them up for every plane, scale to the emitter's photons.

    Runs of numbers in which no element depends on another are summed first and then added row by row: a voxel gets the
    same bits whatever part of the emitter's light lies in the block.
    """
    nz, ny, nx = block.shape
    voxels = block.reshape(-1)
    n_terms, n_planes, n_cells = along.shape[1], spans.shape[0], across.shape[-1]
    n_rows = n_cells // width
    padded = -(-n_terms // 3) * 3
    flat = np.zeros((padded, n_cells), np.float32)
    light = np.empty(n_cells, np.float32)
    weight = np.zeros((n_planes, padded))
    long, line = np.uint64(width), np.uint64(nx)
    for i in range(points.shape[0]):
        z0, y0, x0 = int(np.floor(points[i, 0])), int(np.floor(points[i, 1])), int(np.floor(points[i, 2]))
        # first plane, row and voxel of the emitter's light in the block
        z, y, x = z0 + low[0] - origin[0], y0 + low[1] - origin[1], x0 + low[2] - origin[2]
        if z >= nz or z + n_planes <= 0 or y >= ny or y + n_rows <= 0 or x >= nx or x + width <= 0:
            continue
        a = max(0, -x)  # of each row the part that lies in the block
        length = np.uint64(min(width, nx - x) - a)
        fy, fx = (points[i, 1] - y0) * N_STEPS, (points[i, 2] - x0) * N_STEPS
        jy, jx = int(fy), int(fx)
        ay, ax = fy - jy, fx - jx
        w00, w01, w10, w11 = (1 - ay) * (1 - ax), (1 - ay) * ax, ay * (1 - ax), ay * ax
        kind = level[i]
        four = np.float32(w00), np.float32(w01), np.float32(w10), np.float32(w11)
        for k in range(n_terms):
            nodes = across[kind, k]  # rows of contiguous numbers, which the compiler turns into vector instructions
            _four(flat[k], nodes[jy, jx], nodes[jy, jx + 1], nodes[jy + 1, jx], nodes[jy + 1, jx + 1], *four)
        # distance of the voxel from the emitter, in steps from the first tabulated one
        fz = (1.0 - (points[i, 0] - z0)) * N_STEPS_Z
        jz = int(fz)
        az = fz - jz
        total = 0.0
        for p in range(n_planes):
            at = p * N_STEPS_Z + jz
            after = min(at + 1, along.shape[2] - 1)
            for k in range(n_terms):
                weight[p, k] = (1.0 - az) * along[kind, k, at] + az * along[kind, k, after]
                held = w00 * sums[kind, k, jy, jx, p] + w01 * sums[kind, k, jy, jx + 1, p]
                held += w10 * sums[kind, k, jy + 1, jx, p] + w11 * sums[kind, k, jy + 1, jx + 1, p]
                total += weight[p, k] * held
        scale = photons[i] / total
        for p in range(max(0, -z), min(n_planes, nz - z)):
            first, last = spans[p, 0], spans[p, 1]
            lit = slice(first * width, last * width)
            for k in range(0, padded, 3):
                three = (
                    np.float32(scale * weight[p, k]),
                    np.float32(scale * weight[p, k + 1]),
                    np.float32(scale * weight[p, k + 2]),
                )
                if k == 0:
                    _three(light[lit], flat[k][lit], flat[k + 1][lit], flat[k + 2][lit], *three)
                else:
                    _three_more(light[lit], flat[k][lit], flat[k + 1][lit], flat[k + 2][lit], *three)
            low_row = max(first, -y)
            target, source = np.uint64(((z + p) * ny + y + low_row) * nx + x + a), np.uint64(low_row * width + a)
            for _ in range(min(last, ny - y) - low_row):
                for k in range(length):
                    voxels[target + k] += light[source + k]
                target += line
                source += long
