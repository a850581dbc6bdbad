"""What is done to the tissue before it is imaged: one file per step, from places in tissue to places in the image."""
