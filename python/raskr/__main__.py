"""The command `raskr`, also `python -m raskr`."""

import difflib
import sys
from collections.abc import Sequence

import raskr
from raskr.cli import COMMANDS, command

USAGE = """usage: raskr run SCRIPT [ARGUMENT ...]
       raskr run -m MODULE [ARGUMENT ...]
       raskr run -c CODE [ARGUMENT ...]
       raskr scheduler [OPTION ...]
       raskr worker SCHEDULER [OPTION ...]
       raskr info [SCHEDULER]
       raskr --version

`run` runs a program that was written for Dask, unchanged: its imports of dask and of distributed give raskr, whether or
not Dask is installed. All else is as with python itself: arguments, paths, tracebacks, exit codes.
`scheduler` and `worker` start the processes of a cluster, `info` shows what there is; each has --help.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        What stands after the command's name; the process' own arguments by default.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given in (["--help"], ["-h"], ["run", "--help"], ["run", "-h"]):
        print(USAGE, end="")
    elif given in (["--version"], ["-V"]):
        print(f"raskr {raskr.__version__}")
    elif len(given) > 1 and given[0] == "run":
        from raskr.compat.run import run

        run(given[1:])
    elif given and given[0] in COMMANDS:
        raise SystemExit(command(given[0], given[1:]))
    else:
        if given and given[0] != "run":
            near = difflib.get_close_matches(given[0], [*COMMANDS, "run"], 1)
            meant = " ".join(["raskr", *near, *given[1:]] if near else ["raskr run", *given])
            print(f"raskr: no command {given[0]!r}; did you mean: {meant}", file=sys.stderr)
        print(USAGE, end="", file=sys.stderr)
        raise SystemExit(2)


if __name__ == "__main__":
    main()
