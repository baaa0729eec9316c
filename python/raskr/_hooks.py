"""Functions that the engine calls back into: names, tokens, and what only Python can tell of an object."""

import inspect
import warnings
from dataclasses import fields

from raskr.utils import funcname as funcname


def leaf_name(value):
    """The first part of the key of an object that was made lazy."""
    name = getattr(value, "__name__", None)
    return name if isinstance(name, str) else type(value).__name__


def tokenize(*args):
    """The token of a pure call."""
    from raskr.tokenize import tokenize

    return tokenize(*args)


def dataclass_fields(value):
    """Names and values of the fields that a data class instance has."""
    return [(field.name, getattr(value, field.name)) for field in fields(value) if hasattr(value, field.name)]


def check_dataclass(value):
    """Complain of a data class whose instances can't be built anew from their fields."""
    kind = type(value)
    present = [field for field in fields(value) if hasattr(value, field.name)]
    if not all(field.init for field in present):
        raise ValueError(
            f"Failed to unpack {kind} instance with lazy values inside. "
            "Note that using fields with `init=False` are not supported."
        )
    names = set(inspect.signature(kind.__init__).parameters)
    if not names.issuperset(field.name for field in present):
        raise TypeError(
            f"Failed to unpack {kind} instance with lazy values inside. "
            "Note that using a custom __init__ is not supported."
        )


def node_of(value):
    """The node of a collection; None where the object is no collection after all."""
    from raskr import base

    node = base.node_of(value)
    expr = getattr(value, "_expr", None)
    if type(expr) is not getattr(base.core, "Expr", None) or expr.shape != ():
        return node
    # A call gets a number, as `compute` gives it, and not an array without axes.
    return base.core.node_of_call(only_element, (node,), key=f"number-{node.key}", name="number")


def only_element(value):
    """An array without axes as a number of NumPy's; anything else as it is."""
    return value[()] if getattr(value, "shape", None) == () else value


def node_of_graph(dsk, key, layer):
    """The node of one key of a task graph."""
    from raskr.graph import nodes_of

    return nodes_of(dsk, [key])[0]


def engine_annotations():
    """What the annotations in force mean to the engine."""
    from raskr.annotations import for_engine, get_annotations

    return for_engine(get_annotations())


def warn_visualise():
    """Point to the right spelling."""
    warnings.warn(
        "dask.delayed objects have no `visualise` method. Perhaps you meant `visualize`?", UserWarning, stacklevel=2
    )


def assemble(pieces):
    """One array from `(place of the first element, array)` pairs that tile it."""
    from raskr.array.dispatch import concatenate_blocks

    def join(parts, axis):
        # Blocks without elements share their place with the next one; where none has any, the longest one counts.
        if len(parts) == 1 or axis == len(parts[0][0]):
            return max(
                (array for _, array in parts),
                key=lambda array: (getattr(array, "size", 1), sum(getattr(array, "shape", ()))),
            )
        rows = {}
        for place, array in parts:
            rows.setdefault(place[axis], []).append((place, array))
        return concatenate_blocks([join(rows[start], axis + 1) for start in sorted(rows)], axis)

    return join(pieces, 0)
