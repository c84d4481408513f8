"""The state of the window, and no widgets: one owner a file with its own signals; `session` composes them."""
