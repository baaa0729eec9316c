"""What a client does with futures: fetching values, giving up, trying again."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from raskr._bridge import core
from raskr.distributed.future import bare, finished, finishes, reasons
from raskr.distributed.futures_in import found_in, futures_of

__all__ = ["ClientGather"]

_SKIPPED = object()


class ClientGather:
    """The part of a client that deals with futures."""

    asynchronous: bool
    _check: Callable[[], Any]
    _either: Callable[..., Any]
    _settled: Callable[[list, int | None], None]

    def gather(
        self, futures: Any, errors: str = "raise", direct: bool | None = None, asynchronous: bool | None = None
    ) -> Any:
        """Wait for futures, and fetch their values from all workers at once.

        Parameters
        ----------
        futures : Future, or lists, tuples, sets and dicts with futures inside
            Other objects inside stay as they are. Of an iterator an iterator of values comes.
        errors : {'raise', 'skip'}
            Whether to raise what a task raised, or to leave its future out of its container; in a dict it is None then.
        direct : bool, optional
            Of no effect: values always come from workers directly.
        asynchronous : bool, optional
            Of no effect.

        Returns
        -------
        object
            The same with values in place of futures.

        Examples
        --------
        >>> client.gather({"a": client.submit(abs, -1), "b": [client.submit(abs, -2)]})  # doctest: +SKIP
        {'a': 1, 'b': [2]}
        """
        if isinstance(futures, Iterator):
            return (self.gather(future, errors=errors) for future in futures)
        return self._either(self._gather_now, futures, errors)

    def _gather_now(self, futures: Any, errors: str = "raise", timeout: float | None = None) -> Any:
        if type(futures) is list and all(type(future) is core.Future for future in futures):
            found = futures
            rebuild = None
        else:
            found = []
            rebuild = _plan(futures, found)
        if not found:
            return futures if rebuild is None else rebuild([])
        native = found[0]._native
        others = [future for future in found if future._native is not native]
        if others:
            raise ValueError(
                f"Futures created by another client: {len(others)} of {len(found)} belong to another than the first, "
                f"such as {others[0].key}; each client gathers its own"
            )
        try:
            values, missing = native.gather(found, errors, timeout)
        except Exception as error:
            failure = error
        else:
            if finishes:
                values = [finished(future, value) for future, value in zip(found, values)]
            if missing:
                for place in missing:
                    values[place] = _SKIPPED
                if rebuild is None:
                    return [value for value in values if value is not _SKIPPED]
            return values if rebuild is None else rebuild(values)
        # With the frames of the task in place of the client's, which say nothing of it.
        raise bare(failure, next((future for future in found if future._failed()), None))

    def cancel(
        self,
        futures: Any,
        asynchronous: bool | None = None,
        force: bool = False,
        reason: str | None = None,
        msg: str | None = None,
    ) -> Any:
        """Give up futures, and what was to be made of them.

        Tasks that run are left to run; nobody gets what they give.

        Parameters
        ----------
        futures : Future or list of futures
            What to give up.
        asynchronous : bool, optional
            Of no effect.
        force : bool, default False
            Whether to give them up for other clients too.
        reason, msg : str, optional
            Why, and what there is to say of it: part of the error that asking for the values raises here.
        """
        return self._either(self._cancel_now, found_in(futures), force, reason, msg)

    def _cancel_now(self, futures: list, force: bool, reason: str | None, msg: str | None) -> None:
        if reason is not None or msg is not None:
            reasons.update(dict.fromkeys(futures, (reason, msg)))
        self._check().cancel(futures, force)

    def retry(self, futures: Any, asynchronous: bool | None = None) -> Any:
        """Try tasks again that failed.

        Parameters
        ----------
        futures : Future or list of futures
            Those that did not fail stay as they are.
        asynchronous : bool, optional
            Of no effect.
        """
        return self._either(self._retry_now, futures_of(futures, self))

    def _retry_now(self, futures: list) -> None:
        self._check().retry(futures)

    def replicate(
        self, futures: Any, n: int | None = None, workers: Any = None, branching_factor: int = 2, **kwargs: Any
    ) -> Any:
        """Keep values on several workers, and copy them again when workers are lost.

        Parameters
        ----------
        futures : Future, list of futures or collection
            The values.
        n : int, optional
            On how many workers; on all by default.
        workers : optional
            Of no effect: the scheduler chooses.
        branching_factor : int
            Of no effect.
        """
        return self._either(self._replicate_now, futures_of(futures, self), n)

    def _replicate_now(self, futures: list, n: int | None) -> None:
        if n is not None and n < 1:
            raise ValueError(f"n={n}: Can not use replicate to delete data")
        native = self._check()
        native.wait(futures)
        native.replicate(futures, n)
        self._settled(futures, n)

    @staticmethod
    def futures_of(futures: Any) -> list:
        """The futures within objects and collections; see `raskr.distributed.futures_of`."""
        return futures_of(futures)


def _plan(item: Any, found: list) -> Callable[[list], Any]:
    """Collect the futures of nested containers; gives what puts values in their places."""
    if isinstance(item, core.Future):
        place = len(found)
        found.append(item)
        return lambda values: values[place]
    kind = type(item)
    if kind in (list, tuple, set, frozenset):
        parts = [_plan(each, found) for each in item]
        return lambda values: kind(value for value in (part(values) for part in parts) if value is not _SKIPPED)
    if isinstance(item, Mapping) and kind is dict:
        named = {key: _plan(each, found) for key, each in item.items()}

        def rebuilt(values: list) -> dict:
            pairs = ((key, part(values)) for key, part in named.items())
            return {key: None if value is _SKIPPED else value for key, value in pairs}

        return rebuilt
    return lambda values: item
