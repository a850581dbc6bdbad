"""What an experimenter knows of a recording, and how its channels are to be shown."""

from typing import Any

import numpy as np

from synimg import schema
from synimg.config import Config
from synimg.phantoms.preparation.base import retention
from synimg.phantoms.render import Channel
from synimg.phantoms.tissue import Tissue
from synimg.psf.protocol import one_emitter


def acquisition(config: Config, channels: list[Channel], tissue: Tissue) -> dict[str, Any]:
    """What an experimenter knows of the recording: all that `measure` may use besides the voxels."""
    kept = retention(config.preparation)
    return {
        "synimg_schema": schema.SCHEMA_VERSION,
        "animal_id": config.animal_id,
        "group": config.group,
        "window_days": config.training.window_days,
        "voxel_um": list(config.volume.voxel_um),
        "channels": [
            {
                "name": c.name,
                "emission_nm": c.emission_nm,
                "psf_sigma_um": list(config.psf.sigma_um(c.emission_nm)),
                "psf_gaussian_share": config.psf.gaussian_share(c.emission_nm),
                "shift_um": config.optics.known_shift_um(c.name),
            }
            for c in channels
        ],
        "psf": config.psf.model_dump(),
        "camera": config.camera.model_dump(),
        # calibrated in the first plane; a dye that may be lost on the way is a receptor of fewer photons that vary more
        "photons_per_receptor": _first_light(config) * kept * config.dyes.photons_per_receptor,
        "photons_shape": 1.0 / ((1.0 + 1.0 / config.dyes.photons_shape) / kept - 1.0),
        "tag": config.tag.chemistry(),
        "bleed_through": [list(leak) for leak in config.optics.bleed_through],
        "attenuation": {
            "length_um": config.optics.attenuation_length_um,
            "bleached_share": config.optics.bleached_share,
        },
        "identity": config.identity.known(tissue.neuron_id, config.seed),
    }


def window(channel: Channel, config: Config) -> tuple[int, int]:
    """Grey levels to show: from the dark level to a bright dendrite or synapse."""
    camera = config.camera
    peak_share = float(one_emitter(channel.kernel, (0.0, 0.0, 0.0))[0].max())
    if channel.name in {"pulse", "chase"}:
        top = 40 * config.dyes.photons_per_receptor * peak_share
    else:
        top = 1.5 * config.identity.photons(1.0) * float(np.prod(config.volume.voxel_um))
    gain = _first_light(config) * camera.quantum_efficiency * camera.gain_adu_per_electron
    return int(camera.offset_adu + 1.3 * gain * channel.background), int(
        camera.offset_adu + gain * (channel.background + top)
    )


def _first_light(config: Config) -> float:
    """Light from the first plane, relative to the photons that are stated elsewhere."""
    return float(config.optics.exposure * config.optics.at_depth(config.first_depth_um))
