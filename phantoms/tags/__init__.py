"""Tags: one file per labelling scheme, from receptors to dyes and photons."""
