"""What detectors that multiply electrons share: Poisson electrons, a Gamma gain, read noise."""

import numba as nb
import numpy as np
from numpy.typing import NDArray

from synimg.cameras.protocol import Photons
from synimg.counter import gamma, normal, poisson, start

Floats = NDArray[np.float64]


def multiplied(
    photons: Photons,
    settings: tuple[float, ...],
    key: int,
    origin_vox: tuple[int, int, int],
    shape_vox: tuple[int, int, int],
) -> NDArray[np.uint16]:
    """Grey levels of a detector whose gain is a random number of its own for every electron.

    Parameters
    ----------
    photons, key, origin_vox, shape_vox
        As in `synimg.cameras.protocol.Camera`.
    settings : tuple
        Electrons per photon; electrons in the dark; excess noise factor F^2; grey levels per electron at the cathode; sd of
        the read noise in such electrons; offset; largest grey level.

    Notes
    -----
    n electrons come out as a Gamma number of shape ``n / (F^2 - 1)`` and mean n: for F^2 = 2 the sum of n exponential
    numbers, as in the register of an EMCCD (Basden et al. 2003, MNRAS 345:985).
    """
    grey = np.empty(photons.shape, np.uint16)
    _multiplied(photons, grey, np.array(settings), np.uint64(key), np.array(origin_vox), np.array(shape_vox))
    return grey


@nb.njit(cache=True, nogil=True)
def _multiplied(
    photons: Photons,
    grey: NDArray[np.uint16],
    settings: Floats,
    key: np.uint64,
    origin: NDArray[np.int64],
    shape: NDArray[np.int64],
) -> None:
    efficiency, dark, excess, gain, read_noise, offset, largest = settings
    for z in range(photons.shape[0]):
        for y in range(photons.shape[1]):
            first = ((origin[0] + z) * shape[1] + origin[1] + y) * shape[2] + origin[2]
            for x in range(photons.shape[2]):
                state = start(key, np.uint64(first + x))
                state, electrons = poisson(state, efficiency * photons[z, y, x] + dark)
                out = float(electrons)
                if electrons > 0 and excess > 1.0:
                    state, out = gamma(state, electrons / (excess - 1.0))
                    out *= excess - 1.0
                state, noise = normal(state)
                level = offset + gain * (out + read_noise * noise)
                grey[z, y, x] = np.uint16(min(max(np.rint(level), 0.0), largest))
