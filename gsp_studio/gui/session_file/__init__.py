"""Sessions on disk as the window keeps them: the store, the File menu, recent sessions."""
