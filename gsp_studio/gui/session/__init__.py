"""The state of the window: one owner a file, each with its own signals; no widgets."""
