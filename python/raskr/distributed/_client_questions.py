"""What a client asks the scheduler of tasks and workers."""

import time
from collections.abc import Callable, Collection, Generator, Iterable
from typing import Any

from raskr._bridge import core
from raskr.distributed._conversation import Question, converse, seconds
from raskr.distributed.futures_in import futures_of
from raskr.distributed.objects import HasWhat, SchedulerInfo, WhoHas

__all__ = ["ClientQuestions"]

#: Seconds that workers may take to begin anew, or copies to be made, where nobody says.
_TIME = 60.0


class ClientQuestions:
    """The part of a client that asks about tasks and workers."""

    asynchronous: bool
    status: str
    _ask: Callable[..., Any]
    _check: Callable[[], Any]
    _either: Callable[..., Any]
    _on_thread: Callable[..., Any]

    def _asked(self, operation: str, read: Callable[[Any], Any] | None = None, **fields: Any) -> Any:
        """Ask one question; `read` makes the result of its answer."""

        def steps() -> Generator:
            answer, _ = yield Question({"op": operation, **fields})
            return answer if read is None else read(answer)

        return converse(self, steps())

    # --- tasks --------------------------------------------------------------------------------------------------------
    def who_has(self, futures: Any = None, **kwargs: Any) -> Any:
        """Where values are: the addresses of the workers that have each.

        Parameters
        ----------
        futures : list of futures or keys, or collection, optional
            All values where nothing is said.

        Returns
        -------
        dict of str to tuple of str

        Examples
        --------
        >>> client.who_has(futures)  # doctest: +SKIP
        {'abs-1c0...': ('tcp://127.0.0.1:40211',)}
        """
        return self._asked("who_has", lambda answer: WhoHas(_tuples(answer)), keys=_keys(futures))

    def has_what(self, workers: Any = None, **kwargs: Any) -> Any:
        """Which values each worker has: their keys.

        Parameters
        ----------
        workers : list of str, optional
            Addresses or names; all workers where nothing is said.

        Returns
        -------
        dict of str to tuple of str
        """
        return self._asked("has_what", lambda answer: HasWhat(_tuples(answer)), workers=_names(workers))

    def processing(self, workers: Any = None) -> Any:
        """Which tasks each worker has been given: their keys.

        Parameters
        ----------
        workers : list of str, optional
            Addresses or names; all workers where nothing is said.

        Returns
        -------
        dict of str to tuple of str
        """
        return self._asked("processing", _tuples, workers=_names(workers))

    def nbytes(self, keys: Any = None, summary: bool = True, **kwargs: Any) -> Any:
        """How many bytes values take.

        Parameters
        ----------
        keys : list of futures or keys, optional
            All values where nothing is said.
        summary : bool, default True
            Whether to give sums by the names of functions, or a number for each key.

        Returns
        -------
        dict of str to int
        """
        return self._asked("nbytes", None, keys=_keys(keys), summary=summary)

    def why(self, future: Any) -> Any:
        """What a task waits for, in words.

        Parameters
        ----------
        future : Future or key
            The task.

        Examples
        --------
        >>> client.why(client.submit(abs, 1, resources={"GPU": 1}))  # doctest: +SKIP
        "'abs-5d...': it needs 1 of the resource 'GPU', and no worker that may run it has more than 0"
        """
        return self._asked("why", lambda answer: answer["text"], key=_key(future))

    # --- workers ------------------------------------------------------------------------------------------------------
    def ncores(self, workers: Any = None, **kwargs: Any) -> Any:
        """How many tasks each worker runs at a time.

        Parameters
        ----------
        workers : list of str, optional
            Addresses or names; all workers where nothing is said.

        Returns
        -------
        dict of str to int

        Examples
        --------
        >>> client.ncores()  # doctest: +SKIP
        {'tcp://127.0.0.1:40211': 2}
        """
        return self._asked("nthreads", None, workers=_names(workers))

    def nthreads(self, workers: Any = None, **kwargs: Any) -> Any:
        """How many tasks each worker runs at a time; see `ncores`."""
        return self.ncores(workers)

    def scheduler_info(self, n_workers: int = -1, **kwargs: Any) -> Any:
        """What the scheduler says of itself and of its workers.

        Parameters
        ----------
        n_workers : int, default -1
            Of how many workers at most; of all where it is negative.

        Returns
        -------
        SchedulerInfo
            A dict; at once where the client is asynchronous, too.
        """
        info, _ = self._ask({"op": "identity"})
        if n_workers >= 0:
            info["workers"] = dict(list(info["workers"].items())[:n_workers])
        return SchedulerInfo(info)

    def wait_for_workers(self, n_workers: int, timeout: Any = None) -> Any:
        """Wait until there are so many workers.

        Parameters
        ----------
        n_workers : int
            How many.
        timeout : number, str or timedelta, optional
            How long; `TimeoutError` is raised afterwards.
        """
        if not isinstance(n_workers, int) or n_workers < 1:
            raise ValueError(f"`n_workers` must be a positive integer. Instead got {n_workers}.")
        return self._either(self._wait_for_workers_now, n_workers, seconds(timeout))

    def _wait_for_workers_now(self, n_workers: int, timeout: float | None) -> None:
        native = self._check()
        if not native.wait_for_workers(n_workers, timeout):
            self._check()
            there = native.workers
            raise TimeoutError(f"Only {there}/{n_workers} workers arrived after {timeout:g} s")

    def retire_workers(self, workers: Any = None, close_workers: bool = True, **kwargs: Any) -> Any:
        """Have workers move what only they have to others, and end.

        Parameters
        ----------
        workers : list of str, optional
            Addresses or names.
        close_workers : bool, default True
            Workers that retire always end.
        names : list, optional
            Names of workers.
        n : int, optional
            How many, of the scheduler's choice.

        Returns
        -------
        dict of str to dict
            What was known of those that are gone, by their addresses.
        """
        known = self._ask({"op": "identity"})[0]["workers"]
        fields: dict[str, Any] = {}
        if workers is not None:
            fields["workers"] = _names(workers)
        if kwargs.get("names") is not None:
            fields["names"] = [str(name) for name in kwargs["names"]]
        if kwargs.get("n") is not None:
            fields["count"] = int(kwargs["n"])

        def told(gone: list) -> dict[str, dict]:
            return {address: known.get(address, {}) for address in gone}

        return self._asked("retire_workers", told, **fields)

    def restart(self, timeout: Any = None, wait_for_workers: bool = True) -> Any:
        """Give up all tasks, of all clients, and have the workers begin anew.

        Parameters
        ----------
        timeout : number, str or timedelta, optional
            How long the workers may take; a minute by default. `TimeoutError` is raised afterwards.
        wait_for_workers : bool, default True
            Whether to wait for as many workers as there were.

        Returns
        -------
        Client
            This client.
        """
        within = seconds(timeout) or _TIME
        return self._either(self._restart_now, "restart", None, within, wait_for_workers, True)

    def restart_workers(self, workers: Iterable[str], timeout: Any = None, raise_for_error: bool = True) -> Any:
        """Have some workers begin anew; what they had is computed again where it is needed.

        Parameters
        ----------
        workers : list of str
            Addresses or names.
        timeout : number, str or timedelta, optional
            How long they may take; a minute by default.
        raise_for_error : bool, default True
            Whether to raise where one did not.

        Returns
        -------
        dict of str to str
            ``"OK"`` or what went wrong, by address.
        """
        within = seconds(timeout) or _TIME
        return self._either(self._restart_now, "restart_workers", _names(workers), within, True, raise_for_error)

    def _restart_now(self, op: str, workers: list | None, within: float, waits: bool, raises: bool) -> Any:
        native = self._check()
        before = native.workers
        deadline = time.monotonic() + within
        fields = {} if workers is None else {"workers": workers}
        answer, _ = self._ask_of_workers({"op": op, "timeout": within, **fields}, timeout=within + 5)
        outcome = {}
        for reply in answer.get("replies", ()):
            error = reply.get("error")
            outcome[reply["worker"]] = "OK" if error is None else error["message"]
        wrong = {worker: text for worker, text in outcome.items() if text != "OK"}
        if wrong and raises:
            texts = "; ".join(f"{worker}: {text}" for worker, text in wrong.items())
            raise TimeoutError(f"{len(wrong)} workers did not begin anew: {texts}")
        if waits and not native.wait_for_workers(before, max(deadline - time.monotonic(), 0.0)):
            raise TimeoutError(
                f"Waited for {before} worker(s) to reconnect after restarting but after {within:g} s, "
                f"only {native.workers} have returned"
            )
        return self if op == "restart" else outcome

    def rebalance(self, futures: Any = None, workers: Any = None, **kwargs: Any) -> Any:
        """Even out how much the workers have, by moving values from full ones to others.

        Parameters
        ----------
        futures : list of futures or collection, optional
            Waited for, and moved; all values where nothing is said.
        workers : list of str, optional
            Addresses or names; among all workers where nothing is said.
        """
        found = None if futures is None else futures_of(futures)
        return self._either(self._rebalance_now, found, _names(workers))

    def _rebalance_now(self, futures: list | None, workers: list | None) -> None:
        if futures:
            self._check().wait(futures)
        keys = None if futures is None else _keys(futures)
        self._ask_of_workers({"op": "rebalance", "keys": keys, "workers": workers})

    def _ask_of_workers(self, question: dict, timeout: float | None = None) -> Any:
        """An answer about workers; a `KeyError` where one of them is not there."""
        try:
            return self._ask(question, timeout=timeout)
        except ValueError as error:
            raise KeyError(str(error)) from None

    def shutdown(self) -> Any:
        """End the cluster: its scheduler, its workers, and this client."""
        return self._shutdown_async() if self.asynchronous else self._shutdown_now()

    def _end_cluster(self) -> None:
        if self._native.ended is None:
            try:
                self._ask({"op": "shutdown"}, timeout=10)
            except (OSError, RuntimeError):
                # It was faster than its answer.
                pass

    def _shutdown_now(self) -> None:
        self._end_cluster()
        if self.cluster is not None:
            self.cluster.close()
        self._close_now()

    async def _shutdown_async(self) -> None:
        await self._on_thread(self._end_cluster)
        if self.cluster is not None:
            closing = self.cluster.close()
            if closing is not None:
                await closing
        await self._close_async(None)

    def _settled(self, futures: list, n: int | None) -> None:
        """Wait until values are on so many workers, or on as many as there are."""
        native = self._check()
        keys = [future._text for future in futures]
        deadline = time.monotonic() + _TIME
        while keys and time.monotonic() < deadline:
            wanted = native.workers if n is None else min(n, native.workers)
            holders, _ = self._ask({"op": "who_has", "keys": keys})
            keys = [key for key in keys if len(holders.get(key, ())) < wanted]
            if keys:
                time.sleep(0.01)


def _tuples(answer: dict[str, list]) -> dict[str, tuple]:
    return {key: tuple(items) for key, items in answer.items()}


def _key(future: Any) -> str:
    return future._text if isinstance(future, core.Future) else str(future)


def _keys(futures: Any) -> list[str] | None:
    """Keys of futures, or of what is a key itself; None for all."""
    if futures is None:
        return None
    if isinstance(futures, (core.Future, str)):
        return [_key(futures)]
    if isinstance(futures, Collection) and all(isinstance(each, (core.Future, str, tuple)) for each in futures):
        return [_key(each) for each in futures]
    return [future._text for future in futures_of(futures)]


def _names(workers: Any) -> list[str] | None:
    if workers is None:
        return None
    return [str(worker) for worker in ([workers] if isinstance(workers, (str, int)) else workers)]


class SchedulerPlace:
    """Where a scheduler is."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.addr = address

    def __repr__(self) -> str:
        return f"<scheduler at {self.address}>"
