"""Task graphs as mappings: what is a task, what is a key, which keys a task needs, and getting values."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = [
    "flatten",
    "get",
    "get_dependencies",
    "get_deps",
    "getcycle",
    "ishashable",
    "iskey",
    "istask",
    "literal",
    "preorder_traversal",
    "quote",
    "reverse_dict",
    "subs",
    "toposort",
    "validate_key",
]

no_default = "__no_default__"


def ishashable(x: Any) -> bool:
    """Can an object be a key of a dict?

    Examples
    --------
    >>> from raskr.core import ishashable
    >>> ishashable((1, 2)), ishashable([1])
    (True, False)
    """
    try:
        hash(x)
    except TypeError:
        return False
    return True


def istask(x: Any) -> bool:
    """Is an object a task: a tuple that begins with something callable?

    Examples
    --------
    >>> from raskr.core import istask
    >>> istask((abs, -1)), istask((1, 2))
    (True, False)
    """
    return type(x) is tuple and bool(x) and callable(x[0])


def iskey(key: Any) -> bool:
    """Can an object name a task: bytes, text, a number, or a tuple of these?

    Examples
    --------
    >>> from raskr.core import iskey
    >>> iskey(("x", 0)), iskey(["x"])
    (True, False)
    """
    kind = type(key)
    if kind is tuple:
        return all(map(iskey, key))
    return kind in (bytes, int, float, str)


def validate_key(key: Any) -> None:
    """Complain of what can't name a task.

    Examples
    --------
    >>> from raskr.core import validate_key
    >>> validate_key(("x", 0))
    """
    if iskey(key):
        return
    kind = type(key)
    if kind is tuple:
        for index, part in enumerate(key):
            try:
                validate_key(part)
            except TypeError as error:
                raise TypeError(f"Composite key contains unexpected key type at {index=} ({key=!r})") from error
    raise TypeError(f"Unexpected key type {kind} ({key=!r}): bytes, int, float, str or a tuple of these was expected")


class literal:
    """Stands for data that looks like a task.

    Examples
    --------
    >>> from raskr.core import literal
    >>> literal((sum, [1]))()
    (<built-in function sum>, [1])
    """

    __slots__ = ("data",)

    def __init__(self, data: Any) -> None:
        self.data = data

    def __repr__(self) -> str:
        return f"literal<type={type(self.data).__name__}>"

    def __reduce__(self) -> tuple:
        return literal, (self.data,)

    def __call__(self) -> Any:
        return self.data


def quote(x: Any) -> Any:
    """Guard data that would be taken for a task, or for keys, in a graph.

    Examples
    --------
    >>> import raskr
    >>> from raskr.core import quote
    >>> raskr.get({"x": quote((sum, [1]))}, "x")
    (<built-in function sum>, [1])
    """
    if istask(x) or type(x) is list or type(x) is dict:
        return (literal(x),)
    return x


def flatten(seq: Any, container: Any = list) -> Iterator:
    """The items of nested lists, one after another.

    Examples
    --------
    >>> from raskr.core import flatten
    >>> list(flatten([1, [2, [3]]]))
    [1, 2, 3]
    """
    if isinstance(seq, str):
        yield seq
        return
    for item in seq:
        if isinstance(item, container):
            yield from flatten(item, container=container)
        else:
            yield item


def preorder_traversal(task: Any) -> Iterator:
    """The functions and arguments of a task, outer ones first.

    Examples
    --------
    >>> from raskr.core import preorder_traversal
    >>> [getattr(x, "__name__", x) for x in preorder_traversal((sum, [1, (abs, -2)]))]
    ['sum', 'list', 1, 'abs', -2]
    """
    if type(task) is list:
        yield list
        items: Any = task
    elif istask(task):
        items = task
    else:
        yield task
        return
    for item in items:
        if istask(item) or type(item) is list:
            yield from preorder_traversal(item)
        else:
            yield item


def keys_in_tasks(keys: Any, tasks: Any, as_list: bool = False) -> Any:
    """The keys that tasks need.

    Parameters
    ----------
    keys : container
        All keys that there are.
    tasks : list
        The tasks.
    as_list : bool
        Give a list, with a key as often as it is needed.

    Examples
    --------
    >>> from raskr.core import keys_in_tasks
    >>> keys_in_tasks({"x", "y"}, [(sum, ["x", (abs, "y")])]) == {"x", "y"}
    True
    """
    found: list = []
    work = list(tasks)
    while work:
        later: list = []
        for item in work:
            kind = type(item)
            if kind is tuple and item and callable(item[0]):
                later.extend(item[1:])
            elif kind is list:
                later.extend(item)
            elif kind is dict:
                later.extend(item.values())
            elif hasattr(item, "dependencies") and callable(item):
                found.extend(item.dependencies)
            elif ishashable(item) and item in keys:
                found.append(item)
        work = later
    return found if as_list else set(found)


def get_dependencies(dsk: Mapping, key: Any = None, task: Any = no_default, as_list: bool = False) -> Any:
    """The keys that a task of a graph needs.

    Parameters
    ----------
    dsk : mapping
        The graph.
    key : object, optional
        The key of the task.
    task : object, optional
        The task itself.
    as_list : bool
        Give a list rather than a set.

    Examples
    --------
    >>> from raskr.core import get_dependencies
    >>> get_dependencies({"x": 1, "y": (abs, "x")}, "y")
    {'x'}
    """
    if key is not None:
        task = dsk[key]
    elif task is no_default:
        raise ValueError("Provide either key or task")
    return keys_in_tasks(dsk, [task], as_list=as_list)


def reverse_dict(d: Mapping) -> dict:
    """Who is named by whom, of a mapping from each to those that it names.

    Examples
    --------
    >>> from raskr.core import reverse_dict
    >>> reverse_dict({"a": ["c"], "b": ["c"]}) == {"a": set(), "b": set(), "c": {"a", "b"}}
    True
    """
    result: dict = defaultdict(set)
    for key, values in d.items():
        result[key]
        for value in values:
            result[value].add(key)
    result.default_factory = None  # type: ignore[attr-defined]
    return result


def get_deps(dsk: Mapping) -> tuple[dict, dict]:
    """The keys that each task needs, and those that need it.

    Examples
    --------
    >>> from raskr.core import get_deps
    >>> get_deps({"x": 1, "y": (abs, "x")})
    ({'x': set(), 'y': {'x'}}, {'x': {'y'}, 'y': set()})
    """
    dependencies = {key: get_dependencies(dsk, task=task) for key, task in dsk.items()}
    return dependencies, dict(reverse_dict(dependencies))


def subs(task: Any, key: Any, val: Any) -> Any:
    """A task with a key replaced by a value.

    Examples
    --------
    >>> from raskr.core import subs
    >>> subs((max, "x", ["x", 1]), "x", 5)
    (<built-in function max>, 5, [5, 1])
    """
    if not istask(task):
        try:
            if type(task) is type(key) and task == key:
                return val
        except Exception:
            # What can't be compared is no key.
            pass
        return [subs(item, key, val) for item in task] if type(task) is list else task
    replaced = [
        subs(arg, key, val) if istask(arg) or type(arg) is list else val if _is_same(arg, key) else arg
        for arg in task[1:]
    ]
    return (task[0], *replaced)


def _is_same(arg: Any, key: Any) -> bool:
    if type(arg) is not type(key):
        return False
    try:
        return bool(arg == key)
    except Exception:
        return False


def _walk(dsk: Mapping, keys: Any, dependencies: Mapping | None) -> tuple[list, list]:
    """Keys in an order in which each comes after those it needs, and a cycle when there is one."""
    if keys is None:
        keys = dsk
    elif not isinstance(keys, list):
        keys = [keys]
    ordered: list = []
    done: set = set()
    for start in keys:
        if start in done:
            continue
        path = [start]
        inside = {start}
        waiting = [iter(_needs(dsk, start, dependencies))]
        while path:
            needed = next((key for key in waiting[-1] if key not in done), no_default)
            if needed is no_default:
                waiting.pop()
                key = path.pop()
                inside.discard(key)
                done.add(key)
                ordered.append(key)
            elif needed in inside:
                return ordered, [*path[path.index(needed) :], needed]
            else:
                path.append(needed)
                inside.add(needed)
                waiting.append(iter(_needs(dsk, needed, dependencies)))
    return ordered, []


def _needs(dsk: Mapping, key: Any, dependencies: Mapping | None) -> Any:
    if dependencies is not None:
        return dependencies[key]
    return dict.fromkeys(get_dependencies(dsk, key, as_list=True))


def toposort(dsk: Mapping, dependencies: Mapping | None = None) -> list:
    """The keys of a graph, each after those it needs.

    Examples
    --------
    >>> from raskr.core import toposort
    >>> toposort({"y": (abs, "x"), "x": 1})
    ['x', 'y']
    """
    ordered, cycle = _walk(dsk, None, dependencies)
    if cycle:
        raise RuntimeError("Cycle detected between the following keys:" + "".join(f"\n  -> {key}" for key in cycle))
    return ordered


def getcycle(d: Mapping, keys: Any) -> list:
    """The keys of a cycle that some keys need; an empty list when there is none.

    Examples
    --------
    >>> from raskr.core import getcycle
    >>> getcycle({"x": (abs, "y"), "y": (abs, "x")}, "x")
    ['x', 'y', 'x']
    """
    return _walk(d, keys, None)[1]


def isdag(d: Mapping, keys: Any) -> bool:
    """Do some keys need no cycle?

    Examples
    --------
    >>> from raskr.core import isdag
    >>> isdag({"x": 1, "y": (abs, "x")}, "y")
    True
    """
    return not getcycle(d, keys)


def get(dsk: Mapping, out: Any, cache: dict | None = None) -> Any:
    """The values of keys of a graph, computed one after another on this thread.

    Parameters
    ----------
    dsk : mapping
        Tasks by key.
    out : key, or nested list of keys
        What is wanted.
    cache : dict, optional
        Takes the values that were computed.

    Examples
    --------
    >>> from raskr.core import get
    >>> get({"x": 1, "y": (abs, "x")}, ["x", "y"])
    (1, 1)
    """
    from raskr.local import get_sync

    if cache is None:
        return get_sync(dsk, out)
    wanted = list(flatten([out]))
    cache.update(zip(wanted, get_sync(dsk, wanted)))

    def nest(keys: Any) -> Any:
        return tuple(map(nest, keys)) if isinstance(keys, list) else cache[keys]

    return nest(out)
