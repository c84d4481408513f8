"""Dialogs; none is modal while a solver runs."""
