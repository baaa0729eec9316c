"""Joins of two frames: on divided indexes side by side, with a small side at every partition, or after a shuffle."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from raskr.dataframe.alignment import Divided
from raskr.dataframe.expressions import Expression
from raskr.dataframe.mapping import new_collection
from raskr.dataframe.repartitioning import JoinedPartitions, repartition_number
from raskr.dataframe.shuffle import ByHash, Shuffle, as_list, check_method

#: A side goes whole to every partition of the other where it has at most this many partitions and the other is larger.
_BROADCAST_FRACTION = 0.5
_KINDS = ("inner", "left", "right", "outer", "leftsemi", "leftanti", "cross")


class MergedPartitions(Expression):
    """Partitions of two tables joined pair by pair; a side with one partition meets each of the other's.

    Parameters
    ----------
    left, right : Expression
        The sides.
    options : dict
        For `merge_parts`.
    """

    def __init__(
        self, left: Expression, right: Expression, options: dict, meta: Any, divisions: Sequence, label: str = "merge"
    ) -> None:
        super().__init__(meta, divisions, label, left, right, sorted(options.items(), key=lambda item: item[0]))
        self.left, self.right, self.options = left, right, options

    @property
    def children(self) -> list[Expression]:
        """The two sides."""
        return [self.left, self.right]

    def with_children(self, children: Sequence[Expression]) -> Expression:
        """The same join of other tables."""
        left, right = children
        meta = self.meta
        pairs = zip(children, self.children)
        if any(new.meta.ndim == 2 and len(new.meta.columns) < len(old.meta.columns) for new, old in pairs):
            # Sides of which columns are left out give a result without them, and with other names where one side has all.
            made = merge_parts(left.meta, right.meta, self.options)
            meta = made.astype({name: kind for name, kind in meta.dtypes.items() if name in made.columns})
        return MergedPartitions(left, right, self.options, meta, self.divisions, self.name.rpartition("-")[0])

    def required(self, columns: list | None) -> list[list | None]:
        """What each side needs: its keys, and the columns of the result, with or without a suffix."""
        if columns is None or not all(side.meta.ndim == 2 for side in self.children):
            return [None, None]
        suffixes = [suffix or "" for suffix in self.options["suffixes"]]
        own = []
        # Of a column that both have, both sides are read or none: that names have suffixes depends on it.
        shared = {
            name
            for name in set(self.left.meta.columns) & set(self.right.meta.columns)
            if name in columns or any(f"{name}{suffix}" in columns for suffix in suffixes)
        }
        for side, suffix, keys in zip(self.children, suffixes, (self.options["left_on"], self.options["right_on"])):
            wanted = {*columns, *shared, *(keys or ())}
            own.append([name for name in side.meta.columns if name in wanted or f"{name}{suffix}" in wanted])
        return own

    def _lower(self) -> list:
        left, right = self.left.nodes, self.right.nodes
        count = self.npartitions
        sides = [nodes if len(nodes) > 1 or count == 1 else nodes * count for nodes in (left, right)]
        return [self._call(number, merge_parts, *pair, self.options) for number, pair in enumerate(zip(*sides))]


def merge_parts(left: Any, right: Any, options: dict) -> Any:
    """Two tables joined by pandas; semi and anti joins keep rows of the left one that have, or have not, a match."""
    how = options["how"]
    if how in ("leftsemi", "leftanti"):
        return _filtered(left, right, options)
    left, right = _matched_categories(left, right, options)
    words = {"how", "left_on", "right_on", "left_index", "right_index", "suffixes", "indicator"}
    chosen = {name: value for name, value in options.items() if name in words}
    if how == "cross":
        return left.merge(right, how="cross", suffixes=options["suffixes"], indicator=options["indicator"])
    if options["left_on"] is not None and options["left_on"] == options["right_on"]:
        chosen.pop("left_on"), chosen.pop("right_on")
        chosen["on"] = options["left_on"]
    return left.merge(right, **chosen)


def _filtered(left: Any, right: Any, options: dict) -> Any:
    def keys(table: Any, names: Any) -> Any:
        columns = table.index.to_frame(index=False) if names is None else table[names]
        return columns.set_axis(range(columns.shape[1]), axis=1)

    own, others = keys(left, options["left_on"]), keys(right, options["right_on"]).drop_duplicates()
    found = own.merge(others, how="left", indicator="_found")["_found"].eq("both").to_numpy()
    return left[found if options["how"] == "leftsemi" else ~found]


def _matched_categories(left: Any, right: Any, options: dict) -> tuple:
    """The sides, whose keys have common categories where both are categories: their union is the result's type."""
    if options["left_on"] is None or options["right_on"] is None:
        return _matched_index(left, right, options)
    for own, other in zip(options["left_on"], options["right_on"]):
        if own not in left.columns or other not in right.columns:
            continue
        first, second = left[own].dtype, right[other].dtype
        if isinstance(first, pd.CategoricalDtype) and isinstance(second, pd.CategoricalDtype) and first != second:
            kind = pd.CategoricalDtype(first.categories.union(second.categories, sort=False), first.ordered)
            left, right = (
                left.assign(**{own: left[own].astype(kind)}),
                right.assign(**{other: right[other].astype(kind)}),
            )
    return left, right


