"""Drift as an Ornstein-Uhlenbeck process of ln receptors, stationary and proportional to size."""

from typing import Any, Literal

import numpy as np
from pydantic import Field

from synimg.model import Model
from synimg.phantoms.drift.protocol import Floats


class LogOu(Model):
    """Log-OU drift (form: Loewenstein et al. 2011, J Neurosci 31:9481; size: Yasumatsu et al. 2008).

    Notes
    -----
    ``d ln a = -(dt / tau) ln_drift + sd_per_day sqrt(dt) xi``. The mean moves along with the neuron's scaling and
    with learning, so that drift does not undo them.
    Yasumatsu's 20 % of the volume a day, measurement noise included, bounds `sd_per_day` from above.
    """

    kind: Literal["log_ou"] = "log_ou"
    sd_per_day: float = Field(0.14, ge=0, le=2, description="sd of the change of ln receptors over one day")
    tau_drift_days: float = Field(10.0, gt=0, description="time constant of the return to the mean [days]")

    def start(self, a_start: Floats, rng: np.random.Generator) -> Any:
        """Nothing is carried along."""
        return None

    def step(self, ln_drift: Floats, memory: Any, dt_days: float, rng: np.random.Generator) -> tuple[Floats, Any]:
        """Exact discrete step of the process over `dt_days`."""
        keep = np.exp(-dt_days / self.tau_drift_days)
        stationary_sd = self.sd_per_day * np.sqrt(self.tau_drift_days / 2.0)
        noise = stationary_sd * np.sqrt(1.0 - keep**2) * rng.standard_normal(ln_drift.size)
        return (keep - 1.0) * ln_drift + noise, None


part = LogOu
