"""Tasks that the network learns: one file per task, each a batch of trials drawn from a stream."""
