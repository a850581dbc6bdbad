"""Turnover: one file per law by which synapses form and vanish."""
