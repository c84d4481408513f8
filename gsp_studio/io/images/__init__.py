"""Image files: one, a set of them, and the folders and archives that they come from."""
