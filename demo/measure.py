"""Time and peak memory of a piece of work, told in lines that can be compared."""

import os
import platform
import threading
import time


def _status(field):
    """A size of this process in bytes, as the system tells it."""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    raise KeyError(field)


class Peak:
    """The most memory that the process held while the block ran, in bytes, beyond none: the whole resident set.

    The kernel's own high-water mark is set back first. Where that is not allowed, a thread looks ten times a second.
    """

    def __enter__(self):
        self.bytes = 0
        self._stop = threading.Event()
        self._watcher = None
        self.before = _status("VmRSS")
        try:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")
        except OSError:
            self._watcher = threading.Thread(target=self._watch, daemon=True)
            self._watcher.start()
        return self

    def _watch(self):
        while not self._stop.wait(0.1):
            self.bytes = max(self.bytes, _status("VmRSS"))

    def __exit__(self, *error):
        if self._watcher is None:
            self.bytes = _status("VmHWM")
        else:
            self._stop.set()
            self._watcher.join()
            self.bytes = max(self.bytes, _status("VmRSS"))


def seconds(value):
    return f"{value:8.2f} s" if value < 100 else f"{value:8.0f} s"


def memory(value):
    return f"{value / 1e6:6.0f} MB" if value < 1e9 else f"{value / 1e9:6.2f} GB"


class Report:
    """Prints what was run, how long it took and how much memory it held; `wrong` counts wrong results."""

    def __init__(self, library, progress_bar):
        self.library = library
        self.progress_bar = progress_bar
        self.wrong = 0
        self._number = 0
        self._base = _status("VmRSS")
        self._took = 0.0

    def head(self):
        cores = len(os.sched_getaffinity(0))
        print(f"{self.library} on {platform.machine()}, {cores} cores, Python {platform.python_version()}.")
        print("Peak memory is that of the whole process; the interpreter and its libraries alone take", end=" ")
        print(f"{memory(self._base).strip()}.")

    def title(self, text):
        self._number += 1
        print(f"\n{self._number}. {text}", flush=True)

    def run(self, work):
        """Runs the work with a progress bar and prints its line."""
        with Peak() as peak:
            began = time.perf_counter()
            with self.progress_bar():
                found = work()
            self._took = time.perf_counter() - began
        print(f"   {self.library:<8}{seconds(self._took)}   peak {memory(peak.bytes)}", flush=True)
        return found

    def alone(self, name, work, part):
        """Runs a part of the same work without the library and prints what the whole would take."""
        with Peak() as peak:
            began = time.perf_counter()
            work()
            took = (time.perf_counter() - began) / part
        whole = self._base + max(0, peak.bytes - peak.before) / part
        scaled = "" if part == 1.0 else f"   scaled from {100 * part:g} %"
        if took >= self._took:
            ratio = f"{took / max(self._took, 1e-9):.1f} times {self.library}'s time"
        else:
            ratio = f"{self.library} takes {self._took / max(took, 1e-9):.1f} times as long"
        print(f"   {name:<8}{seconds(took)}   peak {memory(whole)}   {ratio}{scaled}", flush=True)

    def result(self, text, right, why=None):
        """Tells the result, and whether it is as it must be."""
        if not right:
            self.wrong += 1
        print(f"   {text}" if right else f"   WRONG: {text}" + (f": {why}" if why else ""), flush=True)
