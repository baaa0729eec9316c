"""How blocks that are not NumPy's own arrays are joined, by their type."""

import numpy as np

_CONCATENATE = {}


def register_concatenate(kind, function):
    """Join blocks of this type by `function(blocks, axis)`."""
    _CONCATENATE[kind] = function


def concatenate_blocks(blocks, axis):
    """One array from blocks next to each other along an axis."""
    if len(blocks) == 1:
        return blocks[0]
    if any(getattr(block, "ndim", 0) <= axis for block in blocks):
        # Not arrays, or arrays without this axis: elements of their own.
        blocks = [
            block if getattr(block, "ndim", 0) > axis else np.asarray(block).reshape((1,) * (axis + 1))
            for block in blocks
        ]
    first = blocks[0]
    if first.dtype.names is not None and all(type(b) is np.ndarray and b.dtype == first.dtype for b in blocks):
        # NumPy's own `concatenate` would drop the gaps between fields.
        shape = list(first.shape)
        shape[axis] = sum(block.shape[axis] for block in blocks)
        return np.concatenate(blocks, axis=axis, out=np.empty(shape, dtype=first.dtype))
    for block in blocks:
        kind = type(block)
        if kind is np.ndarray:
            continue
        for base in kind.__mro__:
            function = _CONCATENATE.get(base)
            if function is not None:
                return function(blocks, axis)
            if base.__module__.startswith("scipy.sparse"):
                return _concatenate_scipy(blocks, axis)
    return np.concatenate(blocks, axis=axis)


def _concatenate_masked(blocks, axis):
    joined = np.ma.concatenate(blocks, axis=axis)
    # Asking for `fill_value` casts it, and warns where it does not fit: what is set is compared and handed on as it is.
    first, *others = (block for block in blocks if isinstance(block, np.ma.MaskedArray))
    value = first._fill_value
    if value is not None and joined.dtype == first.dtype:
        key = _hashable(value)
        if all(block._fill_value is not None and _hashable(block._fill_value) == key for block in others):
            joined._fill_value = value
    return joined


def _hashable(value):
    return value.tobytes() if hasattr(value, "tobytes") else value


def _concatenate_scipy(blocks, axis):
    import scipy.sparse

    return scipy.sparse.vstack(blocks) if axis == 0 else scipy.sparse.hstack(blocks)


_CONCATENATE[np.ma.MaskedArray] = _concatenate_masked


def concatenate_nested(blocks, axes=None):
    """One array from blocks in nested lists, one level an axis; with `axes`, the axes of the levels."""
    if not isinstance(blocks, (list, tuple)):
        return blocks
    depth, inner = 0, blocks
    while isinstance(inner, (list, tuple)):
        depth, inner = depth + 1, inner[0]
    axes = list(range(depth)) if axes is None else list(axes)

    def join(nested, level):
        if level == depth:
            return nested
        parts = [join(one, level + 1) for one in nested]
        if np.ndim(parts[0]) == 0 and level == depth - 1:
            return np.asarray(parts)
        return concatenate_blocks(parts, axes[level])

    return join(blocks, 0)
