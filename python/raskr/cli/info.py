"""`raskr info`: which clusters there are, and what one consists of."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import raskr
from raskr.cli import _options
from raskr.utils import format_bytes

__all__ = ["main"]


def parser() -> _options.Parser:
    """The options."""
    made = _options.Parser("info", "Show the clusters that this user has started on this machine, or one cluster.")
    made.add_argument("scheduler", nargs="?", metavar="SCHEDULER", help="the scheduler's address, or `versions`")
    made.add_argument("--scheduler-file", metavar="PATH", help="the file by which the scheduler is found")
    made.add_argument("--timeout", type=_options.duration, default=10.0, metavar="TIME", help="how long to try")
    made.add_argument("--json", action="store_true", help="as JSON")
    _options.add_certificates(made)
    return made


def main(arguments: Sequence[str]) -> int:
    """Run the command; the exit code."""
    options = parser().parse_args(_options.words(arguments))
    try:
        if options.scheduler == "versions":
            _show(_versions(), options.json, lambda found: [f"{name}: {version}" for name, version in found.items()])
        elif options.scheduler is None and options.scheduler_file is None:
            _show(_clusters(), options.json, _listed)
        else:
            _show(_identity(options), options.json, _described)
    except (OSError, ValueError, RuntimeError) as error:
        return _options.fail("info", error)
    return 0


def _show(found: Any, as_json: bool, lines: Any) -> None:
    print(json.dumps(found, indent=2) if as_json else "\n".join(lines(found)))


def _versions() -> dict[str, str]:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"Python": platform.python_version(), "Platform": platform.system(), "raskr": raskr.__version__}
    for name in ("numpy", "pandas", "cloudpickle"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _clusters() -> list[dict[str, Any]]:
    """What the state files tell, without their secrets."""
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    found = []
    for path in sorted(Path(home, "raskr", "clusters").glob("*.json")):
        try:
            content = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        found.append({name: content.get(name) for name in ("id", "address", "pid", "host", "version")})
    return found


def _listed(clusters: list[dict[str, Any]]) -> list[str]:
    lines = [
        f"{each['address']}  process {each['pid']} on {each['host']}, raskr {each['version']}" for each in clusters
    ]
    return lines or ["no clusters of yours are known on this machine"]


def _identity(options: Any) -> dict[str, Any]:
    from raskr.distributed import Client

    with Client(
        options.scheduler,
        scheduler_file=options.scheduler_file,
        security=_options.security_of(options, "client"),
        timeout=options.timeout,
        set_as_default=False,
    ) as client:
        return client.scheduler_info(n_workers=-1)


def _described(info: dict[str, Any]) -> list[str]:
    workers = info["workers"]
    lines = [f"scheduler at {info['address']}, {len(workers)} workers, {info.get('total_threads', 0)} threads"]
    if info.get("dashboard_link"):
        lines.append(f"dashboard at {info['dashboard_link']}")
    for address, worker in workers.items():
        limit = format_bytes(worker["memory_limit"]) if worker.get("memory_limit") else "no limit"
        lines.append(
            f"worker {worker['name']} at {address}: {worker['nthreads']} threads, memory {limit}, {worker['status']}"
        )
    return lines
