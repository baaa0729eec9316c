"""What a client can do beside submitting tasks and gathering results."""

import contextlib
from typing import Any

from raskr.distributed._client_data import ClientData
from raskr.distributed._client_recreate import ClientRecreate
from raskr.distributed._client_reports import ClientReports
from raskr.distributed._client_workers import ClientWorkers
from raskr.distributed._conversation import Steps
from raskr.distributed.worker import print_here, warn_here

__all__ = ["ClientMore"]


class ClientMore(ClientData, ClientWorkers, ClientReports, ClientRecreate):
    """Data sets, metadata, events, plugins, files, logs, profiles, dumps, tasks run in the client."""

    def _first_questions(self) -> Steps:
        """What a client asks once it is connected: to be told what tasks print, and of what they warn."""
        for topic, handler in (("print", print_here), ("warn", warn_here)):
            if topic not in self._handlers():
                self._handlers()[topic] = handler
                yield from self._subscribe(topic)

    def _closed_more(self) -> None:
        """End what runs on threads of this client's own."""
        companion: Any = self.__dict__.pop("_companion", None)
        if companion is not None:
            with contextlib.suppress(RuntimeError):
                companion.close()
