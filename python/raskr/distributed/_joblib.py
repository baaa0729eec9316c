"""The backend of joblib whose calls are tasks of a cluster: `joblib.parallel_config(backend="raskr")`."""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from types import ModuleType
from typing import Any

__all__ = ["watch"]

_PARALLEL = "joblib.parallel"
# Arguments from this size on are sent once, not with every call.
_SCATTERED_BYTES = 1 << 20


def _run_calls(calls: list, level: int) -> list:
    """The task: calls of a batch, one after the other.

    What they give to joblib themselves is run by threads: its processes would outnumber the cluster's, and outlive them.
    """
    import joblib

    with joblib.parallel_config(backend=_rebuilt(level), n_jobs=None):
        return [function(*args, **kwargs) for function, args, kwargs in calls]


def _backend() -> type:
    """The backend's class, which needs joblib."""
    from joblib._parallel_backends import AutoBatchingMixin, ParallelBackendBase

    class RaskrBackend(AutoBatchingMixin, ParallelBackendBase):
        """Runs joblib's calls as tasks of the current client's cluster.

        Parameters
        ----------
        scheduler_host : str or Client, optional
            The scheduler's address, or a client; the current client by default.
        scatter : list, optional
            Objects that are sent to workers once, beside those that are large.
        wait_for_workers_timeout : float
            Seconds to wait for a first worker.
        **submit_kwargs : object
            What `Client.submit` takes besides.
        """

        MIN_IDEAL_BATCH_DURATION = 0.2
        MAX_IDEAL_BATCH_DURATION = 1.0
        default_n_jobs = -1
        supports_retrieve_callback = True
        supports_sharedmem = False
        uses_threads = False

        def __init__(
            self,
            scheduler_host: Any = None,
            scatter: Any = None,
            client: Any = None,
            loop: Any = None,
            wait_for_workers_timeout: float = 10,
            nesting_level: int | None = None,
            **submit_kwargs: Any,
        ) -> None:
            super().__init__(nesting_level=nesting_level)
            from raskr.distributed import Client, get_client

            if client is None:
                client = scheduler_host
            if isinstance(client, str):
                client = Client(client, set_as_default=False)
            self.client = get_client() if client is None else client
            if scatter is not None and not isinstance(scatter, (list, tuple)):
                raise TypeError(f"scatter must be a list/tuple, got `{type(scatter).__name__}`")
            self._wanted = list(scatter or ())
            self._limit = wait_for_workers_timeout
            self._options = submit_kwargs
            self._sent: dict[int, tuple[Any, Any]] = {}
            self._running: set = set()

        def __reduce__(self) -> tuple:
            return _rebuilt, (self.nesting_level,)

        def effective_n_jobs(self, n_jobs: int) -> int:
            threads = sum(self.client.nthreads().values())
            if not threads:
                self.client.wait_for_workers(1, timeout=self._limit)
                threads = sum(self.client.nthreads().values())
            return threads if n_jobs is None or n_jobs < 0 else n_jobs

        def start_call(self) -> None:
            for value in self._wanted:
                self._sent[id(value)] = (value, self.client.scatter(value, broadcast=True))

        def stop_call(self) -> None:
            self._sent.clear()

        def terminate(self) -> None:
            self._sent.clear()
            self._running.clear()

        def submit(self, func: Any, callback: Any = None) -> Any:
            calls = [
                (
                    function,
                    [self._placed(arg) for arg in args],
                    {name: self._placed(arg) for name, arg in kwargs.items()},
                )
                for function, args, kwargs in func.items
            ]
            level = (self.nesting_level or 0) + 1
            future = self.client.submit(_run_calls, calls, level, pure=False, **self._options)
            self._running.add(future)

            def ended(future: Any) -> None:
                self._running.discard(future)
                if callback is not None:
                    callback(future)

            future.add_done_callback(ended)
            return future

        def _placed(self, value: Any) -> Any:
            """The future of an argument that was sent; or the argument."""
            sent = self._sent.get(id(value))
            if sent is not None:
                return sent[1]
            if getattr(value, "nbytes", 0) < _SCATTERED_BYTES:
                return value
            # The value is kept beside its future, so that no other one gets its number.
            self._sent[id(value)] = (value, self.client.scatter(value))
            return self._sent[id(value)][1]

        def retrieve_result_callback(self, out: Any) -> Any:
            return out.result()

        def abort_everything(self, ensure_ready: bool = True) -> None:
            running = list(self._running)
            self._running.clear()
            self.client.cancel(running)

    return RaskrBackend


def _rebuilt(nesting_level: int | None) -> Any:
    """Within tasks, joblib's calls are run by threads, and those within these one after the other."""
    from joblib._parallel_backends import SequentialBackend, ThreadingBackend

    backend = ThreadingBackend if (nesting_level or 0) < 2 else SequentialBackend
    return backend(nesting_level=nesting_level)


def _register(parallel: ModuleType) -> None:
    parallel.register_parallel_backend("raskr", _made)
    from raskr.compat import imports

    if imports.installed():
        parallel.register_parallel_backend("dask", _made)


def _made(**kwargs: Any) -> Any:
    return _backend()(**kwargs)


class _AfterLoading(importlib.abc.Loader):
    """Loads a module as its own loader does, and then registers the backend with it."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        _register(module)


class _Watch(importlib.abc.MetaPathFinder):
    """Waits for joblib to be imported, which takes too long to do it in vain."""

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != _PARALLEL:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _AfterLoading(spec.loader)
        return spec


def watch() -> None:
    """Register the backend with joblib, as soon as that is imported."""
    loaded = sys.modules.get(_PARALLEL)
    if loaded is not None:
        _register(loaded)
    elif not any(isinstance(finder, _Watch) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watch())
