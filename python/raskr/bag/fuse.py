"""Steps upon steps become one task a partition, just before a graph of bags runs."""

from collections.abc import Iterable, Mapping
from typing import Any

from raskr.bag.steps import Fused, Pick, Several, Step
from raskr.core import flatten, get_dependencies, literal
from raskr.graph import plain
from raskr.system import CPU_COUNT

__all__ = ["dont_optimize", "optimize"]


def dont_optimize(dsk: Any, keys: Any, **kwargs: Any) -> Any:
    """The graph as it is."""
    return dsk


def optimize(dsk: Any, keys: Any, fuse_keys: Iterable | None = None, **kwargs: Any) -> dict:
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


class _Fusion:
    """One graph being rewritten."""

    def __init__(self, dsk: Mapping, kept: list) -> None:
        self.dsk = dsk
        self.kept = set(kept)
        self.order: list = []
        # How often each key is asked for.
        self.uses: dict[Any, int] = {}
        self.needs: dict[Any, list] = {}
        self._walk(kept)
        self.users: dict[Any, list] = {}
        for user, needed in self.needs.items():
            for each in needed:
                self.users.setdefault(each, []).append(user)
        self.programs: dict[Any, tuple] = {}
        self.made: dict[Any, Any] = {}
        self.functions: dict[Any, Any] = {}

    def _walk(self, kept: list) -> None:
        """Keys that are needed, each after those it needs."""
        done: set = set()
        for start in kept:
            path = [(start, iter(self._needed(start)))]
            entered = {start}
            while path:
                key, waiting = path[-1]
                if key in done:
                    path.pop()
                    continue
                for needed in waiting:
                    # Cycles are left to the engine, which names their keys.
                    if needed not in done and needed not in entered:
                        entered.add(needed)
                        path.append((needed, iter(self._needed(needed))))
                        break
                else:
                    path.pop()
                    done.add(key)
                    self.order.append(key)

    def _needed(self, key: Any) -> list:
        found = self.needs.get(key)
        if found is None:
            found = self.needs[key] = self._read(self.dsk[key])
            for needed in found:
                self.uses[needed] = self.uses.get(needed, 0) + 1
        return found

    def _read(self, task: Any) -> list:
        dsk = self.dsk
        if _is_program(task):
            # Behind other names, so that a partition with two names counts as asked for twice.
            sources = [self._source(arg) for arg in task[1:]]
            return [source for source in sources if type(source) is not literal and source in dsk]
        if _is_constant(task):
            return []
        return get_dependencies(dsk, task=task, as_list=True)

    def graph(self) -> dict:
        dsk = self.dsk
        for key in self.order:
            task = dsk[key]
            if _is_program(task):
                self.programs[key] = self._with_arguments(task)
        self._gather()
        live = self._live()
        return {key: self._task(key) for key in self.order if key in live} | self.made

    def _source(self, key: Any) -> Any:
        """Behind other names of it, what a key stands for: a constant, or a key."""
        dsk = self.dsk
        while type(key) is not literal:
            task = dsk.get(key)
            if _is_constant(task):
                return task[0]
            if task is None or type(task) is list or not _is_key(task, dsk):
                return key
            key = task
        return key

    def _with_arguments(self, task: tuple) -> tuple:
        step = task[0]
        args: list = []
        for arg in task[1:]:
            if type(arg) is literal or arg not in self.dsk:
                args.append(arg if type(arg) is literal else literal(arg))
            else:
                args.append(self._source(arg))
        alone = step.blockwise or sum(type(arg) is not literal for arg in args) == 1
        fused = tuple(
            self.programs[arg] if alone and type(arg) is not literal and self._is_private(arg) else arg for arg in args
        )
        return step.absorb(fused) or (step, *fused)

    def _is_private(self, key: Any) -> bool:
        return self.uses.get(key) == 1 and key not in self.kept and key in self.programs

    # --- partitions that several reductions want ----------------------------------------------------------------------
    def _gather(self) -> None:
        users: dict[Any, list] = {}
        for key in self._live():
            for needed in self._leaves(key):
                users.setdefault(needed, []).append(key)
        shared = [
            (key, who)
            for key, who in users.items()
            if len(who) > 1 and key in self.programs and key not in self.kept and all(map(self._is_reduction, who))
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
            together = (
                (f"{key[0] if isinstance(key, tuple) else key}-users", *key[1:]) if isinstance(key, tuple) else key
            )
            self.made[together] = (self._once(Several, (base, tuple(programs))), *inputs)
            for index, user in enumerate(who):
                moved[user] = (Pick(index), together)
        for key in self.order:
            if key in self.programs and key not in moved:
                self.programs[key] = _replaced(self.programs[key], moved)
        for user in moved:
            del self.programs[user]

    def _is_reduction(self, key: Any) -> bool:
        program = self.programs.get(key)
        return (
            program is not None
            and key not in self.kept
            and program[0].reduces
            and len(self._leaves(key)) == 1
            # All who take the result must be rewritten.
            and all(user in self.programs for user in self.users.get(key, ()))
        )

    # --- back to tasks ------------------------------------------------------------------------------------------------
    def _leaves(self, key: Any) -> list:
        """The keys that the task of a key asks for once all is fused."""
        program = self.programs.get(key)
        if program is None:
            return self._needed(key)
        found: list = []
        waiting = [program]
        while waiting:
            for arg in waiting.pop()[1:]:
                if _is_program(arg):
                    waiting.append(arg)
                elif type(arg) is not literal:
                    found.append(arg)
        return found

    def _live(self) -> dict:
        """The keys that still have tasks of their own, in order."""
        found: set = set(self.kept)
        waiting = list(self.kept)
        while waiting:
            key = waiting.pop()
            made = self.made.get(key)
            needed = [arg for arg in made[1:] if type(arg) is not literal] if made is not None else self._leaves(key)
            for each in needed:
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
        if _is_program(arg):
            args.append(_numbered(arg, inputs, shared))
        elif shared is not None and type(arg) is not literal and arg == shared:
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
