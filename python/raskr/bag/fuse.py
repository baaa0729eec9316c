"""Steps upon steps become one task a partition, just before a graph of bags runs."""

from collections.abc import Iterable, Mapping
from typing import Any

from raskr.bag.steps import Fused, Pick, Several, Step
from raskr.core import flatten, get_dependencies, literal
from raskr.graph import Graph, plain
from raskr.system import CPU_COUNT

__all__ = ["dont_optimize", "optimize"]


def dont_optimize(dsk: Any, keys: Any, **kwargs: Any) -> Any:
    """The graph as it is."""
    return dsk


def optimize(dsk: Any, keys: Any, fuse_keys: Iterable | None = None, **kwargs: Any) -> Graph:
    """A graph of bags with all steps that stand on each other alone put into one task.

    A partition that several steps want is made once: in a task of its own, or, where only reductions of single
    partitions want it, in one task with all of them, so that it need not travel.

    Parameters
    ----------
    dsk : mapping
        Tasks by key.
    keys : key, or nested list of keys
        What is wanted.
    fuse_keys : iterable, optional
        Further keys to keep.

    Examples
    --------
    >>> import raskr.bag as db
    >>> from raskr.bag.fuse import optimize
    >>> bag = db.range(10, npartitions=2).map(str).filter(str.isdigit)
    >>> len(bag.__dask_graph__()), len(optimize(bag.__dask_graph__(), bag.__dask_keys__()))
    (6, 2)
    """
    wanted = list(dict.fromkeys(flatten([keys])))
    kept = [*wanted, *(key for key in flatten(list(fuse_keys or ())))]
    return _Fusion(plain(dsk), kept).graph()


def _is_program(arg: Any) -> bool:
    return type(arg) is tuple and len(arg) > 0 and isinstance(arg[0], Step)


def _is_constant(task: Any) -> bool:
    return type(task) is tuple and len(task) == 1 and type(task[0]) is literal


#: So many steps upon each other are one task: each is a call within the next one's.
_DEPTH_MAX = 100


