"""Looking at data sets: napari layers, figures, and the HTML report. Only this folder knows napari."""
