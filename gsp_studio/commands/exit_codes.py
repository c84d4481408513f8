"""Exit codes of commands."""

from __future__ import annotations

MISTAKE, BAD_INPUT, INTERRUPTED, BROKEN_PIPE = 1, 2, 130, 141


def is_about_input(error: Exception) -> bool:
    """Whether an error is one of the input or of the machine, not of the program."""
    from gsp_studio.backends import BackendUnavailable, OutOfDeviceMemory
    from gsp_studio.core.distributed.protocol import ClusterError

    if isinstance(error, BrokenPipeError):
        return False
    return isinstance(error, (ValueError, OSError, MemoryError, BackendUnavailable, OutOfDeviceMemory, ClusterError))
