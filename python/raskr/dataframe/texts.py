"""Columns of text as Arrow's strings, where the setting `dataframe.convert-string` asks for it."""

from typing import Any

import pandas as pd

from raskr import config
from raskr.dataframe.mapping import elementwise


def as_configured(collection: Any) -> Any:
    """What a source gives, with text as the setting wants it: as it is, or as `string[pyarrow]`."""
    if not config.get("dataframe.convert-string", None):
        return collection
    meta = collection._meta
    kinds = [meta.index.dtype, *(meta.dtypes if meta.ndim == 2 else [meta.dtype])]
    if meta.index.nlevels > 1 or not any(map(_is_other_text, kinds)):
        return collection
    return elementwise(as_arrow_text, [collection], columnwise=True, label="convert-string")


def _is_other_text(kind: Any) -> bool:
    return kind == "object" or isinstance(kind, pd.StringDtype) and kind != pd.StringDtype("pyarrow")


def as_arrow_text(part: Any) -> Any:
    """A partition whose columns and index of text are Arrow's strings."""
    text = pd.StringDtype("pyarrow")
    if part.ndim == 1:
        part = part.astype(text) if _is_other_text(part.dtype) else part
    else:
        part = part.astype({name: text for name, kind in part.dtypes.items() if _is_other_text(kind)})
    return part.set_axis(part.index.astype(text)) if _is_other_text(part.index.dtype) else part