def _matched_index(left: Any, right: Any, options: dict) -> tuple:
    """The sides of which one is joined on its index, with common categories."""

    def values(table: Any, keys: Any) -> Any:
        if keys is None:
            return table.index
        return table[keys[0]] if len(keys) == 1 and keys[0] in table.columns else None

    def changed(table: Any, keys: Any, kind: Any) -> Any:
        return table.set_axis(table.index.astype(kind)) if keys is None else table.astype({keys[0]: kind})

    own, other = values(left, options["left_on"]), values(right, options["right_on"])
    kinds = [getattr(each, "dtype", None) for each in (own, other)]
    if not all(isinstance(kind, pd.CategoricalDtype) for kind in kinds) or kinds[0] == kinds[1]:
        return left, right
    kind = pd.CategoricalDtype(kinds[0].categories.union(kinds[1].categories, sort=False), kinds[0].ordered)
    return changed(left, options["left_on"], kind), changed(right, options["right_on"], kind)


def merge(
    left: Any,
    right: Any,
    how: str = "inner",
    on: Any = None,
    left_on: Any = None,
    right_on: Any = None,
    left_index: bool = False,
    right_index: bool = False,
    suffixes: Any = ("_x", "_y"),
    indicator: Any = False,
    shuffle_method: Any = None,
    npartitions: int | None = None,
    broadcast: Any = None,
    **options: Any,
) -> Any:
    """Two frames joined on columns, on indexes, or on a column and an index.

    Indexes whose divisions are known are lined up; a small side goes whole to every partition of the other; otherwise
    rows of both sides go to partitions by a hash of their keys. The order of rows is pandas' within a partition only.

    Parameters
    ----------
    left, right : DataFrame, Series, or pandas' own
        The sides.
    how : {'inner', 'left', 'right', 'outer', 'leftsemi', 'leftanti', 'cross'}
        Which rows stay: those of both, one or any side, or those of the left one with or without a match.
    on, left_on, right_on : str, list of str, or Series
        The columns; those that both have by default, and the indexes where they share none.
    left_index, right_index : bool
        Join on the index of that side.
    suffixes : pair of str
        Put behind names that both sides have.
    indicator : bool or str
        Add a column that tells which side a row came from.
    shuffle_method : str, optional
        Accepted for likeness.
    npartitions : int, optional
        How many partitions rows are shuffled to.
    broadcast : bool or float, optional
        Whether to send the smaller side whole to every partition of the other. By default sizes tell: what the engine
        computes natively goes by estimates of what is read, and where filters, groups or other joins may leave less of a
        side, by what they left.

    Returns
    -------
    DataFrame

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> left = dd.from_pandas(pd.DataFrame({"k": [1, 2, 3], "a": [10, 20, 30]}), npartitions=2)
    >>> right = pd.DataFrame({"k": [1, 3], "b": ["x", "y"]})
    >>> dd.merge(left, right, on="k").b.compute().tolist()
    ['x', 'y']
    """
    check_method(shuffle_method)
    if how not in _KINDS:
        raise ValueError(f"how: expected one of {', '.join(_KINDS)}, got {how!r}")
    for word, value in options.items():
        if word not in ("copy", "sort", "validate") or value:
            raise TypeError(f"merge: {word}={value!r} is not supported")
    left, right = as_frame(left), as_frame(right)
    left, right, options = _keys_of(left, right, how, on, left_on, right_on, left_index, right_index)
    extra = options.pop("drop")
    options |= {"how": how, "suffixes": tuple(suffixes), "indicator": indicator}
    meta = merge_parts(left._meta, right._meta, options).iloc[:0]
    made = new_collection(_planned(left._expr, right._expr, options, meta, npartitions, broadcast))
    return made.drop(columns=[name for name in extra if name in meta.columns]) if extra else made


