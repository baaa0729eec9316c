"""Tokens: equal for equal content, in every process."""

import dataclasses
import functools
import subprocess
import sys
from collections import OrderedDict
from enum import Enum

import numpy as np
import pandas as pd
import pytest

import raskr
from raskr.base import TokenizationError, normalize_token, tokenize


class Colour(Enum):
    RED = 1
    BLUE = 2


@dataclasses.dataclass
class Box:
    content: object


def inc(x):
    return x + 1


SAMPLES = [
    1,
    1.0,
    True,
    "1",
    b"1",
    None,
    (1,),
    [1],
    {1},
    {1: 2},
    {"a": [1, 2]},
    OrderedDict(a=1, b=2),
    OrderedDict(b=2, a=1),
    range(3),
    slice(1, 2),
    np.arange(3),
    np.arange(3.0),
    np.arange(6).reshape(2, 3),
    np.arange(6).reshape(3, 2),
    np.array(["a", None], dtype=object),
    np.int64(1),
    np.float32(1),
    np.dtype("f4"),
    np.sin,
    np.cos,
    pd.Series([1, 2]),
    pd.Series([1, 2], name="x"),
    pd.DataFrame({"a": [1, 2]}),
    pd.DataFrame({"a": ["x", None]}),
    pd.Timestamp("2000"),
    Colour.RED,
    Colour.BLUE,
    Box(1),
    Box("1"),
    Box,
    inc,
    lambda x: x,
    lambda x: x + 1,
    functools.partial(inc, 1),
    functools.partial(inc, x=1),
    "foo".join,
    "bar".join,
    str.join,
]


def test_different_content_has_different_tokens():
    tokens = [tokenize(sample) for sample in SAMPLES]
    assert len(set(tokens)) == len(tokens)
    assert tokens == [tokenize(sample, ensure_deterministic=True) for sample in SAMPLES]


def test_tokens_are_the_same_in_other_processes():
    script = (
        "import numpy as np, pandas as pd, functools, operator\n"
        "from raskr.base import tokenize\n"
        "print(tokenize(1, 'a', [1.5, {'k': (None, b'x')}], {3, 1, 'z'}, np.arange(5)[::2],"
        " pd.DataFrame({'a': ['x', 'y']}), functools.partial(operator.add, 1), k=np.sin))"
    )
    tokens = {
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout for _ in "ab"
    }
    assert len(tokens) == 1
    assert len(tokens.pop().strip()) == 32


def test_order_counts_where_it_means_something():
    assert tokenize({"a": 1, 2: "b"}) == tokenize({2: "b", "a": 1})
    assert tokenize([1, 2]) != tokenize([2, 1])
    assert tokenize(1, x=2) != tokenize(1, y=2)


def test_containers_that_hold_themselves():
    a: list = [1]
    a.append(a)
    b: list = [2]
    b.append(b)
    assert tokenize(a) == tokenize(a) != tokenize(b)


def test_objects_without_content_are_refused_on_demand():
    class Stubborn:
        def __reduce__(self):
            raise RuntimeError("no")

    thing = Stubborn()
    assert tokenize(thing) != tokenize(thing)
    with raskr.config.set({"tokenize.ensure-deterministic": True}), pytest.raises(TokenizationError, match="Stubborn"):
        tokenize([thing])


def test_registered_functions_and_methods_say_what_counts():
    class Mine:
        def __init__(self, x):
            self.x = x

        def __dask_tokenize__(self):
            return "mine", self.x

    assert tokenize(Mine(1)) == tokenize(Mine(1)) != tokenize(Mine(2))
    normalize_token.register(Mine, lambda mine: "same")
    assert tokenize(Mine(1)) == tokenize(Mine(2))
