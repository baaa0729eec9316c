"""What notebooks show for an array: a table of its sizes beside the picture of its blocks."""

import math
from html import escape

from raskr import config
from raskr.array.svg import svg
from raskr.utils import format_bytes


def html_of_array(array):
    """The text of the page for one array."""
    try:
        picture = svg(array.chunks, size=int(config.get("array.svg.size", 120)))
    except NotImplementedError:
        picture = ""
    blocks = array.npartitions
    rows = [
        ("Bytes", _bytes(array.nbytes), _bytes(_block_bytes(array))),
        ("Shape", _shape(array.shape), _shape(array.chunksize)),
        ("Blocks", f"{blocks} block{'' if blocks == 1 else 's'}", ""),
        ("Data type", f"{array.dtype} {_kind(array._meta)}", ""),
    ]
    body = "\n".join(_row(*row) for row in rows)
    table = (
        '<table style="border-collapse: collapse;">\n'
        "<thead><tr><td></td><th>Array</th><th>Chunk</th></tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>"
    )
    return f"<table>\n<tr>\n<td>\n{table}\n</td>\n<td>\n{picture}\n</td>\n</tr>\n</table>"


def _row(title, whole, block):
    second = f"<td>{whole}</td><td>{block}</td>" if block else f'<td colspan="2">{whole}</td>'
    return f"<tr><th>{title}</th>{second}</tr>"


def _block_bytes(array):
    if any(sizes == () for sizes in array.chunks):
        return 0
    return math.prod(array.chunksize) * array.itemsize


def _bytes(number):
    return "unknown" if number != number else format_bytes(number)


def _shape(shape):
    return escape(str(tuple("nan" if length != length else length for length in shape)).replace("'", ""))


def _kind(meta):
    kind = type(meta)
    return escape(f"{kind.__module__.split('.')[0]}.{kind.__name__}")
