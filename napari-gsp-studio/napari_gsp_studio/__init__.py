"""Sparse parts of an image layer: a dock for napari with the slider of GSP Studio."""
