"""What a run leaves on disk: its folder, figures, reports and the script that repeats it."""