def as_frame(table: Any) -> Any:
    """A collection: pandas' own objects become one of one partition."""
    if isinstance(table, (pd.DataFrame, pd.Series)):
        from raskr.dataframe.sources import from_pandas

        return from_pandas(table, npartitions=1, sort=False)
    if not hasattr(table, "_expr") or not hasattr(table, "npartitions"):
        raise TypeError(f"expected a DataFrame or a Series, got {type(table).__name__}")
    return table


def _keys_of(
    left: Any, right: Any, how: str, on: Any, left_on: Any, right_on: Any, left_index: bool, right_index: bool
) -> tuple:
    """The sides with their keys as columns or indexes, and the options that say which."""
    if how == "cross":
        return left, right, {"left_on": None, "right_on": None, "left_index": False, "right_index": False, "drop": []}
    if on is not None and (left_on is not None or right_on is not None):
        raise pd.errors.MergeError(
            'Can only pass argument "on" OR "left_on" and "right_on", not a combination of both.'
        )
    if on is None and left_on is None and right_on is None and not left_index and not right_index:
        shared = [name for name in left._meta.columns if name in right._meta.columns]
        if shared:
            on = shared
        else:
            left_index = right_index = True
    if on is not None:
        left_on = right_on = on
    left, left_keys, made_left = _side(left, left_on, left_index, "_left_key")
    right, right_keys, made_right = _side(right, right_on, right_index, "_right_key")
    if left_keys is None and not left_index or right_keys is None and not right_index:
        raise pd.errors.MergeError('Must pass "left_on" or "left_index", and "right_on" or "right_index"')
    if left_keys is not None and right_keys is not None and len(left_keys) != len(right_keys):
        raise ValueError("len(right_on) must equal len(left_on)")
    options = {
        "left_on": left_keys,
        "right_on": right_keys,
        "left_index": bool(left_index),
        "right_index": bool(right_index),
        "drop": [*made_left, *made_right],
    }
    return left, right, options


def _side(table: Any, on: Any, index: bool, prefix: str) -> tuple:
    if table.ndim == 1:
        table = table.to_frame()
    if index:
        if on is not None:
            raise pd.errors.MergeError("expected a column or the index to join a side on, got both")
        return table, None, []
    if on is None:
        return table, None, []
    made, keys = [], []
    if isinstance(on, tuple) and on not in table._meta.columns:
        on = list(on)
    for number, key in enumerate(as_list(on) if not hasattr(on, "_expr") else [on]):
        if getattr(key, "ndim", 1) == 2:
            raise NotImplementedError("merge: a column or a series was expected as a key, got a frame")
        if hasattr(key, "_expr"):
            name = f"{prefix}_{number}"
            table = table.assign(**{name: key})
            made.append(name)
            keys.append(name)
            continue
        if key not in table._meta.columns and key not in table._meta.index.names:
            raise KeyError(key)
        keys.append(key)
    return table, keys, made


# --- how it is done ---------------------------------------------------------------------------------------------------
def _planned(
    left: Expression, right: Expression, options: dict, meta: Any, npartitions: int | None, broadcast: Any
) -> Expression:
    how = options["how"]
    if how == "cross":
        right = JoinedPartitions(right, [0, right.npartitions]) if right.npartitions > 1 else right
        return MergedPartitions(left, right, options, meta, (None,) * (left.npartitions + 1))
    on_indexes = all(_is_on_index(side, options, word) for side, word in ((left, "left"), (right, "right")))
    if on_indexes and left.divisions[0] is not None and right.divisions[0] is not None:
        return _side_by_side(left, right, options, meta)
    made = _arranged(left, right, options, meta, npartitions, broadcast)
    return made if npartitions is None else repartition_number(made, npartitions)


def _is_on_index(side: Expression, options: dict, word: str) -> bool:
    """Is a side joined on its index, whether it is called that or by its name?"""
    keys = options[f"{word}_on"]
    if options[f"{word}_index"]:
        return True
    return keys is not None and len(keys) == 1 and keys[0] == side.meta.index.name and keys[0] not in side.meta.columns


