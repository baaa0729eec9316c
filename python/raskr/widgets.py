"""Templates of HTML: where they are looked for, and the functions that they may use. Needs the package jinja2."""

import functools
import html
from collections.abc import Callable
from datetime import datetime
from typing import Any

from raskr.utils import format_bytes, format_time, format_time_ago, key_split, typename

__all__ = ["FILTERS", "TEMPLATE_PATHS", "get_environment", "get_template"]

# Libraries add their filters and folders to these.
FILTERS: dict[str, Callable] = {
    "datetime_from_timestamp": datetime.fromtimestamp,
    "format_bytes": format_bytes,
    "format_time": format_time,
    "format_time_ago": format_time_ago,
    "html_escape": html.escape,
    "key_split": key_split,
    "type": type,
    "typename": typename,
}
TEMPLATE_PATHS: list[str] = []


def get_environment() -> Any:
    """The environment of jinja2 that looks for templates in `TEMPLATE_PATHS` and has `FILTERS`.

    In a template `{{ 2048 | format_bytes }}` is `2.00 kiB`.
    """
    return _environment(tuple(TEMPLATE_PATHS), tuple(FILTERS.items()))


@functools.lru_cache(maxsize=4)
def _environment(paths: tuple[str, ...], filters: tuple) -> Any:
    from raskr.utils import import_required

    jinja2 = import_required("jinja2", "Templates of HTML need the package jinja2, which is not installed")
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(list(paths)))
    environment.filters.update(filters)
    return environment


def get_template(name: str) -> Any:
    """A template by its name, which is that of a file in one of `TEMPLATE_PATHS`."""
    return get_environment().get_template(name)
