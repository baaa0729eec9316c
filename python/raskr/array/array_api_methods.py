"""What the array API standard asks of array objects, beside what NumPy's arrays have had anyway."""

import numpy as np

_VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")


class ArrayStandard:
    """The namespace of an array, its device, and handing it over by DLPack."""

    __slots__ = ()

    def __array_namespace__(self, *, api_version=None):
        """The module of the standard's functions.

        Parameters
        ----------
        api_version : str, optional
            The version of the standard, such as '2024.12'.

        Raises
        ------
        ValueError
            When that version is not known.

        Examples
        --------
        >>> import raskr.array as da
        >>> xp = da.ones(3, chunks=3).__array_namespace__()
        >>> xp.__array_api_version__
        '2024.12'
        """
        if api_version is not None and api_version not in _VERSIONS:
            raise ValueError(
                f"unrecognized version of the array API standard {api_version!r}: expected one of {', '.join(_VERSIONS)}"
            )
        from raskr.array import array_api

        return array_api

    @property
    def device(self):
        """Where the blocks are: always 'cpu'."""
        return "cpu"

    def to_device(self, device, /, *, stream=None):
        """The array itself, which is on the only device that there is.

        Raises
        ------
        ValueError
            When the device is not 'cpu', or a stream is given.

        Examples
        --------
        >>> import raskr.array as da
        >>> da.ones(3, chunks=3).to_device("cpu").shape
        (3,)
        """
        from raskr.array.array_api._creation import check_device

        check_device(device)
        if stream is not None:
            raise ValueError(f"stream must be None for device 'cpu', got {stream!r}")
        return self

    @property
    def mT(self):
        """The matrices in the last two axes, transposed.

        Raises
        ------
        ValueError
            When the array has fewer than two axes.
        """
        if self.ndim < 2:
            raise ValueError(f"matrix transpose with ndim < 2 is undefined: the array has {self.ndim}")
        return self.swapaxes(-1, -2)

    def __dlpack__(self, **kwargs):
        """The computed array as a DLPack capsule; arguments are those of NumPy's arrays."""
        return np.asarray(self.compute()).__dlpack__(**kwargs)

    def __dlpack_device__(self):
        """The kind and number of the device in DLPack's numbering: main memory."""
        return (1, 0)

    def item(self, *args):
        """An element, computed, as a number of Python's.

        Parameters
        ----------
        *args : int
            Its place; may be left out where there is one element only.

        Examples
        --------
        >>> import raskr.array as da
        >>> da.arange(3, chunks=2).sum().item()
        3
        """
        if not args:
            if self.size != 1:
                raise ValueError(f"can only convert an array of size 1 to a Python scalar, this one has {self.size}")
            return np.asarray(self.compute()).item()
        if len(args) == 1 and isinstance(args[0], tuple):
            args = args[0]
        if len(args) == 1 and self.ndim != 1:
            args = np.unravel_index(args[0], self.shape)
        if len(args) != self.ndim:
            raise ValueError(
                f"incorrect number of indices for array: {len(args)} given, the array has {self.ndim} axes"
            )
        return np.asarray(self[tuple(args)].compute()).item()
