"""Formats of arrays: one file a format, or a few that share its name, and the registry that lists them."""
