"""The commands of the command line: arguments in, exit codes out.

A command adds its arguments to a parser in `add_arguments`, and does its work in a function of the parsed arguments,
which returns the exit code. Input that cannot be used raises ValueError, OSError or BackendUnavailable, in a sentence.
"""
