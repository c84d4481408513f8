"""Runs: threads, pause, cancel and steering. No Qt, no mathematics."""
