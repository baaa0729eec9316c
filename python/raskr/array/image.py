"""Stacks of image files as lazy arrays."""

from __future__ import annotations

import glob
from collections.abc import Callable
from typing import Any

import numpy as np

from raskr.array._apply import Expr, wrap
from raskr.array.collection import Array
from raskr.array.utils import is_native_dtype

__all__ = ["imread"]


class _ReadImages:
    """Reads the image of each block: one file a block along the first axis."""

    def __init__(self, files: list[str], read: Callable[..., Any], preprocess: Callable[..., Any] | None):
        self.files = files
        self.read = read
        self.preprocess = preprocess

    def which(self, block: tuple[int, ...]) -> dict[str, Any]:
        return {"number": block[0]}

    def image(self, number: int) -> Any:
        image = self.read(self.files[number])
        return image if self.preprocess is None else self.preprocess(image)

    def __call__(self, number: int) -> Any:
        return np.asarray(self.image(number))[None]


def imread(filename, imread=None, preprocess=None):
    """A stack of images, one block for each file.

    Parameters
    ----------
    filename : str
        A path, or a pattern such as ``"frames/*.png"``; files are taken in the order of their names.
    imread : callable, optional
        Reads one file; by default `skimage.io.imread`, which needs scikit-image.
    preprocess : callable, optional
        Applied to every image.

    Returns
    -------
    Array
        Of the shape of the first image, with an axis for the files in front. All images must be alike.

    Raises
    ------
    ImportError
        When no `imread` is given and scikit-image is not there.
    ValueError
        When no file has such a name.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import numpy as np
    >>> from raskr.array.image import imread
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for number in range(3):
    ...     np.save(folder / f"{number}.npy", np.full((2, 2), number))
    >>> imread(str(folder / "*.npy"), imread=np.load)[:, 0, 0].compute()
    array([0, 1, 2])
    """
    if imread is None:
        try:
            from skimage.io import imread
        except ImportError as error:
            raise ImportError("imread needs the package scikit-image, or a function that reads one file") from error
    files = sorted(glob.glob(filename))
    if not files:
        raise ValueError(f"No files found under name {filename}")
    reader = _ReadImages(files, imread, preprocess)
    sample = np.asarray(reader.image(0))
    chunks = ((1,) * len(files), *((n,) for n in sample.shape))
    inds = tuple(range(len(chunks)))
    native = is_native_dtype(sample.dtype)
    expr = Expr.blockwise(reader, inds, [], chunks, sample.dtype, native, per_block=reader.which, label="imread")
    result: Array = wrap(expr, np.empty((0,) * len(chunks), dtype=sample.dtype))
    return result
