"""What a frame will do, and what it did: the plan as text, and the time that each kind of step took."""

import re
from collections import defaultdict
from typing import Any

from raskr.dataframe.expressions import Expression
from raskr.dataframe.native import ready
from raskr.dataframe.native.results import NativeResult, stages_of_plans
from raskr.dataframe.optimizing import optimized

_STAGES = ("logical", "simplified-logical", "tuned-logical", "physical", "simplified-physical", "fused")


def plan_text(expression: Expression) -> str:
    """A line for each expression, what it is made of below it; an expression that occurs again is only named."""
    lines: list[str] = []
    seen: set[str] = set()
    stack: list[tuple[Expression, int]] = [(expression, 0)]
    while stack:
        found, depth = stack.pop()
        label = found.name.rpartition("-")[0]
        columns = getattr(found.meta, "columns", None)
        parts = f"{found.npartitions} partition{'s' if found.npartitions != 1 else ''}"
        shown = f"{'  ' * depth}{label}: {parts}"
        if columns is not None:
            shown += f", columns {list(columns)}"
        if found.name in seen:
            lines.append(f"{shown} (as above)")
            continue
        seen.add(found.name)
        lines.append(shown)
        if isinstance(found, NativeResult):
            lines.extend(f"{'  ' * (depth + 1)}{line}" for line in found.plan.explain().splitlines())
        stack.extend((child, depth + 1) for child in reversed(found.children))
    return "\n".join(lines)


class Explaining:
    """The methods `explain` and `analyze` of frames and series."""

    def explain(self, stage: str = "fused", format: Any = None) -> None:
        """Print the plan: what each step is made of, with partitions and columns.

        Parameters
        ----------
        stage : str
            'logical' for the plan as it was written; 'simplified-logical' for one in which readers leave out columns that
            nobody uses; 'physical' for the stages of what the engine computes, too; any other of Dask's for what runs.
        format : str, optional
            Accepted for likeness: the plan is text.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> df = dd.from_pandas(pd.DataFrame({"a": [1, 2], "b": [3, 4]}), npartitions=2)
        >>> df[["a"]].explain()
        getitem: 2 partitions, columns ['a']
          from-pandas: 2 partitions, columns ['a', 'b']
        """
        if stage not in _STAGES:
            raise ValueError(f"stage: expected one of {', '.join(_STAGES)}, got {stage!r}")
        expression = self._expr  # type: ignore[attr-defined]
        if stage == "logical":
            print(plan_text(expression))
        elif stage == "simplified-logical":
            print(plan_text(optimized([expression])[0]))
        else:
            [plan], native = ready(optimized([expression]))
            print(plan_text(plan))
            if stage == "physical":
                print(stages_of_plans(native))

    def analyze(self, filename: Any = None, format: Any = None) -> None:
        """Compute the frame, and print the plan with how often each kind of step ran and for how long.

        Parameters
        ----------
        filename : str, optional
            Write that to a file instead.
        format : str, optional
            Accepted for likeness: what is written is text.

        Examples
        --------
        >>> import os, tempfile
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> path = os.path.join(tempfile.mkdtemp(), "a.txt")
        >>> dd.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=2).analyze(path)
        >>> with open(path) as file:
        ...     file.readline().strip()
        "from-pandas: 2 partitions, columns ['a']"
        """
        from raskr.diagnostics import Profiler

        [plan], _ = ready(optimized([self._expr]))  # type: ignore[attr-defined]
        with Profiler() as profile:
            self.compute()  # type: ignore[attr-defined]
        calls: dict[str, int] = defaultdict(int)
        times: dict[str, float] = defaultdict(float)
        for result in profile.results:
            key = result.key[0] if isinstance(result.key, tuple) else str(result.key)
            label = _label(key)
            calls[label] += 1
            times[label] += result.end_time - result.start_time
        rows = [
            f"{label}: {calls[label]} tasks, {times[label]:.3f} s"
            for label in sorted(times, key=times.get, reverse=True)
        ]  # type: ignore[arg-type]
        text = "\n".join([plan_text(plan), "", *rows])
        if filename is None:
            print(text)
            return
        with open(filename, "w", encoding="utf-8") as file:
            file.write(text + "\n")


#: A token of content, or what the engine gives to steps of its own.
_TOKEN = re.compile(r"-(?:[0-9a-f]{16,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:-|$)")


def _label(key: str) -> str:
    """The operation's name in a key: what stands in front of its token."""
    return _TOKEN.split(key, maxsplit=1)[0] or key
