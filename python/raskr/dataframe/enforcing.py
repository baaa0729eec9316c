"""Results of users' functions, made to fit the `meta` that was declared for them."""

from typing import Any

import pandas as pd

__all__ = ["Enforced", "enforced"]


class Enforced:
    """A function whose results get the name that was declared, and must have the columns that were.

    Results that are no pandas objects, such as numbers, become series of one element.

    Parameters
    ----------
    function : callable
        Gives a pandas object or anything else.
    meta : DataFrame, Series or Index
        An empty example of its results.
    looks : bool
        Whether columns and names are looked at.
    """

    def __init__(self, function: Any, meta: Any, looks: bool = True) -> None:
        self.function, self.meta, self.looks = function, meta, looks

    def __dask_tokenize__(self) -> Any:
        from raskr.tokenize import normalize_token

        return type(self).__name__, normalize_token(self.function), self.meta, self.looks

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return enforced(self.function(*args, **kwargs), self.meta, self.looks)


def enforced(part: Any, meta: Any, looks: bool = True) -> Any:
    """A partition as `meta` declares it; element types are left as they are.

    Raises
    ------
    ValueError
        Where it has other columns, or is a pandas object of another kind.

    Examples
    --------
    >>> import pandas as pd
    >>> from raskr.dataframe.enforcing import enforced
    >>> enforced(pd.Series([1], name="a"), pd.Series([], name="b", dtype="i8")).name
    'b'
    """
    if not isinstance(part, (pd.DataFrame, pd.Series, pd.Index)):
        # Arrays in place of frames are the caller's own concern.
        ndim = 0 if isinstance(part, type) else getattr(part, "ndim", 0)
        boxed = isinstance(meta, pd.Series) and ndim == 0
        return pd.Series([part], name=meta.name if looks else None) if boxed else part
    if not looks:
        return part
    if not any(isinstance(part, kind) and isinstance(meta, kind) for kind in (pd.DataFrame, pd.Series, pd.Index)):
        # Of no rows pandas gives objects of another kind at times.
        if not len(part):
            return meta
        raise ValueError(
            f"Metadata mismatch found: meta declares a {type(meta).__name__}, and a partition is a {type(part).__name__}"
        )
    if isinstance(part, pd.DataFrame):
        if not part.columns.equals(meta.columns):
            if not len(part):
                return meta
            _complain(part.columns, meta.columns)
        return part
    return part if part.name is meta.name or part.name == meta.name else part.rename(meta.name)


def _complain(found: pd.Index, declared: pd.Index) -> None:
    extra = [name for name in found if name not in declared]
    missing = [name for name in declared if name not in found]
    text = "The columns in the computed data do not match the columns in the provided metadata."
    if extra or missing:
        raise ValueError(f"{text}\n  Extra:   {extra}\n  Missing: {missing}")
    if len(found) == len(declared) and list(found) == list(declared):
        return
    raise ValueError(f"{text}\nOrder of columns does not match.\nActual:   {list(found)}\nExpected: {list(declared)}")
