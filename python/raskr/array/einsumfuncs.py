"""Einstein sums over lazy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from raskr.array._apply import Expr, wrap
from raskr.array._docs import like_numpy
from raskr.array.collection import Array
from raskr.array.routines_products import aligned, tensordot
from raskr.array.utils import is_native_dtype

Label = Any


def _from_text(subscripts: str, operands: Sequence[Array]) -> tuple[list[list[Label]], list[Label]]:
    """The labels of each operand's axes and of the result's; an ellipsis stands for numbers, counted from the right."""
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ValueError(f"einsum: {len(terms)} subscripts in {subscripts!r} for {len(operands)} operands")
    labels, widest = [], 0
    for term, operand in zip(terms, operands):
        parsed, extra = _term(term, operand.ndim, subscripts)
        labels.append(parsed)
        widest = max(widest, extra)
    dots: list[Label] = list(range(-widest, 0))
    if arrow:
        head, ellipsis, tail = right.partition("...")
        result = [*head, *(dots if ellipsis else []), *tail]
        for label in (*head, *tail):
            if not any(label in term for term in labels):
                raise ValueError(f"einsum: output subscript {label!r} of {subscripts!r} is in no operand")
            if result.count(label) > 1:
                raise ValueError(f"einsum: output subscript {label!r} of {subscripts!r} is there twice")
    else:
        every = [label for term in labels for label in term if isinstance(label, str)]
        result = dots + sorted({label for label in every if every.count(label) == 1})
    return labels, result


def _term(term: str, ndim: int, subscripts: str) -> tuple[list[Label], int]:
    head, ellipsis, tail = term.partition("...")
    for label in (*head, *tail):
        if not label.isalpha():
            raise ValueError(f"einsum: {label!r} in {subscripts!r} is no subscript")
    extra = ndim - len(head) - len(tail)
    if extra < 0 or (extra and not ellipsis):
        raise ValueError(f"einsum: subscripts {term!r} do not fit an operand with {ndim} axes")
    return [*head, *range(-extra, 0), *tail], extra


def _parse(arguments: Sequence[Any]) -> tuple[list[Array], list[list[Label]], list[Label]]:
    from raskr.array.core import asanyarray

    if not arguments:
        raise ValueError("einsum needs subscripts and operands")
    if isinstance(arguments[0], str):
        operands = [asanyarray(x) for x in arguments[1:]]
        return operands, *_from_text(arguments[0], operands)
    # The other way of writing it: an operand, its list of labels, the next operand, ...
    pairs, rest = len(arguments) // 2, len(arguments) % 2
    operands = [asanyarray(x) for x in arguments[0 : 2 * pairs : 2]]
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    lists = [*arguments[1 : 2 * pairs : 2], *([arguments[-1]] if rest else [])]
    terms = ["".join("..." if label is Ellipsis else letters[label] for label in part) for part in lists]
    text = ",".join(terms[:pairs]) + (f"->{terms[-1]}" if rest else "")
    return operands, *_from_text(text, operands)


class _Einsum:
    """`numpy.einsum` on blocks, with an axis of length 1 for each index that is summed over."""

    def __init__(self, labels: list[list[Label]], result: list[Label], summed: int, options: dict[str, Any]):
        numbers = {label: n for n, label in enumerate(dict.fromkeys(label for term in labels for label in term))}
        self.inputs = [[numbers[label] for label in term] for term in labels]
        self.output = [numbers[label] for label in result]
        self.summed = summed
        self.options = options

    def __call__(self, *blocks: Any) -> Any:
        if any(type(block).__array_function__ is not np.ndarray.__array_function__ for block in blocks):
            # Other libraries take subscripts as text, and no options.
            terms = ["".join(chr(ord("a") + number) for number in term) for term in (*self.inputs, self.output)]
            result = np.einsum(f"{','.join(terms[:-1])}->{terms[-1]}", *blocks)
            return result[(...,) + (None,) * self.summed]
        arguments = [part for pair in zip(blocks, self.inputs) for part in pair]
        result = np.einsum(*arguments, self.output, **self.options)
        return np.asarray(result)[(...,) + (None,) * self.summed]


def _as_tensordot(operands: list[Array], labels: list[list[Label]], result: list[Label], dtype: Any) -> Array | None:
    """A sum of two operands over shared indices that the result lacks: the engine's product, or None if it is more."""
    if len(operands) != 2 or not all(x._expr.native for x in operands):
        return None
    (a, b), (left, right) = operands, labels
    if len(set(left)) != len(left) or len(set(right)) != len(right):
        return None
    shared = [label for label in left if label in right]
    if not shared or any(label in result for label in shared):
        return None
    if any(a.shape[left.index(label)] != b.shape[right.index(label)] for label in shared):
        return None
    if any(label not in result and label not in shared for label in (*left, *right)):
        return None
    if np.dtype(dtype).kind not in "fc" or np.dtype(dtype).char == "e":
        return None
    axes = ([left.index(label) for label in shared], [right.index(label) for label in shared])
    product = tensordot(a.astype(dtype), b.astype(dtype), axes=axes)
    order = [label for label in (*left, *right) if label not in shared]
    return product.transpose([order.index(label) for label in result])


