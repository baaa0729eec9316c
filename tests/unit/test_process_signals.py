"""Signals reach whoever waits for them, whichever thread the system hands them to."""

import subprocess
import sys

PROGRAM = """
import queue, signal, threading
from raskr.distributed.deploy import _process_signals

heard = queue.SimpleQueue()
_process_signals.listen((signal.SIGTERM, signal.SIGINT), heard.put)
signal.signal(signal.SIGUSR1, lambda *_: None)

def hit():
    me = threading.get_ident()
    for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT):
        signal.pthread_kill(me, number)
    threading.Event().wait()

threading.Thread(target=hit, daemon=True).start()
print(heard.get() == signal.SIGTERM, heard.get() == signal.SIGINT, heard.empty())
"""


def test_a_signal_that_another_thread_gets_is_heard_while_the_main_thread_waits():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=50)
    assert (done.stdout, done.stderr) == ("True True True\n", "")
