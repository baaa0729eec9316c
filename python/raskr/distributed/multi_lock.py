"""`MultiLock`: several locks that are taken at once."""

import uuid
from collections.abc import Sequence
from typing import Any

from raskr.distributed._conversation import Question, Steps, text_of
from raskr.distributed.lock import Held, limit_of

__all__ = ["MultiLock"]


class MultiLock(Held):
    """Several locks that are taken together or not at all, so that two who want the same ones don't wait for each other.

    Parameters
    ----------
    names : list, optional
        The locks' names; `Lock` knows them by these names too. One of its own by default.
    client : Client, optional
        The current client by default.

    Examples
    --------
    >>> from raskr.distributed import Client, MultiLock  # doctest: +SKIP
    >>> client = Client()  # doctest: +SKIP
    >>> with MultiLock(["left", "right"]):  # doctest: +SKIP
    ...     print("both")
    both
    """

    def __init__(self, names: Sequence[Any] | None = None, client: Any = None) -> None:
        super().__init__(None, client)
        self.names = [self.name] if names is None else list(names)
        self._texts = [text_of(name) for name in self.names]
        self._held = False
        self._id = uuid.uuid4().hex

    def acquire(self, blocking: bool = True, timeout: Any = None, num_locks: int | None = None) -> Any:
        """Take the locks, when nobody has them any more.

        Parameters
        ----------
        blocking : bool
            Whether to wait for them at all.
        timeout : number, str or timedelta, optional
            How long to wait; without end by default.
        num_locks : int, optional
            How many of them will do; all by default.

        Returns
        -------
        bool
            Whether they are held now.
        """
        if num_locks is not None and not 1 <= num_locks <= len(self.names):
            raise ValueError(f"num_locks must be from 1 to {len(self.names)}, the number of locks, got {num_locks}")
        count = len(self.names) if num_locks is None else num_locks
        return self._converse(self._acquire(limit_of(blocking, timeout), count))

    def _acquire(self, timeout: float | None, count: int) -> Steps:
        if self._held:
            raise RuntimeError(f"the locks {self.names} are held here already")
        acquire = {"op": "lock_acquire", "names": self._texts, "count": count, "id": self._id, "timeout": timeout}
        taken, _ = yield Question(acquire)
        self._held = bool(taken)
        return self._held

    def release(self) -> Any:
        """Give the locks back."""
        return self._converse(self._release())

    def _release(self) -> Steps:
        if not self._held:
            raise ValueError(f"the locks {self.names} are released, but not held here")
        yield Question({"op": "lock_release", "names": self._texts, "id": self._id})
        self._held = False

    def locked(self) -> bool:
        """Whether they are held here."""
        return self._held

    def __repr__(self) -> str:
        return f"<MultiLock: {', '.join(map(str, self.names))}>"

    def __reduce__(self) -> tuple:
        return MultiLock, (self.names,)
