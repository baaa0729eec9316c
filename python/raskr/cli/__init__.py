"""The commands `raskr scheduler`, `raskr worker` and `raskr info`, with Dask's options."""

from collections.abc import Sequence

__all__ = ["COMMANDS", "command"]

#: Name, and what it does, of each command that a module of this package has.
COMMANDS = {
    "scheduler": "start a scheduler",
    "worker": "start workers for a scheduler",
    "info": "show the clusters of this user, or one cluster",
}


def command(name: str, arguments: Sequence[str]) -> int:
    """Run a command.

    Parameters
    ----------
    name : str
        One of `COMMANDS`.
    arguments : sequence of str
        What stands after the name.

    Returns
    -------
    int
        The process' exit code.
    """
    import importlib

    return importlib.import_module(f"raskr.cli.{name}").main(arguments)
