"""What is done to one partition: steps that work on iterators, so that a chain of them makes no lists in between."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, filterfalse, islice, repeat, starmap
from typing import Any

from raskr.core import literal
from raskr.utils import itemgetter

__all__ = ["Fused", "Several", "Step", "reify"]


def reify(seq: Any) -> Any:
    """A list of what an iterator gives; iterators among its items become lists too.

    Examples
    --------
    >>> from raskr.bag.steps import reify
    >>> reify(iter([iter([1, 2]), iter([3])]))
    [[1, 2], [3]]
    """
    if isinstance(seq, Iterator):
        seq = list(seq)
        if seq and isinstance(seq[0], Iterator):
            seq = [list(item) for item in seq]
    return seq


class no_result:
    """Stands for what a reduction makes of a partition without elements; the class itself is the mark."""


class Step:
    """One operation on partitions: `apply` takes and gives iterators, a call gives what can be kept."""

    __slots__ = ()
    #: May be made part of the task of whoever needs it, whatever else that one needs.
    blockwise = True
    #: Gives a partition, which is a list once it is kept.
    partition = True
    #: Calls Python for so short that no process is worth it.
    stays_here = False
    #: Makes something small of one partition, so that it is best done where the partition is.
    reduces = False

    def apply(self, *args: Any) -> Any:
        raise NotImplementedError(type(self).__name__)

    def absorb(self, args: tuple) -> tuple | None:
        """A shorter program for this step upon these arguments, where there is one."""
        return None

    def replace(self, source: tuple) -> tuple | None:
        """A task in place of this step upon what another task makes, even where that is made for others anyway."""
        return None

    def __call__(self, *args: Any) -> Any:
        value = self.apply(*[arg.data if type(arg) is literal else arg for arg in args])
        return reify(value) if self.partition else value

    def __repr__(self) -> str:
        return type(self).__name__.lower()


class Part:
    """The place of a partition among the arguments of a user's function."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index

    def __reduce__(self) -> tuple:
        return type(self), (self.index,)


class Whole(Part):
    """The place of a lazy value that every partition gets."""

    __slots__ = ()


class Reify(Step):
    """A partition as it is, as a list."""

    __slots__ = ()

    def apply(self, part: Any) -> Any:
        return part if isinstance(part, (list, Iterator)) else list(part)


class Keep(Step):
    """A value as it is."""

    __slots__ = ()
    partition = False

    def apply(self, value: Any) -> Any:
        return value


class Pick(Step):
    """One item of a tuple of results."""

    __slots__ = ("index",)
    partition = False

    def __init__(self, index: int) -> None:
        self.index = index

    def apply(self, values: Any) -> Any:
        return values[self.index]


class Apply(Step):
    """A function of values that are no partitions."""

    __slots__ = ("func",)
    partition = False

    def __init__(self, func: Callable) -> None:
        self.func = func

    def apply(self, *values: Any) -> Any:
        return self.func(*values)


_UNEQUAL = (
    "map called with multiple bags that aren't identically partitioned. "
    "Please ensure that all bag arguments have the same partition lengths"
)


def _aligned(parts: list) -> Iterator:
    try:
        yield from zip(*parts, strict=True)
    except ValueError as error:
        if str(error).startswith("zip() argument"):
            raise ValueError(_UNEQUAL) from None
        raise


def _with_keywords(func: Callable, count: int, names: tuple, *values: Any) -> Any:
    return func(*values[:count], **dict(zip(names, values[count:])))


