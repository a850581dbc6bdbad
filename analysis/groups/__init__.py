"""Questions about groups of synapses: where a separation has its power."""
