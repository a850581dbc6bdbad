"""Parent identity: one file per way in which a synapse shows its neuron."""
