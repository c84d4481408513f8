"""A package to start from, which extends GSP Studio by a method and by a reader of files."""
