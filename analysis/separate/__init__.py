"""Separation methods: one file each, a function from a synapse table to a result."""
