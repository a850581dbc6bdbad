"""The mixture on counts: what each synapse's old and new receptors say of learning, homeostasis and drift."""
