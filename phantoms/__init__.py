"""The forward model: a network that learns, its receptors and tag, tissue, and the image."""
