"""The frame: the main window, its docks, menus and prompts."""