class Map(Step):
    """A function of every element, or of elements of several partitions and of values that all of them get."""

    __slots__ = ("args", "func", "kwargs")

    def __init__(self, func: Callable, args: tuple, kwargs: dict) -> None:
        self.func = func
        self.args = args
        self.kwargs = kwargs

    def apply(self, *inputs: Any) -> Iterator:
        columns: list = []
        parts: list = []
        for arg in self.args:
            if type(arg) is Part:
                parts.append(inputs[arg.index])
                columns.append(parts[-1])
            else:
                columns.append(repeat(inputs[arg.index] if type(arg) is Whole else arg))
        func = self.func
        names = []
        for name, arg in self.kwargs.items():
            if type(arg) is Part:
                parts.append(inputs[arg.index])
                columns.append(parts[-1])
                names.append(name)
        fixed = {
            name: inputs[arg.index] if type(arg) is Whole else arg
            for name, arg in self.kwargs.items()
            if type(arg) is not Part
        }
        if fixed:
            func = partial(func, **fixed)
        if names:
            func = partial(_with_keywords, func, len(self.args), tuple(names))
        if len(parts) == 1:
            return map(func, *columns)
        # Only the partitions end, so what is repeated comes in after their lengths were compared.
        rows = zip(*parts) if len({id(part) for part in parts}) == 1 and not _is_iterator(parts) else _aligned(parts)
        if len(parts) == len(columns):
            return starmap(func, rows)
        places = [next((i for i, part in enumerate(parts) if part is column), None) for column in columns]
        return map(partial(_spread, func, [(place, column) for place, column in zip(places, columns)]), rows)


def _is_iterator(parts: list) -> bool:
    return any(isinstance(part, Iterator) for part in parts)


def _spread(func: Callable, columns: list, row: tuple) -> Any:
    return func(*[next(column) if place is None else row[place] for place, column in columns])


class Starmap(Step):
    """A function of the items of every element."""

    __slots__ = ("func", "kwargs")

    def __init__(self, func: Callable, kwargs: dict) -> None:
        self.func = func
        self.kwargs = kwargs

    def apply(self, *inputs: Any) -> Iterator:
        kwargs = {name: inputs[arg.index] if type(arg) is Whole else arg for name, arg in self.kwargs.items()}
        return starmap(partial(self.func, **kwargs) if kwargs else self.func, inputs[0])


class MapPartitions(Step):
    """A function of whole partitions, which it gets as lists."""

    __slots__ = ("args", "func", "kwargs")

    def __init__(self, func: Callable, args: tuple, kwargs: dict) -> None:
        self.func = func
        self.args = args
        self.kwargs = kwargs

    def apply(self, *inputs: Any) -> Any:
        # A partition may be wanted in two places, and users ask for lengths: an iterator would not do.
        values = [reify(value) for value in inputs]

        def value(arg: Any) -> Any:
            return values[arg.index] if isinstance(arg, Part) else arg

        return self.func(*map(value, self.args), **{name: value(arg) for name, arg in self.kwargs.items()})


class Filter(Step):
    """The elements that a predicate holds for."""

    __slots__ = ("predicate",)

    def __init__(self, predicate: Callable | None) -> None:
        self.predicate = predicate

    def apply(self, part: Iterable) -> Iterator:
        return filter(self.predicate, part)


class Remove(Filter):
    """The elements that a predicate does not hold for."""

    __slots__ = ()

    def apply(self, part: Iterable) -> Iterator:
        return filterfalse(self.predicate, part)


_MISSING = (KeyError, IndexError, TypeError)


def _get(key: Any, default: Any, item: Any) -> Any:
    try:
        return item[key]
    except _MISSING:
        return default


def _get_several(keys: list, default: Any, item: Any) -> tuple:
    return tuple(_get(key, default, item) for key in keys)


def _several(keys: list, item: Any) -> tuple:
    return tuple([item[key] for key in keys])


def getter(key: Any) -> Callable:
    """A function that gets an item, or a tuple of the items that a list names; functions stay as they are.

    Examples
    --------
    >>> from raskr.bag.steps import getter
    >>> getter(1)("abc"), getter([0, 2])("abc")
    ('b', ('a', 'c'))
    """
    if callable(key):
        return key
    return partial(_several, key) if isinstance(key, list) else itemgetter(key)


class Pluck(Step):
    """One item, or several, of every element."""

    __slots__ = ("function",)

    def __init__(self, key: Any, has_default: bool, default: Any) -> None:
        if has_default:
            self.function = partial(_get_several if isinstance(key, list) else _get, key, default)
        else:
            # The function of the standard library is a third faster; ours serves keys that must stay lists.
            from operator import itemgetter as fast

            self.function = getter(key) if isinstance(key, list) else fast(key)

    def apply(self, part: Iterable) -> Iterator:
        return map(self.function, part)


