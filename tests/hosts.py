"""Hosts on a network of their own, on one machine: namespaces of network, processes and mounts, joined by a bridge.

All of it goes with the processes that hold the namespaces, which end when this one does: the machine's own network is not
touched, and nothing can be left over.
"""

import contextlib
import os
import subprocess
import sys

import pytest
from clusters import descendants, end

# Hardware that nobody has.
NOBODY = "02:00:00:00:00:fe"


def _run(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{' '.join(words)}: {done.stderr.strip() or f'exit code {done.returncode}'}")


def _hold(*words):
    """Starts a process that holds new namespaces as long as this process lives; and the number of the one inside."""
    pipe = subprocess.PIPE
    held = ("sh", "-c", "echo ready && exec cat")
    holder = subprocess.Popen([*words, *held], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    if holder.stdout.readline() != "ready\n":
        raise OSError(f"{' '.join(words)}: {holder.communicate()[1].strip()}")
    return holder, str((descendants(holder.pid) or [holder.pid])[-1])


class Host:
    """A host: its address, what runs there, and what can happen to its link."""

    def __init__(self, hold, switch, user, number):
        self.address = f"10.83.0.{number}"
        self._switch, self._port = switch, f"port{number}"
        self.started = []
        apart = ("unshare", "--net", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc")
        into = ("nsenter", "--target", switch, *user)
        pid = hold(*(into if user else ()), *apart)
        self._switched = (*into, "--net", "ip", "link")
        self._inside = ("nsenter", "--target", pid, *user, "--net")
        _run(*self._switched, "add", self._port, "type", "veth", "peer", "name", "eth0", "netns", pid)
        _run(*self._switched, "set", self._port, "master", "switch", "up")
        for words in (f"address add {self.address}/24 dev eth0", "link set lo up", "link set eth0 up"):
            self._ip(words)

    def _ip(self, words):
        _run(*self._inside, "ip", *words.split())

    def start(self, *arguments, **options):
        """Starts Python on this host."""
        pipe = subprocess.PIPE
        words = (*self._inside, "--pid", "--mount", f"--wd={os.getcwd()}", sys.executable, *arguments)
        self.started.append(subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True, **options))
        return self.started[-1]

    @contextlib.contextmanager
    def off(self):
        """The host's own interface is switched off: there is no way to anywhere, and whoever tries is told."""
        self._ip("link set eth0 down")
        yield
        self._ip("link set eth0 up")

    @contextlib.contextmanager
    def silent(self):
        """Packets vanish on their way, to and fro, and nobody is told."""
        _run(*self._switched, "set", self._port, "nomaster")
        yield
        _run(*self._switched, "set", self._port, "master", "switch")

    @contextlib.contextmanager
    def unheard(self, others):
        """Packets from here to others vanish; those from there arrive."""
        for other in others:
            self._ip(f"neighbour replace {other.address} lladdr {NOBODY} dev eth0 nud permanent")
        yield
        for other in others:
            self._ip(f"neighbour del {other.address} dev eth0")


@contextlib.contextmanager
def network(count):
    """So many hosts that reach each other; skips the test where the machine has none to give."""
    hosts = []
    with contextlib.ExitStack() as started:
        # After the holders: with them ends whatever runs on the hosts.
        started.callback(lambda: end(*(process for host in hosts for process in host.started)))

        def hold(*words):
            holder, pid = _hold(*words)
            started.callback(end, holder)
            return pid

        user = () if os.getuid() == 0 else ("--user", "--preserve-credentials")
        try:
            switch = hold("unshare", "--net", *(("--user", "--map-root-user") if user else ()))
            _run("nsenter", "--target", switch, *user, "--net", *"ip link add switch up type bridge".split())
            hosts += [Host(hold, switch, user, number + 1) for number in range(count)]
        except OSError as error:
            pytest.skip(f"this machine has no network namespaces to give: {error}")
        yield hosts
