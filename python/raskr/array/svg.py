"""Drawings of the blocks of an array, as SVG."""

import math

import numpy as np

_FACE, _DENSE, _LINE = "#e9b47c", "#8B4903", "#5b4636"
_MAX_LINES = 20
_SHEAR = (0.5, 0.35)


def svg(chunks, size=200):
    """The picture of an array with these chunks.

    Parameters
    ----------
    chunks : tuple of tuples of int
        The lengths of blocks along every axis.
    size : int
        Pixels of the longest side.

    Returns
    -------
    str

    Examples
    --------
    >>> from raskr.array.svg import svg
    >>> svg(((5, 5), (10,))).count("<svg")
    1
    """
    shape = tuple(sum(sizes) for sizes in chunks)
    if any(length != length for length in shape):
        raise NotImplementedError(
            "Can't generate SVG with unknown chunk sizes.\n\n A possible solution is with x.compute_chunk_sizes()"
        )
    if not chunks:
        raise NotImplementedError("Can't generate SVG with 0 dimensions")
    if not all(shape):
        raise NotImplementedError("Can't generate SVG with 0-length dimensions")
    sizes = draw_sizes(shape, size)
    first = len(chunks) % 3 or 3
    groups = [slice(0, first)] + [slice(start, start + 3) for start in range(first, len(chunks), 3)]
    parts, left, height = [], 10.0, 0.0
    for group in groups:
        lines, width, tall = _picture(chunks[group], sizes[group], shape[group], left)
        parts += lines
        left += width + 60
        height = max(height, tall)
    return "\n".join(
        [
            f'<svg width="{round(left)}" height="{round(height + 50)}" style="stroke:{_LINE};stroke-width:1" '
            'xmlns="http://www.w3.org/2000/svg">',
            *parts,
            "</svg>",
        ]
    )


def draw_sizes(shape, size=200):
    """Pixels of each axis: the longest has `size`, and long ratios are damped.

    Parameters
    ----------
    shape : tuple of int
        The lengths of the axes.
    size : int
        Pixels of the longest.

    Examples
    --------
    >>> from raskr.array.svg import draw_sizes
    >>> draw_sizes((10, 5), size=100)
    (100.0, 50.0)
    """
    longest = max(shape)
    return tuple(size / _damped(longest / max(0.1, length)) for length in shape)


def _damped(ratio):
    return ratio if ratio <= 2 else 2 * (1 + math.log10(min(ratio, 1000) / 2))


def _borders(sizes, pixels):
    """Where the borders between blocks are, in pixels, and whether they are too many to be drawn."""
    total = sum(sizes)
    borders = [float(at) / total * pixels for at in np.cumsum((0, *sizes))]
    if len(borders) <= _MAX_LINES:
        return borders, False
    step = (len(borders) - 1) / (_MAX_LINES - 1)
    return [borders[round(number * step)] for number in range(_MAX_LINES)], True


def _picture(chunks, sizes, shape, left):
    """The drawing of one to three axes: its lines, its width and its height."""
    if len(chunks) == 1:
        across, dense = _borders(chunks[0], sizes[0])
        lines = _face((left, 10), (1, 0), (0, 1), across, [0.0, 20.0], dense)
        lines.append(_label(shape[0], left + sizes[0] / 2, 50))
        lines.append(_label(1, left + sizes[0] + 8, 25, "start"))
        return lines, sizes[0] + 30, 20
    (down, dense_y), (across, dense_x) = _borders(chunks[-2], sizes[-2]), _borders(chunks[-1], sizes[-1])
    if len(chunks) == 2:
        lines = _face((left, 10), (1, 0), (0, 1), across, down, dense_x or dense_y)
        lines.append(_label(shape[1], left + sizes[1] / 2, sizes[0] + 32))
        lines.append(_label(shape[0], left + sizes[1] + 8, 15 + sizes[0] / 2, "start"))
        return lines, sizes[1] + 50, sizes[0] + 10
    deep, dense_z = _borders(chunks[0], sizes[0])
    dx, dy = sizes[0] * _SHEAR[0], sizes[0] * _SHEAR[1]
    lines = _face((left, 10), (0, 1), _SHEAR, down, deep, dense_y or dense_z)
    lines += _face((left, 10), (1, 0), _SHEAR, across, deep, dense_x or dense_z)
    lines += _face((left + dx, 10 + dy), (1, 0), (0, 1), across, down, dense_x or dense_y)
    lines.append(_label(shape[2], left + dx + sizes[2] / 2, 32 + dy + sizes[1]))
    lines.append(_label(shape[1], left + dx + sizes[2] + 8, 15 + dy + sizes[1] / 2, "start"))
    lines.append(_label(shape[0], left + dx / 2 - 8, 26 + dy / 2 + sizes[1]))
    return lines, dx + sizes[2] + 50, dy + sizes[1] + 10


def _face(origin, along, beside, first, second, dense):
    """One side of a box: a filled shape with the borders of blocks along two directions."""

    def point(a, b):
        return origin[0] + a * along[0] + b * beside[0], origin[1] + a * along[1] + b * beside[1]

    corners = " ".join(
        "{:.2f},{:.2f}".format(*point(a, b))
        for a, b in ((0, 0), (first[-1], 0), (first[-1], second[-1]), (0, second[-1]))
    )
    lines = [
        f'  <polygon points="{corners}" style="fill:{_DENSE if dense else _FACE};fill-opacity:0.7;stroke-width:0"/>'
    ]
    for a in first:
        lines.append(_line(point(a, 0), point(a, second[-1]), a in (first[0], first[-1])))
    for b in second:
        lines.append(_line(point(0, b), point(first[-1], b), b in (second[0], second[-1])))
    return lines


def _line(start, stop, outer):
    width = ' style="stroke-width:2"' if outer else ""
    return f'  <line x1="{start[0]:.2f}" y1="{start[1]:.2f}" x2="{stop[0]:.2f}" y2="{stop[1]:.2f}"{width}/>'


def _label(number, x, y, anchor="middle"):
    return (
        f'  <text x="{x:.1f}" y="{y:.1f}" font-size="1.0rem" font-weight="100" text-anchor="{anchor}" '
        f'style="stroke-width:0">{number}</text>'
    )
