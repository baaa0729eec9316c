"""Methods of bags that write files, or give other collections."""

import codecs
import importlib
from collections.abc import Callable, Iterable
from typing import Any

from raskr._bridge import core
from raskr.bag import avro
from raskr.bag.layers import Blocks
from raskr.bag.steps import Step
from raskr.bytes.core import infer_compression, is_remote, output_paths, write_whole
from raskr.tokenize import tokenize

__all__ = ["Output", "to_textfiles"]


class WriteText(Step):
    """Writes a partition's elements as the lines of a file; gives the path."""

    __slots__ = ("compression", "encoding", "last_endline", "storage_options")
    partition = False

    def __init__(self, compression: str | None, encoding: str, last_endline: bool, storage_options: Any) -> None:
        self.compression = compression
        self.encoding = encoding
        self.last_endline = last_endline
        self.storage_options = storage_options

    def apply(self, part: Iterable, path: str) -> str:
        compression = infer_compression(path, self.compression)
        if codecs.lookup(self.encoding).name == "utf-8" and not is_remote(path) and compression != "zip":
            core.text_write(path, part, compression=compression, last_newline=self.last_endline)
            return path
        end = "\n".encode(self.encoding)
        with write_whole(path, compression, self.storage_options) as file:
            first = True
            for element in part:
                file.write(_encoded(element, self.encoding) if first else end + _encoded(element, self.encoding))
                first = False
            if self.last_endline and not first:
                file.write(end)
        return path


def _encoded(element: Any, encoding: str) -> bytes:
    if isinstance(element, str):
        return element.encode(encoding)
    if isinstance(element, bytes):
        return element
    raise TypeError(f"only str and bytes can be written as lines, got {type(element).__name__}: {element!r:.80}")


def written(bag: Any, step: Step, label: str, paths: list, compute: bool, kwargs: dict) -> list:
    """The paths of files that one step a partition writes, or `Delayed` values that write them."""
    name = f"{label}-{tokenize(bag, label, step.__reduce_ex__(4), paths)}"
    layer = Blocks(name, bag.npartitions, step, [bag.name, paths], [bag._layer])
    from raskr.bag.core import Bag

    files = Bag(layer, name, bag.npartitions)
    if not compute:
        return files.to_delayed()
    files.compute(**kwargs)
    return paths


def to_textfiles(
    b: Any,
    path: Any,
    name_function: Callable | None = None,
    compression: str | None = "infer",
    encoding: str = "utf-8",
    compute: bool = True,
    storage_options: dict | None = None,
    last_endline: bool = False,
    **kwargs: Any,
) -> list:
    """Write a bag of text to files, one a partition and one line an element.

    A file is there under its name only when it is whole.

    Parameters
    ----------
    b : Bag
        Of str, or of bytes.
    path : str or list of str
        A folder; a path with one ``*``, which the number of the partition replaces; or a path for each partition.
    name_function : callable, optional
        Gives what stands in the names for a partition's number.
    compression : str, optional
        'gzip', 'bz2', 'xz' and so on, None, or 'infer' by the ending of the names.
    encoding : str
        As in `open`.
    compute : bool
        Write now, rather than give `Delayed` values that do.
    storage_options : dict, optional
        How object stores are reached, as fsspec's packages name it.
    last_endline : bool
        End the last line of each file too.
    **kwargs
        For `compute`.

    Returns
    -------
    list
        The paths, or `Delayed` values.

    Examples
    --------
    >>> import os, tempfile
    >>> import raskr.bag as db
    >>> folder = tempfile.mkdtemp()
    >>> paths = db.from_sequence("abc", npartitions=3).to_textfiles(f"{folder}/*.txt.gz", scheduler="sync")
    >>> list(map(os.path.basename, paths))
    ['0.txt.gz', '1.txt.gz', '2.txt.gz']
    >>> db.read_text(f"{folder}/*.gz").compute(scheduler="sync")
    ['a', 'b', 'c']
    """
    paths = output_paths(path, b.npartitions, name_function)
    for each in paths:
        infer_compression(each, compression)
    step = WriteText(compression, encoding, last_endline, storage_options)
    return written(b, step, "to-textfiles", paths, compute, kwargs)


class Output:
    """What writes files, or gives other collections."""

    __slots__ = ()

    to_textfiles = to_textfiles
    to_avro = avro.to_avro

    def to_dataframe(self, meta: Any = None, columns: Any = None, optimize_graph: bool = True) -> Any:
        """A dataframe with one row an element.

        Parameters
        ----------
        meta : DataFrame, dict or list of pairs, optional
            Names and types of the columns. Without it the first partition is looked at.
        columns : sequence, optional
            Names of the columns, where elements are tuples.
        optimize_graph : bool
            Put steps into one task now.

        Returns
        -------
        raskr.dataframe.DataFrame
            ImportError where raskr has no dataframes.
        """
        try:
            dataframes = importlib.import_module("raskr.dataframe")
            from_delayed = dataframes.from_delayed
        except (ImportError, AttributeError) as error:
            raise ImportError(
                "to_dataframe needs raskr.dataframe, which this version of raskr does not have; "
                "pandas.DataFrame(bag.compute()) gives one frame in memory"
            ) from error
        import pandas as pd

        if meta is None:
            head = self.take(1, warn=False)
            if not head:
                raise ValueError("`to_dataframe` failed to look at the first partition, which is empty; give `meta`")
            meta = pd.DataFrame(list(head), columns=None if columns is None else list(columns))
        elif columns is not None:
            raise ValueError("Can't specify both `meta` and `columns`")
        elif not isinstance(meta, pd.DataFrame):
            pairs = meta.items() if isinstance(meta, dict) else meta
            meta = pd.DataFrame({name: pd.Series([], dtype=dtype) for name, dtype in pairs})
        meta = meta.iloc[:0]
        frames = self._blocks("to_dataframe", ToFrame(list(meta.columns), dict(meta.dtypes)), meta)
        return from_delayed(frames.to_delayed(optimize_graph=optimize_graph), meta=meta)


class ToFrame(Step):
    """The elements of a partition as the rows of a frame."""

    __slots__ = ("columns", "dtypes")
    partition = False

    def __init__(self, columns: list, dtypes: dict) -> None:
        self.columns = columns
        self.dtypes = dtypes

    def apply(self, part: Iterable) -> Any:
        import pandas as pd

        return pd.DataFrame(list(part), columns=self.columns).astype(self.dtypes)
