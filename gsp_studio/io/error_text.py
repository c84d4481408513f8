"""Errors as sentences, for the terminal and the window."""

from __future__ import annotations

import dis
import errno
import os

_RAISE = dis.opmap["RAISE_VARARGS"]


def describe_error(error: BaseException) -> str:
    """An error as one sentence; the system's errors without their numbers."""
    if isinstance(error, MemoryError):
        told = str(error)
        return f"there is not enough memory{f': {told}' if told else ''}"
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error) or type(error).__name__
    reason = error.strerror[:1].lower() + error.strerror[1:]
    if error.filename is None:
        return reason
    name = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else str(error.filename)
    if error.errno == errno.ENOENT:
        return f"{name} does not exist"
    done = "written" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG) else "opened"
    return f"{name} cannot be {done}: {reason}"


def is_refusal(error: BaseException) -> bool:
    """Whether one of the package's own checks raised an error: ordinary, and its sentence says all."""
    trace = error.__traceback__
    if not isinstance(error, ValueError) or trace is None:
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    is_ours = str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0] == __name__.partition(".")[0]
    return is_ours and trace.tb_frame.f_code.co_code[trace.tb_lasti] == _RAISE