def _arranged(
    left: Expression, right: Expression, options: dict, meta: Any, npartitions: int | None, broadcast: Any
) -> Expression:
    """Rows of equal keys in partitions of the same number, by whatever moves the fewest."""
    how = options["how"]
    if left.npartitions == 1 or right.npartitions == 1:
        found = _with_single(left, right, options, meta)
        if found is not None:
            return found
    if options["left_index"] or options["right_index"]:
        lined = _lined_up(left, right, options, meta)
        if lined is not None:
            return lined
    small = None if npartitions and broadcast is None else _broadcast_side(left, right, how, broadcast)
    if isinstance(broadcast, bool):
        # What the engine does on its own account otherwise, as it knows more of sizes than the numbers of partitions.
        options = options | {"way": (small or "chosen") if broadcast else "exchange"}
    if small is not None:
        if small == "right":
            right = JoinedPartitions(right, [0, right.npartitions])
        else:
            left = JoinedPartitions(left, [0, left.npartitions])
        return _with_single(left, right, options, meta)  # type: ignore[return-value]
    count = npartitions or max(left.npartitions, right.npartitions)
    kinds = _common_kinds(left.meta, right.meta, options)
    sides = [
        Shuffle(side, ByHash(keys, count, kinds), count, keys=keys or [], label="merge-shuffle")
        for side, keys in ((left, options["left_on"]), (right, options["right_on"]))
    ]
    return MergedPartitions(*sides, options, meta, (None,) * (count + 1))


def _side_by_side(left: Expression, right: Expression, options: dict, meta: Any) -> Expression:
    """Two sorted indexes, cut at the same places."""
    if left.divisions == right.divisions:
        return MergedPartitions(left, right, options, meta, left.divisions)
    places = sorted({*left.divisions, *right.divisions})
    if len(places) == 1:
        places = places * 2
    sides = [side if side.divisions == tuple(places) else Divided(side, places) for side in (left, right)]
    return MergedPartitions(*sides, options, meta, places)


def _lined_up(left: Expression, right: Expression, options: dict, meta: Any) -> Expression | None:
    """One sorted index, and a column of the other side whose rows are sent to where they belong among its divisions."""
    from raskr.dataframe.sorting import ByRange

    how = options["how"]
    if how not in ("inner", "left", "right", "outer"):
        return None
    for base, other, keys, first in (
        (left, right, options["right_on"], True),
        (right, left, options["left_on"], False),
    ):
        on_index = options["left_index"] if first else options["right_index"]
        if not on_index or keys is None or len(keys) != 1 or base.divisions[0] is None or base.npartitions == 1:
            continue
        if keys[0] not in other.meta.columns or not _comparable(base.meta.index, other.meta[keys[0]]):
            continue
        moved = Shuffle(other, ByRange(keys[0], base.divisions), base.npartitions, keys=keys, label="merge-shuffle")
        sides = (base, moved) if first else (moved, base)
        return MergedPartitions(*sides, options, meta, (None,) * (base.npartitions + 1))
    return None


def _comparable(index: Any, column: Any) -> bool:
    numbers = pd.api.types.is_numeric_dtype
    return index.dtype == column.dtype or numbers(index.dtype) and numbers(column.dtype)


def _with_single(left: Expression, right: Expression, options: dict, meta: Any) -> Expression | None:
    """A side of one partition, joined to each partition of the other; None where rows would come more than once."""
    how = options["how"]
    if left.npartitions == 1 and right.npartitions == 1:
        kept = left.divisions if how in ("inner", "left") and options["right_index"] else (None, None)
        return MergedPartitions(left, right, options, meta, kept)
    if right.npartitions == 1 and how in ("inner", "left", "leftsemi", "leftanti"):
        divisions = (
            left.divisions
            if options["right_index"] or how in ("leftsemi", "leftanti")
            else (None,) * (left.npartitions + 1)
        )
        return MergedPartitions(left, right, options, meta, divisions)
    if left.npartitions == 1 and how in ("inner", "right"):
        on_indexes = _is_on_index(left, options, "left") and _is_on_index(right, options, "right")
        divisions = right.divisions if options["left_index"] or on_indexes else (None,) * (right.npartitions + 1)
        return MergedPartitions(left, right, options, meta, divisions)
    return None


def _broadcast_side(left: Expression, right: Expression, how: str, broadcast: Any) -> str | None:
    """The side that is worth being sent whole to all partitions of the other, if any."""
    if broadcast is False:
        return None
    bias = float(broadcast) if isinstance(broadcast, float) else _BROADCAST_FRACTION
    fits = []
    if how in ("inner", "left", "leftsemi", "leftanti"):
        fits.append((right.npartitions, left.npartitions, "right"))
    if how in ("inner", "right"):
        fits.append((left.npartitions, right.npartitions, "left"))
    for small, large, side in sorted(fits):
        if broadcast is True and small <= large or small < np.log2(max(large, 1)) * bias:
            return side
    return None


