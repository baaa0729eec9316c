"""Properties of bags: whatever the partitions, the answers are those of plain Python on one list."""

import itertools
import operator
import statistics
from collections import Counter
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import raskr
import raskr.bag as db
from raskr.bag.text import Block, count_lines, read_block

NUMBERS = st.integers(-50, 50)
PARTS = st.lists(st.lists(NUMBERS, max_size=6), min_size=1, max_size=6)


def bag_of(parts):
    return db.Bag({("parts", i): list(part) for i, part in enumerate(parts)}, "parts", len(parts))


def flat(parts):
    return list(itertools.chain.from_iterable(parts))


def computed(collection):
    return collection.compute(scheduler="sync")


STEPS = {
    "map": (lambda b: b.map(lambda x: x + 1), lambda xs: [x + 1 for x in xs]),
    "filter": (lambda b: b.filter(lambda x: x % 3), lambda xs: [x for x in xs if x % 3]),
    "remove": (lambda b: b.remove(lambda x: x % 2), lambda xs: [x for x in xs if not x % 2]),
    "pairs": (lambda b: b.map(lambda x: (x, -x)).pluck(1), lambda xs: [-x for x in xs]),
    "flatten": (lambda b: b.map(lambda x: [x, x]).flatten(), lambda xs: [x for x in xs for _ in "ab"]),
    "starmap": (lambda b: b.map(lambda x: (x, 2)).starmap(operator.mul), lambda xs: [2 * x for x in xs]),
    "accumulate": (lambda b: b.accumulate(operator.add), lambda xs: list(itertools.accumulate(xs))),
    "halves": (lambda b: b.repartition(npartitions=max(1, b.npartitions // 2)), lambda xs: xs),
    "twice": (lambda b: b.repartition(npartitions=2 * b.npartitions), lambda xs: xs),
    "itself": (lambda b: b.map(operator.add, b), lambda xs: [2 * x for x in xs]),
    "concat": (lambda b: db.concat([b, b]), lambda xs: xs + xs),
    "minus least": (lambda b: b.map(operator.sub, b.fold(min, initial=0)), lambda xs: [x - min([0, *xs]) for x in xs]),
}


@settings(deadline=None)
@given(parts=PARTS, steps=st.lists(st.sampled_from(sorted(STEPS)), max_size=5))
def test_chains_of_steps(parts, steps):
    bag, expected = bag_of(parts), flat(parts)
    for step in steps:
        lazy, plain = STEPS[step]
        bag, expected = lazy(bag), plain(expected)
    several = raskr.compute(bag, bag.count(), bag.take(3, npartitions=-1, compute=False, warn=False), scheduler="sync")
    assert several[0] == expected
    assert several[1] == len(expected)
    assert list(several[2]) == expected[:3]


@settings(deadline=None)
@given(parts=PARTS, split_every=st.sampled_from([None, False, 2, 3]))
def test_reductions(parts, split_every):
    bag, xs = bag_of(parts), flat(parts)
    assert computed(bag.sum(split_every)) == sum(xs)
    assert computed(bag.any(split_every)) == any(xs)
    assert computed(bag.all(split_every)) == all(xs)
    assert computed(bag.distinct()) == list(dict.fromkeys(xs))
    assert computed(bag.frequencies(split_every)) == list(Counter(xs).items())
    assert computed(bag.topk(3, split_every=split_every)) == sorted(xs, reverse=True)[:3]
    assert computed(bag.topk(2, key=abs)) == sorted(xs, key=abs, reverse=True)[:2]
    assert computed(bag.fold(operator.add, initial=0, split_every=split_every)) == sum(xs)
    totals = {key: sum(x for x in xs if x % 4 == key) for key in {x % 4 for x in xs}}
    assert dict(computed(bag.foldby(lambda x: x % 4, operator.add, split_every=split_every))) == totals
    if xs:
        assert computed(bag.max(split_every)) == max(xs)
        assert computed(bag.min(split_every)) == min(xs)
        assert computed(bag.mean()) == pytest.approx(statistics.fmean(xs))
        assert computed(bag.var()) == pytest.approx(statistics.pvariance(xs), abs=1e-9)
        assert computed(bag.reduction(max, max)) == reduce(max, xs)


@settings(deadline=None, max_examples=50)
@given(
    parts=PARTS,
    npartitions=st.integers(1, 9),
    branch=st.integers(2, 4),
    blocksize=st.integers(1, 5),
    shuffle=st.sampled_from(["disk", "tasks"]),
)
def test_groups(parts, npartitions, branch, blocksize, shuffle):
    expected: dict = {}
    for x in flat(parts):
        expected.setdefault(x % 7, []).append(x)
    groups = bag_of(parts).groupby(
        lambda x: x % 7, npartitions=npartitions, max_branch=branch, blocksize=blocksize, shuffle=shuffle
    )
    assert dict(computed(groups)) == expected
    assert groups.npartitions == npartitions


@settings(deadline=None, max_examples=50)
@given(parts=PARTS, k=st.integers(0, 40))
def test_samples(parts, k):
    xs = Counter(flat(parts))
    bag = bag_of(parts)
    if k > sum(xs.values()):
        with pytest.raises(ValueError, match="larger than population"):
            computed(db.random.sample(bag, k))
    else:
        found = computed(db.random.sample(bag, k))
        assert len(found) == k and not Counter(found) - xs
    if xs:
        chosen = computed(db.random.choices(bag, k))
        assert len(chosen) == k and set(chosen) <= set(xs)


@settings(deadline=None)
@given(
    text=st.text(st.sampled_from("ab\r\né\u2028"), max_size=40),
    delimiter=st.sampled_from([None, "\n", "ab", "é"]),
    blocksize=st.integers(1, 20),
)
def test_blocks_of_text_have_every_line_once(tmp_path_factory, text, delimiter, blocksize):
    path = tmp_path_factory.mktemp("text") / "a.txt"
    path.write_bytes(text.encode())
    whole = Block(str(path), None, 0, None, delimiter, "utf-8", "strict", None)
    lines = list(read_block(whole))
    plain = text.replace("\r\n", "\n").replace("\r", "\n") if delimiter is None else text
    assert "".join(lines) == plain
    assert all(line.count(delimiter or "\n") == 1 and line.endswith(delimiter or "\n") for line in lines[:-1])
    assert count_lines(whole) == len(lines)
    cut = db.read_text(str(path), blocksize=blocksize, linedelimiter=delimiter)
    assert computed(cut) == lines
    assert computed(cut.count()) == len(lines)
