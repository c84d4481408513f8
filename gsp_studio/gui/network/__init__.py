"""The Networks view: its state, its jobs and its widgets."""