class _Fusion:
    """One graph being rewritten."""

    def __init__(self, dsk: Mapping, kept: list) -> None:
        self.dsk = dsk
        self.annotations: Mapping = getattr(dsk, "annotations", {})
        self.kept = set(kept)
        # Keys, each after those it needs.
        self.order: list = []
        # How often each key is asked for, and by whom.
        self.uses: dict[Any, int] = {}
        self.users: dict[Any, list] = {}
        # The keys that the task of each key asks for; at first as it was written, then as it is fused.
        self.leaves: dict[Any, list] = {}
        # The arguments of steps, behind other names: a partition with two names counts as asked for twice.
        self.arguments: dict[Any, list] = {}
        self.steps: dict[Any, Step] = {}
        self.depths: dict[Any, int] = {}
        self.programs: dict[Any, tuple] = {}
        self.made: dict[Any, Any] = {}
        self.made_annotations: dict[Any, Mapping] = {}
        self.functions: dict[Any, Any] = {}
        self._walk(kept)

    def _walk(self, kept: list) -> None:
        order, done = self.order, set()
        for start in kept:
            waiting = [start]
            while waiting:
                key = waiting[-1]
                if key in done:
                    waiting.pop()
                elif key in self.leaves:
                    # All that it needs is done, or part of a cycle, which the engine finds and names.
                    waiting.pop()
                    done.add(key)
                    order.append(key)
                else:
                    waiting.extend(needed for needed in self._read(key) if needed not in self.leaves)

    def _read(self, key: Any) -> list:
        dsk, task = self.dsk, self.dsk[key]
        if type(task) is not tuple or not task:
            needed = get_dependencies(dsk, task=task, as_list=True)
        elif isinstance(task[0], Step):
            args = [arg if type(arg) is literal else self._source(arg) for arg in task[1:]]
            if (
                len(args) == 1
                and type(args[0]) is not literal
                and _is_program(dsk[args[0]])
                and self._alike(args[0], key)
            ):
                task = task[0].replace(dsk[args[0]]) or task
                args = list(task[1:]) if task is not dsk[key] else args
            self.steps[key] = task[0]
            self.arguments[key] = args
            needed = [arg for arg in args if type(arg) is not literal]
        elif _is_constant(task):
            needed = []
        else:
            needed = get_dependencies(dsk, task=task, as_list=True)
        self.leaves[key] = needed
        uses, users = self.uses, self.users
        for each in needed:
            uses[each] = uses.get(each, 0) + 1
            users.setdefault(each, []).append(key)
        return needed

    def _source(self, arg: Any) -> Any:
        """What an argument stands for behind other names: a constant, or a key with a task of its own."""
        dsk = self.dsk
        if arg not in dsk:
            return literal(arg)
        # Names that stand for each other are left to the engine, as all cycles are.
        seen: set = set()
        while arg not in seen:
            seen.add(arg)
            task = dsk[arg]
            if type(task) is tuple and task and callable(task[0]):
                return task[0] if _is_constant(task) else arg
            if not _is_key(task, dsk):
                return arg
            arg = task
        return arg

    def _alike(self, one: Any, other: Any) -> bool:
        """Do two keys have the same annotations, so that they may be one task?"""
        return not self.annotations or self.annotations.get(one) == self.annotations.get(other)

    def graph(self) -> Graph:
        for key in self.order:
            args = self.arguments.get(key)
            if args is not None:
                self._fuse(key, self.steps[key], args)
        self._gather()
        graph = Graph()
        graph.add({key: self._task(key) for key in self._live()} | self.made)
        graph.annotations.update((key, found) for key, found in self.annotations.items() if key in graph)
        graph.annotations.update(self.made_annotations)
        return graph

    def _fuse(self, key: Any, step: Step, args: list) -> None:
        if step.blockwise or sum(type(arg) is not literal for arg in args) == 1:
            programs, uses, kept = self.programs, self.uses, self.kept
            leaves: list = []
            depth = 0
            for place, arg in enumerate(args):
                if type(arg) is literal:
                    continue
                if (
                    uses[arg] == 1
                    and arg in programs
                    and arg not in kept
                    and self.depths.get(arg, 1) < _DEPTH_MAX
                    and self._alike(arg, key)
                ):
                    args[place] = programs[arg]
                    leaves.extend(self.leaves[arg])
                    depth = max(depth, self.depths.get(arg, 1))
                else:
                    leaves.append(arg)
            self.leaves[key] = leaves
            self.depths[key] = depth + 1
        self.programs[key] = step.absorb(tuple(args)) or (step, *args)

    # --- partitions that several reductions want ----------------------------------------------------------------------
    def _gather(self) -> None:
        users: dict[Any, list] = {}
        for key in self._live():
            for needed in self.leaves[key]:
                users.setdefault(needed, []).append(key)
        shared = [
            (key, who)
            for key, who in users.items()
            if len(who) > 1
            and key in self.programs
            and key not in self.kept
            and all(self._is_reduction(user) and self._alike(user, key) for user in who)
        ]
        # Fewer partitions than processors: users side by side are faster than one after another.
        if len(shared) < CPU_COUNT:
            return
        moved: dict[Any, tuple] = {}
        for key, who in shared:
            inputs: list = []
            base = _numbered(self.programs[key], inputs)
            programs = []
            for user in who:
                programs.append(_numbered(self.programs[user], inputs, shared=key))
            together = (f"{key[0]}-users", *key[1:]) if isinstance(key, tuple) else f"{key}-users"
            self.made[together] = (self._once(Several, (base, tuple(programs))), *inputs)
            if key in self.annotations:
                self.made_annotations[together] = self.annotations[key]
            self.leaves[together] = [arg for arg in inputs if type(arg) is not literal]
            for index, user in enumerate(who):
                moved[user] = (Pick(index), together)
        together = {user: pick[1] for user, pick in moved.items()}
        for key, program in self.programs.items():
            if key not in moved and not together.keys().isdisjoint(self.leaves[key]):
                self.programs[key] = _replaced(program, moved)
                self.leaves[key] = [together.get(leaf, leaf) for leaf in self.leaves[key]]

    def _is_reduction(self, key: Any) -> bool:
        program = self.programs.get(key)
        return (
            program is not None
            and key not in self.kept
            and program[0].reduces
            and len(self.leaves[key]) == 1
            # All who take the result must be rewritten.
            and all(user in self.programs for user in self.users.get(key, ()))
        )

    # --- back to tasks ------------------------------------------------------------------------------------------------
    def _live(self) -> dict:
        """The keys that still have tasks of their own, in order."""
        found: set = set(self.kept)
        waiting = list(self.kept)
        while waiting:
            for each in self.leaves[waiting.pop()]:
                if each not in found:
                    found.add(each)
                    waiting.append(each)
        return {key: None for key in self.order if key in found}

    def _task(self, key: Any) -> Any:
        program = self.programs.get(key)
        if program is None:
            return self.dsk[key]
        inputs: list = []
        numbered = _numbered(program, inputs)
        if not any(type(arg) is tuple for arg in numbered[1:]):
            return (program[0], *inputs)
        return (self._once(Fused, (numbered,)), *inputs)

    def _once(self, kind: type, args: tuple) -> Any:
        """One object for all partitions that are handled alike, so that it travels once."""
        shape = (kind, _shape(args))
        found = self.functions.get(shape)
        if found is None:
            found = self.functions[shape] = kind(*args)
        return found


def _is_key(task: Any, dsk: Mapping) -> bool:
    try:
        return task in dsk
    except TypeError:
        return False


def _shape(arg: Any) -> Any:
    return tuple(map(_shape, arg)) if type(arg) is tuple else arg if type(arg) is int else id(arg)


def _numbered(program: tuple, inputs: list, shared: Any = None) -> tuple:
    """A program with places among the inputs, which are gathered, in place of keys and constants."""
    args: list = []
    for arg in program[1:]:
        if type(arg) is literal:
            inputs.append(arg)
            args.append(len(inputs) - (shared is None))
        elif _is_program(arg):
            args.append(_numbered(arg, inputs, shared))
        elif shared is not None and arg == shared:
            args.append(0)
        else:
            inputs.append(arg)
            args.append(len(inputs) - (shared is None))
    return (program[0], *args)


def _replaced(program: tuple, moved: Mapping) -> tuple:
    if not any(type(arg) is not literal for arg in program[1:]):
        return program
    return (
        program[0],
        *[
            arg if type(arg) is literal else _replaced(arg, moved) if _is_program(arg) else moved.get(arg, arg)
            for arg in program[1:]
        ],
    )
