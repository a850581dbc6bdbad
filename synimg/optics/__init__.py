"""Physics of image formation: diffraction at the pupil, profiles about the axis, and what a voxel collects."""
