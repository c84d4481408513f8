"""Exports of a run: its folder, figures, reports and the script that repeats it."""
