"""Tracebacks of other processes, made again from their text."""

import re
import sys
from types import CodeType, FrameType, TracebackType

__all__ = ["traceback_of"]

_FRAME = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+), in (?P<name>.*)$')
_OWN = re.compile(r"[/\\]raskr[/\\]")


def _frame(file: str, line: int, name: str) -> FrameType:
    """A frame of a function of this name in this file."""
    code: CodeType = compile("\n" * (line - 1) + "frame = get()", file, "exec")
    found: dict = {"get": lambda: sys._getframe(1), "__name__": "", "__file__": file}
    exec(
        code.replace(co_name=name, co_qualname=name) if sys.version_info >= (3, 11) else code.replace(co_name=name),
        found,
    )
    return found["frame"]


def traceback_of(text: str) -> TracebackType | None:
    """The traceback that the last part of a printed exception shows, without raskr's own frames.

    Parameters
    ----------
    text : str
        What `traceback.format_exception` gives.

    Examples
    --------
    >>> from raskr.distributed._tracebacks import traceback_of
    >>> text = 'Traceback (most recent call last):\\n  File "a.py", line 3, in f\\n    1 / 0\\nZeroDivisionError'
    >>> traceback_of(text).tb_frame.f_code.co_name
    'f'
    """
    last = text.rpartition("Traceback (most recent call last):")[2]
    found = [match for match in map(_FRAME.match, last.splitlines()) if match]
    users = [match for match in found if not _OWN.search(match["file"])] or found
    traceback: TracebackType | None = None
    for match in reversed(users):
        line = int(match["line"])
        frame = _frame(match["file"], min(line, 100_000), match["name"])
        traceback = TracebackType(traceback, frame, max(frame.f_lasti, 0), line)
    return traceback
