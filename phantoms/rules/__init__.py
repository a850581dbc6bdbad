"""Learning rules: one file per rule, each a step of ln receptors per edge."""
