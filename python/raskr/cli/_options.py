"""What the commands have in common: options, and how words become values."""

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import raskr
from raskr.utils import parse_timedelta

__all__ = ["Parser", "add_connection", "add_preload", "duration", "fail", "pid_file", "security_of"]


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, and say where help is."""

    def __init__(self, command: str, description: str, **options: Any) -> None:
        super().__init__(
            prog=f"raskr {command}",
            description=description,
            allow_abbrev=False,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
            **options,
        )
        self.add_argument("--version", action="version", version=f"raskr {raskr.__version__}")

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message} ({self.prog} --help lists the options)", file=sys.stderr)
        raise SystemExit(2)


def duration(text: str) -> float:
    """Seconds, for argparse."""
    try:
        seconds = parse_timedelta(text)
    except (ValueError, KeyError, TypeError):
        seconds = None
    if seconds is None or seconds < 0:
        raise argparse.ArgumentTypeError(f"{text!r}: expected seconds, or text such as '5 minutes'")
    return seconds


def port(text: str) -> int:
    """A port's number, for argparse."""
    number = int(text) if text.isdigit() else -1
    if not 0 <= number < 1 << 16:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a port from 0 to 65535")
    return number


def add_connection(parser: argparse.ArgumentParser) -> None:
    """The options of where to listen and how."""
    parser.add_argument("--host", help="the address or name to listen at; this machine only, unless said")
    parser.add_argument("--interface", help="the network interface to listen at, such as eth0 or ib0")
    parser.add_argument("--protocol", help="tcp or tls; tls beyond this machine, unless said")
    add_certificates(parser)
    parser.add_argument(
        "--insecure", action="store_true", help="don't encrypt beyond this machine: who can read along can take part"
    )
    parser.add_argument("--pid-file", metavar="PATH", help="a file for the process' id; removed at the end")
    parser.add_argument("--scheduler-file", metavar="PATH", help="the file by which others find the scheduler")


def add_certificates(parser: argparse.ArgumentParser) -> None:
    """The options of certificates."""
    parser.add_argument("--tls-ca-file", metavar="PATH", help="certificates of the authority, in PEM")
    parser.add_argument("--tls-cert", metavar="PATH", help="this process' certificate, in PEM")
    parser.add_argument("--tls-key", metavar="PATH", help="its key, in PEM")


def add_preload(parser: argparse.ArgumentParser) -> None:
    """The options of modules to load."""
    parser.add_argument(
        "--preload", action="append", metavar="MODULE", help="a module or Python file to load before; may be repeated"
    )
    parser.add_argument(
        "--preload-argv", action="append", metavar="WORD", help="an argument of its dask_setup; may be repeated"
    )


def security_of(options: argparse.Namespace, role: str) -> Any:
    """What the options say of certificates; where they say nothing, the settings do."""
    from raskr.distributed.security import Security

    given = {
        "tls_ca_file": options.tls_ca_file,
        f"tls_{role}_cert": options.tls_cert,
        f"tls_{role}_key": options.tls_key,
    }
    return Security(token=os.environ.get("RASKR_TOKEN") or None, **{n: v for n, v in given.items() if v is not None})


@contextlib.contextmanager
def pid_file(path: str | None) -> Iterator[None]:
    """Has a file hold the process' id meanwhile."""
    if path is None:
        yield
        return
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    try:
        yield
    finally:
        with contextlib.suppress(OSError), open(path) as file:
            if file.read().strip() == str(os.getpid()):
                os.remove(path)


def fail(command: str, error: object) -> int:
    """Say, in one line, why a command could not do what it was to; the exit code of that."""
    text = " ".join(str(error).split()) or type(error).__name__
    print(f"raskr {command}: {text}", file=sys.stderr, flush=True)
    return 1


def words(arguments: Sequence[str]) -> list[str]:
    """Arguments as argparse takes them: negative numbers after an option belong to it."""
    joined: list[str] = []
    for word in arguments:
        negative = word.startswith("-") and word[1:].isdigit()
        if negative and joined and joined[-1].startswith("--") and "=" not in joined[-1]:
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined
