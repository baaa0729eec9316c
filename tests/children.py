"""What tests of child processes share: who is alive, and what of the pool is left."""

import os
import threading
import time


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(done, what):
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline, what
        threading.Event().wait(0.02)


def wait_until_gone(pids):
    wait_until(lambda: not any(map(alive, pids)), "processes remain")


def children():
    """Process ids of this process' children."""
    found = []
    for thread in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{thread}/children") as file:
                found.extend(int(pid) for pid in file.read().split())
        except FileNotFoundError:
            continue
    return found


def threads():
    """The system's numbers of the engine's threads."""
    found = []
    for thread in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{thread}/comm") as file:
                if file.read().startswith("raskr-"):
                    found.append(int(thread))
        except FileNotFoundError:
            continue
    return found


def memory_files():
    """How many memory files of the pool are open or mapped."""
    with open("/proc/self/maps") as file:
        count = sum("memfd:raskr" in line for line in file)
    for number in os.listdir("/proc/self/fd"):
        try:
            count += "memfd:raskr" in os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            continue
    return count
