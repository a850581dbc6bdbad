"""Homeostatic mechanisms: one file per mechanism, each a step of ln receptors per neuron."""
