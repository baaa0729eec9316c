"""What a process of the cluster logged of late."""

import logging
import sys
from collections import deque

from raskr import config

__all__ = ["LOGS", "RecentLogs"]

_LENGTH = 10_000


class RecentLogs(logging.Handler):
    """Keeps the last records that were logged, as text.

    Examples
    --------
    >>> import logging
    >>> from raskr.distributed._worker_logs import RecentLogs
    >>> logs = RecentLogs()
    >>> logs.handle(logging.makeLogRecord({"name": "disk", "levelname": "INFO", "msg": "nearly full"})) and None
    >>> [(level, text.partition(" - ")[2]) for level, text in logs.newest(1)]
    [('INFO', 'disk - INFO - nearly full')]
    """

    def __init__(self) -> None:
        super().__init__()
        self._entries: deque = deque(maxlen=config.get("distributed.admin.log-length", _LENGTH))
        self.setFormatter(logging.Formatter("%(asctime)s - %(name)s - %(levelname)s - %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._entries.append((record.levelname, self.format(record)))

    def newest(self, count: int | None) -> list[tuple[str, str]]:
        """Level and text of what was logged, the newest first."""
        entries = list(self._entries)[::-1]
        return entries if count is None else entries[:count]


class Terminal(logging.Handler):
    """Shows warnings where a program has not set up logging itself: Python's own way ends where there is any handler."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        if not logging.getLogger().handlers and sys.stderr is not None:
            print(f"raskr: {self.format(record)}", file=sys.stderr, flush=True)


LOGS = RecentLogs()
_TERMINAL = Terminal()


def keep() -> None:
    """Keep what raskr's loggers log in this process."""
    logging.getLogger("raskr").addHandler(_TERMINAL)
    for name in ("raskr", "distributed"):
        logger = logging.getLogger(name)
        if LOGS not in logger.handlers:
            logger.addHandler(LOGS)
