"""Sweeps in the window: the background sweep, its dialog and its heat map."""
