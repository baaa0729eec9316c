"""Composes docstrings of functions that mirror NumPy's from their own text and the installed NumPy's parameter list."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_HEADING = re.compile(r"^(?P<title>[A-Z][A-Za-z ]+)\n-{3,}$", re.MULTILINE)


def sections(text: str | None) -> dict[str, str]:
    """The sections of a numpydoc text by title; what stands before the first heading is under ``""``."""
    text = inspect.cleandoc(text or "")
    found, title, start = {}, "", 0
    for heading in _HEADING.finditer(text):
        found[title] = text[start : heading.start()].strip("\n")
        title, start = heading["title"], heading.end()
    found[title] = text[start:].strip("\n")
    return found


def skip_examples(text: str) -> str:
    """Marks each example line, so that NumPy's own examples are shown but not run as ours."""

    def skipped(line: re.Match[str]) -> str:
        example = line[1].partition("# doctest:")[0].rstrip()
        # A line that is all comment is no example that could be skipped.
        return example if example.strip().startswith((">>> #", ">>>#")) else f"{example}  # doctest: +SKIP"

    return re.sub(r"^(\s*>>> .*)$", skipped, text, flags=re.MULTILINE)


def compose(own: str | None, original: Any, name: str, examples: bool = False) -> str:
    """`own` text, then the parameters (and, with `examples`, the examples) that the installed NumPy documents."""
    mine, theirs = sections(own), sections(getattr(original, "__doc__", None))
    parts = [mine.pop("", "")]
    taken = ["Parameters"] + (["Notes", "Examples"] if examples else [])
    if "Parameters" not in mine and "Parameters" in theirs:
        parts.append(f"The parameters are those of `{name}`, as far as the signature above has them:")
    for title in ("Parameters", "Returns", "Raises", "Notes", "Examples"):
        if title in mine:
            parts.append(f"{title}\n{'-' * len(title)}\n{mine.pop(title)}")
        elif title in taken and title in theirs:
            parts.append(f"{title}\n{'-' * len(title)}\n{skip_examples(theirs[title])}")
    parts += [f"{title}\n{'-' * len(title)}\n{text}" for title, text in mine.items()]
    return "\n\n".join(part for part in parts if part) + "\n"


def like_numpy(original: Any, examples: bool = False, name: str | None = None) -> Callable[[F], F]:
    """Completes a function's docstring with the parameters that the installed NumPy documents for `original`."""
    name = name or f"numpy.{getattr(original, '__name__', original)}"

    def decorate(function: F) -> F:
        function.__doc__ = compose(function.__doc__, original, name, examples)
        return function

    return decorate
