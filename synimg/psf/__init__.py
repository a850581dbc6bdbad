"""Point spread functions: one file per kind, each a kernel integrated over the voxel."""
