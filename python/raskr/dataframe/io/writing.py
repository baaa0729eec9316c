"""What the writers of files share: running the tasks that write, or handing them out as delayed values."""

from collections.abc import Sequence
from typing import Any

from raskr._bridge import core
from raskr.base import compute as compute_all
from raskr.tokenize import tokenize


def write_nodes(label: str, function: Any, frame: Any, rows: Sequence[tuple], **kwargs: Any) -> list:
    """A node for each partition that calls `function(partition, *row, **kwargs)`."""
    token = tokenize(frame._name, list(rows), sorted(kwargs.items(), key=lambda item: item[0]))
    return [
        core.node_of_call(function, (node, *row), kwargs or None, key=f"{label}-{token}-{number}", name=label)
        for number, (node, row) in enumerate(zip(frame._expr.nodes, rows))
    ]


def delayed_of(nodes: Sequence) -> list:
    """Delayed values of nodes."""
    return [core.delayed_of_node(node, None) for node in nodes]


def run_or_delay(nodes: Sequence, compute: bool, compute_kwargs: dict | None) -> list:
    """What the nodes give, or delayed values of them where they are not to be computed yet."""
    lazy = delayed_of(nodes)
    return list(compute_all(*lazy, **(compute_kwargs or {}))) if compute else lazy
