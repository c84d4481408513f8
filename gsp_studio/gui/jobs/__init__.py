"""Background work of the window: one file a question, each answered in a thread of its own."""