class Flatten(Step):
    """The items of all elements."""

    __slots__ = ()

    def apply(self, part: Iterable) -> Iterator:
        return chain.from_iterable(part)


class Concatenate(Step):
    """Several partitions, one after another."""

    __slots__ = ()
    blockwise = False

    def apply(self, *parts: Any) -> Iterator:
        return chain.from_iterable(parts)


class Zip(Step):
    """Tuples of the elements of several partitions."""

    __slots__ = ()

    def apply(self, *parts: Any) -> Iterator:
        return zip(*parts)


class Take(Step):
    """The first elements."""

    __slots__ = ("count", "warn")
    reduces = True

    def __init__(self, count: int, warn: bool) -> None:
        self.count = count
        self.warn = warn

    def apply(self, part: Iterable) -> list:
        taken = list(islice(part, self.count))
        if self.warn and len(taken) < self.count:
            warn_few(self.count, len(taken))
        return taken


class TakeOfParts(Take):
    """The first elements of several partitions."""

    __slots__ = ()
    blockwise = False
    reduces = False

    def apply(self, *parts: Any) -> list:
        return super().apply(chain.from_iterable(parts))


def warn_few(wanted: int, found: int) -> None:
    """Warn that fewer elements were there than wanted."""
    import warnings

    warnings.warn(
        f"Insufficient elements for `take`. {wanted} elements requested, only {found} elements available. "
        "Try passing larger `npartitions` to `take`.",
        UserWarning,
        stacklevel=2,
    )


# --- steps put together -----------------------------------------------------------------------------------------------
def run_program(program: tuple, inputs: Any) -> Any:
    """What a program gives: a tuple of a step and its arguments, which are programs or places among the inputs."""
    return program[0].apply(*[run_program(arg, inputs) if type(arg) is tuple else inputs[arg] for arg in program[1:]])


class Fused:
    """Several steps as one function: what lies between them is never a list.

    Parameters
    ----------
    program : tuple
        A step and its arguments: programs, or places among the inputs.

    Examples
    --------
    >>> from raskr.bag.steps import Filter, Flatten, Fused
    >>> Fused((Filter(str.isdigit), (Flatten(), 0)))(["a1", "2b"])
    ['1', '2']
    """

    __slots__ = ("program",)

    def __init__(self, program: tuple) -> None:
        self.program = program

    def __reduce__(self) -> tuple:
        return Fused, (self.program,)

    def __repr__(self) -> str:
        return f"<steps of one task: {self.program[0]!r} last>"

    @property
    def stays_here(self) -> bool:
        """Calls Python for so short that no process is worth it."""
        return _stays(self.program)

    def __call__(self, *inputs: Any) -> Any:
        value = run_program(self.program, [value.data if type(value) is literal else value for value in inputs])
        return reify(value) if self.program[0].partition else value


def _stays(program: tuple) -> bool:
    return program[0].stays_here and all(_stays(arg) for arg in program[1:] if type(arg) is tuple)


class Several:
    """Several results of one partition, which is made once.

    Parameters
    ----------
    base : tuple
        The program that makes the partition.
    users : tuple of tuple
        The programs of the results; the partition is their place 0, the inputs follow.
    """

    __slots__ = ("base", "users")

    def __init__(self, base: tuple, users: tuple) -> None:
        self.base = base
        self.users = users

    def __reduce__(self) -> tuple:
        return Several, (self.base, self.users)

    def __call__(self, *inputs: Any) -> tuple:
        values = [value.data if type(value) is literal else value for value in inputs]
        values.insert(0, reify(run_program(self.base, values)))
        return tuple([_kept(user, values) for user in self.users])


def _kept(program: tuple, values: list) -> Any:
    value = run_program(program, values)
    return reify(value) if program[0].partition else value
