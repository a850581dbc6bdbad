"""napari's dock widgets: thin, over functions that are tested without Qt."""
