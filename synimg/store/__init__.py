"""The store: the one place that opens files. Tables, images, networks and the data set folder."""
