"""Consolidation: one file per way in which synapses keep what they have learned while they learn more."""
