"""Signals of a process whose main thread waits in a queue.

The system may hand a signal to any thread. Python's own handlers run on the main thread, which is woken only where the
signal was handed to it: one that waits for a lock or a queue may hear of it much later, or never. The number of each
signal is written to a socket whichever thread got it, and a thread reads these.
"""

import signal
import socket
import threading
from collections.abc import Callable, Collection

__all__ = ["listen"]


def listen(numbers: Collection[signal.Signals], told: Callable[[signal.Signals], object]) -> None:
    """Have `told` called with each of these signals that comes, on a thread of its own, from now on.

    To be called on the main thread, once in a process.
    """
    here, there = socket.socketpair()
    there.setblocking(False)
    signal.set_wakeup_fd(there.detach(), warn_on_full_buffer=False)
    for number in numbers:
        # Without a handler of Python's nothing is written.
        signal.signal(number, lambda *_: None)

    def read() -> None:
        while words := here.recv(64):
            for number in words:
                if number in numbers:
                    told(signal.Signals(number))

    threading.Thread(target=read, name="raskr-signals", daemon=True).start()
