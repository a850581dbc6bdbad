"""Figures: one file each, a function from tables or arrays to a matplotlib figure."""