@like_numpy(np.einsum)
def einsum(*operands, dtype=None, optimize=False, split_every=None, order="K", casting="safe", **kwargs):
    """Products of operands summed over indices, as subscripts say it.

    Two operands that share only indices that are summed over are multiplied by the engine; otherwise NumPy's
    `einsum` is applied to blocks, with `optimize`, and their results are summed, `split_every` at a time.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.arange(6, chunks=3).reshape(2, 3)
    >>> da.einsum("ij,kj->ik", x, x).compute()
    array([[ 5, 14],
           [14, 50]])
    """
    if kwargs:
        raise TypeError(f"einsum() got unexpected keyword arguments {sorted(kwargs)}")
    arrays, labels, result = _parse(operands)
    wanted = np.result_type(*(x.dtype for x in arrays)) if dtype is None else np.dtype(dtype)
    product = _as_tensordot(arrays, labels, result, wanted)
    if product is not None:
        return product
    lengths: dict[Label, float] = {}
    for x, term in zip(arrays, labels):
        for label, size in zip(term, x.shape):
            known = lengths.setdefault(label, size)
            if size != known and 1 not in (size, known) and size == size and known == known:
                raise ValueError(f"einsum: index {label!r} has lengths {known} and {size}")
            lengths[label] = max(known, size) if 0 not in (size, known) else 0
    numbers = {label: n for n, label in enumerate(lengths)}
    pairs = [(x, [numbers[label] for label in term]) for x, term in zip(arrays, labels)]
    # An operand with an index twice gets equal chunks on both axes, so that its diagonal lies in diagonal blocks.
    arrays = aligned(*pairs)
    sizes: dict[Label, tuple[int, ...]] = {}
    for x, term in zip(arrays, labels):
        for label, own in zip(term, x.chunks):
            if label not in sizes or sum(sizes[label]) == 1:
                sizes[label] = own
    summed = [label for label in sizes if label not in result]
    options = {"dtype": dtype, "optimize": optimize, "order": order, "casting": casting}
    options = {name: value for name, value in options.items() if value is not None}
    chunks = tuple(sizes[label] for label in result) + tuple((1,) * len(sizes[label]) for label in summed)
    expr = Expr.blockwise(
        _Einsum(labels, result, len(summed), options),
        tuple(numbers[label] for label in (*result, *summed)),
        [(x._expr, tuple(inds)) for x, (_, inds) in zip(arrays, pairs)],
        chunks,
        wanted,
        all(x._expr.native for x in arrays) and is_native_dtype(wanted),
        label="einsum",
    )
    partial = wrap(expr, arrays[0]._meta)
    if not summed:
        return partial
    axes = tuple(range(len(result), len(result) + len(summed)))
    return partial.sum(axis=axes, dtype=wanted if wanted.kind != "O" else None, split_every=split_every)
