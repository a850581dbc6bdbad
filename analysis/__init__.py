"""The way back: from an image to a synapse table, and from a table to its causes."""
