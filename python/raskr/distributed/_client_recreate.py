"""Tasks of a cluster that a client runs once more in its own process, where a debugger can look at them."""

from collections.abc import Callable
from typing import Any

from raskr._bridge import core
from raskr.distributed.futures_in import futures_of

__all__ = ["ClientRecreate"]


class ClientRecreate:
    """The part of a client that runs tasks itself."""

    _ask: Callable[..., Any]
    _check: Callable[[], Any]
    _either: Callable[..., Any]

    def recreate_error_locally(self, future: Any) -> Any:
        """Run the task that a failure began with once more in this process, so that ``pdb`` works in it.

        The scheduler tells what the task does; the values of its inputs are fetched. Those that are gone are made again, but
        for data that clients sent and nobody holds any more.

        Parameters
        ----------
        future : Future, list of futures or collection
            What failed; of several the first that did. Where the task of another future failed, which this one stands on,
            it is that task that runs.

        Returns
        -------
        object
            What the task gives, if it does not fail here.

        Raises
        ------
        ValueError
            Where nothing failed.

        Examples
        --------
        >>> future = client.submit(lambda x: 1 / x, 0)  # doctest: +SKIP
        >>> client.recreate_error_locally(future)  # doctest: +SKIP
        Traceback (most recent call last):
            ...
        ZeroDivisionError: division by zero
        """
        return self._either(self._recreate_error_now, future)

    def _recreate_error_now(self, future: Any) -> Any:
        futures = futures_of(future, self)
        self._check().wait(futures)
        failed = next((one for one in futures if one.status == "error"), None)
        if failed is None:
            raise ValueError("No errored futures passed: nothing failed that could be run again")
        return self._run_here(failed._text, True)

    def recreate_task_locally(self, future: Any) -> Any:
        """Run a task once more in this process, so that ``pdb`` works in it, whether it failed or has a value.

        Parameters
        ----------
        future : Future or key
            The task. It is waited for, if it is given by a future.

        Returns
        -------
        object
            What the task gives here.

        Examples
        --------
        >>> future = client.submit(pow, 2, 10)  # doctest: +SKIP
        >>> client.recreate_task_locally(future)  # doctest: +SKIP
        1024
        """
        return self._either(self._recreate_task_now, future)

    def _recreate_task_now(self, future: Any) -> Any:
        if isinstance(future, (str, bytes, tuple, int, float)):
            return self._run_here(str(future), False)
        futures = futures_of(future, self)
        if len(futures) != 1:
            raise ValueError(f"expected the future of one task, got {len(futures)} in {future!r}")
        self._check().wait(futures)
        return self._run_here(futures[0]._text, False)

    def _run_here(self, key: str, blamed: bool) -> Any:
        recipe, (code, *arguments) = self._ask({"op": "recipe", "key": key, "blamed": blamed})
        inputs = self._check().want(recipe["inputs"])
        return core.run_here(code, recipe["index"], arguments[0] if arguments else None, inputs)
