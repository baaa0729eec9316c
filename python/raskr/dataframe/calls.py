"""Calls within a call: what a partition goes through, made by one task where nobody else wants what lies between."""

from typing import Any


class Call:
    """A call that is made within another one, whose argument it stands for.

    Parameters
    ----------
    function : callable
    args, kwargs : tuple, dict
        Some may be calls again.
    """

    def __init__(self, function: Any, args: tuple, kwargs: dict) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs


class InTurn:
    """A function that makes several calls; the last one gives its value.

    Parameters
    ----------
    steps : tuple
        For each call the function, what it is called with, and pairs of names and what they stand for. That is said by
        numbers: of arguments from 0 on, of the values of calls from -1 down.
    """

    def __init__(self, steps: tuple) -> None:
        self.steps = steps

    def __call__(self, *given: Any) -> Any:
        made: list = []

        def value(place: int) -> Any:
            if place >= 0:
                return given[place]
            # Wanted once: it is not kept while other calls are made.
            found, made[~place] = made[~place], None
            return found

        for function, args, named in self.steps:
            made.append(function(*map(value, args), **{name: value(place) for name, place in named}))
        return made[-1]


def flat(call: Call) -> tuple[tuple, tuple]:
    """The steps of a call, as `InTurn` takes them, and what is given to it."""
    steps: list = []
    given: list = []

    def place(arg: Any) -> int:
        if isinstance(arg, Call):
            add(arg)
            return -len(steps)
        given.append(arg)
        return len(given) - 1

    def add(call: Call) -> None:
        args = tuple(map(place, call.args))
        named = tuple((name, place(arg)) for name, arg in call.kwargs.items())
        steps.append((call.function, args, named))

    add(call)
    return tuple(steps), tuple(given)