def _common_kinds(left: Any, right: Any, options: dict) -> list:
    """The types that keys are brought to before they are hashed; None where both sides have the same one."""

    def kinds(meta: Any, keys: Any) -> list:
        if keys is None:
            return [meta.index.get_level_values(level).dtype for level in range(meta.index.nlevels)]
        return [meta[key].dtype if key in meta.columns else meta.index.get_level_values(key).dtype for key in keys]

    found = []
    for own, other in zip(kinds(left, options["left_on"]), kinds(right, options["right_on"])):
        pair = [kind.categories.dtype if isinstance(kind, pd.CategoricalDtype) else kind for kind in (own, other)]
        if own == other and not isinstance(own, pd.CategoricalDtype):
            found.append(None)
        elif all(map(pd.api.types.is_numeric_dtype, pair)):
            # Equal numbers of all types are equal as floats of 64 bits; large integers may share a place in addition.
            both_whole = all(map(pd.api.types.is_integer_dtype, pair)) and all(isinstance(k, np.dtype) for k in pair)
            common = np.result_type(*pair) if both_whole else np.dtype(float)
            found.append(common)
        elif any(pd.api.types.is_string_dtype(kind) for kind in pair):
            found.append(np.dtype(object))
        else:
            found.append(None)
    return found


def join(
    left: Any,
    other: Any,
    on: Any = None,
    how: str = "left",
    lsuffix: str = "",
    rsuffix: str = "",
    shuffle_method: Any = None,
    npartitions: int | None = None,
) -> Any:
    """A frame joined to others on their indexes; see `Merging.join`."""
    if isinstance(other, list):
        if on is not None:
            raise ValueError("Joining multiple DataFrames only supported for joining on index")
        if how not in ("left", "outer", "inner"):
            raise ValueError("merge_multi only supports left or outer joins")
        for each in other:
            left = join(left, each, None, how, lsuffix, rsuffix, shuffle_method, npartitions)
        return left
    other = as_frame(other)
    if other.ndim == 1 and other.name is None:
        raise ValueError("Other Series must have a name")
    keys = {"left_index": True} if on is None else {"left_on": on}
    own, its = as_frame(left)._meta, other._meta
    shared = set(own.columns if own.ndim == 2 else [own.name]) & set(its.columns if its.ndim == 2 else [its.name])
    if shared and not lsuffix and not rsuffix:
        raise ValueError(f"columns overlap but no suffix specified: {pd.Index(sorted(shared, key=str))}")
    return merge(
        left,
        other,
        how=how,
        right_index=True,
        suffixes=(lsuffix, rsuffix),
        shuffle_method=shuffle_method,
        npartitions=npartitions,
        **keys,
    )


class Merging:
    """The methods `merge` and `join` of frames."""

    def merge(
        self,
        right: Any,
        how: str = "inner",
        on: Any = None,
        left_on: Any = None,
        right_on: Any = None,
        left_index: bool = False,
        right_index: bool = False,
        suffixes: Any = ("_x", "_y"),
        indicator: Any = False,
        shuffle_method: Any = None,
        npartitions: int | None = None,
        broadcast: Any = None,
    ) -> Any:
        """This frame joined to another one; see `raskr.dataframe.merge`.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> df = dd.from_pandas(pd.DataFrame({"k": [1, 2], "a": [10, 20]}), npartitions=2)
        >>> df.merge(df, on="k").columns.tolist()
        ['k', 'a_x', 'a_y']
        """
        return merge(
            self,
            right,
            how,
            on,
            left_on,
            right_on,
            left_index,
            right_index,
            suffixes,
            indicator,
            shuffle_method,
            npartitions,
            broadcast,
        )

    def join(
        self,
        other: Any,
        on: Any = None,
        how: str = "left",
        lsuffix: str = "",
        rsuffix: str = "",
        shuffle_method: Any = None,
        npartitions: int | None = None,
    ) -> Any:
        """This frame joined to another, or to several, on their indexes.

        Parameters
        ----------
        other : DataFrame, Series, or list of these
            What is joined.
        on : str or list of str, optional
            Columns of this frame in place of its index.
        how : {'left', 'right', 'outer', 'inner'}
            Which rows stay.
        lsuffix, rsuffix : str
            Put behind names that both have.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> df = dd.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=2)
        >>> df.join(df.a.rename("b").to_frame()).b.compute().tolist()
        [1, 2]
        """
        return join(self, other, on, how, lsuffix, rsuffix, shuffle_method, npartitions)
