"""The commands of the command line: arguments in, exit codes out."""
