"""Plasticity gates: which connections may learn at all, a binary truth."""
