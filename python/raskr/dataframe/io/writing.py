"""What the writers of files share: running the tasks that write, or handing them out as delayed values."""

from collections.abc import Sequence
from typing import Any

from raskr._bridge import core
from raskr.base import compute as compute_all
from raskr.base import get_scheduler, runs_natively
from raskr.tokenize import tokenize


def ready_nodes(frame: Any, compute: bool, compute_kwargs: dict | None) -> list:
    """The nodes of a frame's partitions, which the engine computes natively if that is now, and on its own threads."""
    schedule = get_scheduler(scheduler=(compute_kwargs or {}).get("scheduler"), collections=[frame])
    if compute and runs_natively(schedule) and not (compute_kwargs or {}).get("pool"):
        return frame._nodes_together([frame])[0]
    return frame._expr.nodes


def write_nodes(
    label: str, function: Any, frame: Any, rows: Sequence[tuple], nodes: Sequence | None = None, **kwargs: Any
) -> list:
    """A node for each partition that calls `function(partition, *row, **kwargs)`; `nodes` are those of the partitions."""
    token = tokenize(frame._name, list(rows), sorted(kwargs.items(), key=lambda item: item[0]))
    return [
        core.node_of_call(function, (node, *row), kwargs or None, key=f"{label}-{token}-{number}", name=label)
        for number, (node, row) in enumerate(zip(frame._expr.nodes if nodes is None else nodes, rows))
    ]


def delayed_of(nodes: Sequence) -> list:
    """Delayed values of nodes."""
    return [core.delayed_of_node(node, None) for node in nodes]


def run_or_delay(nodes: Sequence, compute: bool, compute_kwargs: dict | None) -> list:
    """What the nodes give, or delayed values of them where they are not to be computed yet."""
    lazy = delayed_of(nodes)
    return list(compute_all(*lazy, **(compute_kwargs or {}))) if compute else lazy
