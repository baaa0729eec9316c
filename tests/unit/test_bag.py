"""Bags: what each name does, how steps become tasks, files that are read and written, and who computes."""

import bz2
import gc
import gzip
import lzma
import operator
import os
import pickle
import random
import zipfile

import pytest

import raskr
import raskr.bag as db
from raskr.bag.fuse import optimize
from raskr.bag.random import _sample_map_partitions
from raskr.bag.shuffle import stable_hash
from raskr.bag.text import Block, count_lines, read_block
from raskr.bytes.utils import compress as compressions


@pytest.fixture(autouse=True)
def one_process():
    with raskr.config.set(scheduler="sync"):
        yield


def is_even(x):
    return x % 2 == 0


def add_all(*args, **kwargs):
    return sum(args) + sum(kwargs.values())


def tasks(*collections):
    graph = {}
    for collection in collections:
        graph.update(collection.__dask_graph__())
    return optimize(graph, [collection.__dask_keys__() for collection in collections])


# --- making bags ------------------------------------------------------------------------------------------------------
def test_from_sequence_cuts_evenly():
    assert db.from_sequence(range(10), npartitions=4).map_partitions(lambda p: [len(p)]).compute() == [3, 3, 3, 1]
    assert db.from_sequence(range(10), partition_size=4).npartitions == 3
    assert db.from_sequence([]).compute() == []
    assert db.from_sequence([], npartitions=3).npartitions == 1
    assert db.from_sequence(range(100)).npartitions == 100
    with pytest.raises(ValueError, match="partition_size must be at least 1, got 0"):
        db.from_sequence([1], partition_size=0)


def test_elements_that_look_like_tasks_and_keys_stay_as_they_are():
    elements = [(sum, [1, 2]), sum, "x", ("x", 0), {"x": (len, "abc")}]
    bag = db.from_sequence(elements, npartitions=1)
    assert bag.compute() == elements
    assert bag.persist().map(lambda x: x).compute() == elements
    both = db.concat([db.Bag({("x", 0): [1]}, "x", 1), bag])
    assert both.compute() == [1, *elements]


def test_names_are_tokens():
    bag = db.range(10, npartitions=2)
    assert bag.map(is_even).name == bag.map(is_even).name != bag.map(str).name
    assert bag.map(is_even).name.startswith("is_even-")
    assert bag.filter(is_even).name != bag.remove(is_even).name
    assert bag.sum().key == bag.sum().key != bag.sum(split_every=2).key
    assert bag.random_sample(0.5).name != bag.random_sample(0.5).name
    assert repr(bag.frequencies()) == "raskr.bag<dictitems, npartitions=1>"


def test_a_class_of_users_stays_with_its_bags():
    class Dicts(db.Bag):
        def get(self, key):
            return self.map(lambda d: d[key])

    bag = Dicts(*db.from_sequence([{"a": {"b": 1}}])._args)
    assert bag.get("a").get("b").compute() == [1]


def test_range_has_as_many_partitions_as_elements_at_most():
    assert db.range(5, npartitions=2).map_partitions(lambda p: [len(p)]).compute() == [2, 3]
    with pytest.raises(ValueError, match="from 1 to the number of elements, 10; got 100"):
        db.range(10, npartitions=100)


def test_from_delayed_takes_iterators_once():
    part = raskr.delayed(lambda n: (i for i in range(n)), pure=False)
    bag = db.from_delayed([part(3), part(2)])
    assert raskr.compute(bag.count(), bag.sum(), bag) == (5, 4, [0, 1, 2, 0, 1])
    with pytest.raises(TypeError, match="expected Delayed values, got int"):
        db.from_delayed([1])


# --- element by element -----------------------------------------------------------------------------------------------
def test_map_takes_bags_items_delayed_values_and_constants():
    bag, other = db.range(6, npartitions=2), db.range(6, npartitions=2).map(lambda x: 10 * x)
    numbers, tens = list(range(6)), [10 * x for x in range(6)]
    assert bag.map(add_all, other).compute() == [x + y for x, y in zip(numbers, tens)]
    assert bag.map(add_all, 1, other, k=other).compute() == [x + 1 + 2 * y for x, y in zip(numbers, tens)]
    assert bag.map(add_all, bag.sum(), k=raskr.delayed(100)).compute() == [x + 115 for x in numbers]
    assert db.map(add_all, a=bag, b=bag.max()).compute() == [x + 5 for x in numbers]
    assert bag.map(add_all, bag).compute() == [2 * x for x in numbers]
    assert db.zip(bag, other).starmap(add_all, k=bag.max()).compute() == [x + y + 5 for x, y in zip(numbers, tens)]


def test_map_refuses_partitions_that_do_not_match():
    with pytest.raises(ValueError, match="same number of partitions"):
        db.map(add_all, db.range(6, npartitions=2), db.range(6, npartitions=3))
    with pytest.raises(ValueError, match="aren't identically partitioned"):
        db.map(add_all, db.range(6, npartitions=2), db.range(7, npartitions=2)).compute()
    with pytest.raises(ValueError, match="At least one argument must be a Bag"):
        db.map(add_all, 1, 2)


def test_map_partitions_gives_lists():
    bag = db.range(6, npartitions=2).map(str)
    assert bag.map_partitions(lambda part: [type(part).__name__, len(part)]).compute() == ["list", 3, "list", 3]
    assert bag.map_partitions(len).compute() == [3, 3]
    assert bag.map_partitions(lambda a, b: [a == b], bag).compute() == [True, True]


def test_pluck_of_lists_and_missing_items():
    bag = db.from_sequence([{"a": 1, "b": 2}, {"a": 3}])
    assert bag.pluck("a").compute() == [1, 3]
    assert bag.pluck(["a", "b"], 0).compute() == [(1, 2), (3, 0)]
    with pytest.raises(KeyError):
        bag.pluck("b").compute()


def test_str_methods():
    bag = db.from_sequence(["Alice Smith", "Bob Jones"], npartitions=2)
    assert bag.str.split().compute() == [["Alice", "Smith"], ["Bob", "Jones"]]
    assert bag.str.match("*Smith").str.upper().compute() == ["ALICE SMITH"]
    assert {"split", "match"} <= set(dir(bag.str))
    with pytest.raises(AttributeError, match="str has no method 'sing'"):
        operator.attrgetter("sing")(bag.str)


def test_take_reads_no_more_than_it_must():
    seen = []
    bag = db.range(100, npartitions=4).map(lambda x: seen.append(x) or x)
    assert bag.take(3) == (0, 1, 2)
    assert seen == [0, 1, 2]
    assert bag.take(26, npartitions=2)[-1] == 25
    with pytest.warns(UserWarning, match="30 elements requested, only 25"):
        bag.take(30)
    with pytest.raises(ValueError, match="only 4 partitions, take received 5"):
        bag.take(1, npartitions=5)


def test_random_sample_is_the_same_again():
    bag = db.range(1000, npartitions=4)
    sample = bag.random_sample(0.3)
    assert sample.compute() == sample.compute()
    assert bag.random_sample(0.3, 5).compute() == bag.random_sample(0.3, 5).compute()
    assert bag.random_sample(0).compute() == [] and bag.random_sample(1).count().compute() == 1000
    with pytest.raises(ValueError, match="interval"):
        bag.random_sample(1.5)


# --- reductions -------------------------------------------------------------------------------------------------------
def test_reductions_of_partitions_without_elements():
    empty = db.range(4, npartitions=4).filter(lambda x: x > 9)
    assert (empty.sum().compute(), empty.count().compute(), empty.any().compute(), empty.all().compute()) == (
        0,
        0,
        False,
        True,
    )
    assert empty.topk(2).compute() == empty.distinct().compute() == empty.frequencies().compute() == []
    for name, error in (("max", ValueError), ("mean", ZeroDivisionError), ("var", ZeroDivisionError)):
        with pytest.raises(error):
            getattr(empty, name)().compute()


def test_a_tree_of_more_than_two_levels():
    bag = db.range(1000, npartitions=100)
    for split_every in (None, False, 2, 3):
        assert bag.sum(split_every=split_every).compute() == 499500
        counts = bag.map(lambda x: x % 7).frequencies(split_every=split_every).compute()
        assert dict(counts) == {i: len(range(i, 1000, 7)) for i in range(7)}
        totals = dict(bag.foldby(is_even, operator.add, 0, split_every=split_every).compute())
        assert totals == {True: 249500, False: 250000}
    with pytest.raises(ValueError, match="at least 2, got 1"):
        bag.sum(split_every=1)


def test_variance_does_not_cancel():
    bag = db.from_sequence([1e9 + x for x in range(10)], npartitions=3)
    assert bag.var().compute() == pytest.approx(8.25, rel=1e-12)
    assert bag.std(ddof=1).compute() == pytest.approx((82.5 / 9) ** 0.5, rel=1e-12)


def test_fold_does_not_change_what_it_begins_with():
    initial: set = set()

    def put(total, x):
        total.add(x)
        return total

    folded = db.range(6, npartitions=3).fold(put, set.union, initial=initial)
    assert folded.compute() == set(range(6)) and initial == set()


def test_items_are_numbers():
    bag = db.range(5, npartitions=2)
    assert (int(bag.mean()), float(bag.sum()), complex(bag.max()), bool(bag.min())) == (2, 10.0, 4 + 0j, False)
    assert bag.sum().apply(str).to_delayed().compute() == "10"
    assert db.Item.from_delayed(raskr.delayed(3)).compute() == 3


# --- bringing together ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shuffle", ["disk", "tasks"])
@pytest.mark.parametrize("npartitions,wanted,branch", [(1, 1, 2), (4, 2, 2), (7, 11, 3), (30, 30, 4)])
def test_groups(shuffle, npartitions, wanted, branch):
    bag = db.range(300, npartitions=npartitions)
    groups = bag.groupby(lambda x: x % 13, npartitions=wanted, shuffle=shuffle, max_branch=branch, blocksize=50)
    assert groups.npartitions == wanted
    assert dict(groups.compute()) == {i: list(range(i, 300, 13)) for i in range(13)}


def test_groups_of_keys_that_are_equal_are_one_group():
    bag = db.from_sequence([1, 1.0, True, "a", None, (1, "a"), (1.0, "a")], npartitions=7)
    for shuffle in ("disk", "tasks"):
        groups = bag.groupby(lambda x: x, shuffle=shuffle).compute()
        assert sorted(len(elements) for _, elements in groups) == [1, 1, 2, 3]
    assert stable_hash("a") != stable_hash(b"a")


def test_the_files_of_groups_go_with_the_computation(tmp_path):
    with raskr.config.set({"temporary-directory": str(tmp_path)}):
        groups = db.range(100, npartitions=4).groupby(is_even, shuffle="disk")
        assert len(groups.compute()) == 2
        gc.collect()
        assert os.listdir(tmp_path) == []
        assert len(groups.compute()) == 2


def test_groupby_takes_elements_that_only_cloudpickle_takes():
    bag = db.range(4, npartitions=2).map(lambda x: (x % 2, lambda: x))
    groups = dict(bag.groupby(0, shuffle="disk").compute())
    assert sorted(function() for _, function in groups[1]) == [1, 3]


def test_join_and_product():
    bag = db.from_sequence(["a", "bb", "cc"], npartitions=2)
    expected = [(1, "a"), (2, "bb"), (2, "cc")]
    other = [1, 2, 3]
    for each in (other, raskr.delayed(other), db.from_sequence(other, npartitions=1), iter(other)):
        assert bag.join(each, on_self=len, on_other=lambda x: x).compute() == expected
    with pytest.raises(NotImplementedError, match="one partition, got 3 partitions"):
        bag.join(db.range(3, npartitions=3), len)
    with pytest.raises(TypeError, match="got int"):
        bag.join(5, len)
    assert set(bag.product(bag)) == {(x, y) for x in bag for y in bag}


def test_accumulate_over_partitions_without_elements():
    parts = [[], [1, 2, 3], [], [4, 5], []]
    bag = db.Bag({("parts", i): part for i, part in enumerate(parts)}, "parts", 5)
    assert bag.accumulate(operator.add).compute() == [1, 3, 6, 10, 15]
    assert bag.accumulate(operator.add, -1).compute() == [-1, 0, 2, 5, 9, 14]


def test_repartition():
    bag = db.range(20, npartitions=5)
    for npartitions in (1, 2, 3, 5, 7, 20):
        again = bag.repartition(npartitions=npartitions)
        assert (again.npartitions, again.compute()) == (npartitions, list(range(20)))
    small = bag.repartition(partition_size=100)
    assert small.npartitions > 5 and small.compute() == list(range(20))
    assert bag.repartition(partition_size="1 MB").npartitions == 1
    with pytest.raises(ValueError, match="exactly one"):
        bag.repartition(2, partition_size=3)


def test_samples():
    bag = db.from_sequence(range(10), partition_size=9)
    assert sorted(db.random.sample(bag, 10).compute()) == list(range(10))
    assert len(db.random.choices(bag, 25).compute()) == 25
    assert db.random.sample(bag, 0).compute() == []
    with pytest.raises(ValueError, match="Sample larger than population"):
        db.random.sample(bag, 11).compute()


def test_a_reservoir_gives_every_element_the_same_chance():
    random.seed(3)
    counts = [0] * 10
    for _ in range(4000):
        for element in _sample_map_partitions(iter(range(10)), 3)[0]:
            counts[element] += 1
    # 1200 expected, with a standard deviation of 29.
    assert all(1050 < count < 1350 for count in counts)


# --- tasks ------------------------------------------------------------------------------------------------------------
def test_steps_upon_steps_are_one_task_a_partition():
    bag = (
        db.range(10, npartitions=3).map(str).filter(str.isdigit).map(int).remove(is_even).map(lambda x: (x, x)).pluck(0)
    )
    assert len(tasks(bag)) == 3
    assert len(tasks(bag.sum())) == 4
    assert len(tasks(bag.frequencies().topk(3))) == 4
    functions = {id(task[0]) for key, task in tasks(bag.sum()).items() if key != bag.sum().key}
    assert len(functions) == 1


def test_a_bag_that_is_wanted_twice_is_computed_once():
    seen = []
    bag = db.range(40, npartitions=20).map(lambda x: seen.append(x) or x)
    count, first = raskr.compute(bag.count(), bag.take(5, npartitions=-1, compute=False))
    assert (count, first, len(seen)) == (40, [0, 1, 2, 3, 4], 40)
    # One task reads the partition and makes both partial results of it.
    assert len(tasks(bag.count(), bag.take(5, npartitions=-1, compute=False))) == 20 + 3 + 2
    seen.clear()
    doubled, same = raskr.compute(bag.map(lambda x: 2 * x), bag)
    assert (doubled, same, len(seen)) == ([2 * x for x in range(40)], list(range(40)), 40)


def test_a_bag_within_its_own_concatenation_is_computed_once():
    seen = []
    bag = db.range(4, npartitions=2).map(lambda x: seen.append(x) or x)
    assert db.concat([bag, bag]).map(str).compute() == list("01230123")
    assert len(seen) == 4


def test_chains_of_any_length():
    bag = db.range(4, npartitions=2)
    for _ in range(3000):
        bag = bag.map(abs)
    assert bag.compute() == [0, 1, 2, 3]
    assert len(tasks(bag)) == 2 * 30 + 2
    assert pickle.loads(pickle.dumps(bag)).sum().compute() == 6


def test_optimize_keeps_keys():
    middle = db.range(10, npartitions=2).map(str)
    last = middle.map(int)
    graph = optimize(last.__dask_graph__(), last.__dask_keys__(), fuse_keys=middle.__dask_keys__())
    assert set(middle.__dask_keys__()) <= set(graph)
    with raskr.config.set(bag_optimize=False):
        assert last.compute() == list(range(10))


def test_bags_are_collections():
    bag = db.range(4, npartitions=2).map(str)
    assert pickle.loads(pickle.dumps(bag.map(int))).compute() == [0, 1, 2, 3]
    assert pickle.loads(pickle.dumps(bag.count())).compute() == 4
    groups = bag.groupby(len, shuffle="disk")
    assert pickle.loads(pickle.dumps(groups)).compute() == [(1, ["0", "1", "2", "3"])]
    assert raskr.get(bag.__dask_graph__(), bag.__dask_keys__()) == (["0", "1"], ["2", "3"])
    assert raskr.delayed(len)(bag).compute() == 4
    assert bag.persist().map(int).sum().compute() == 6
    assert bag.count().persist().compute() == 4
    assert db.from_delayed(bag.to_delayed()).compute() == list("0123")
    assert db.Bag.__dask_scheduler__ is raskr.multiprocessing.get


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_schedulers(scheduler):
    bag = db.from_sequence([f"word{i % 5}" for i in range(40)], npartitions=4)
    total = {f"word{i}": 8 for i in range(5)}
    counts, groups = raskr.compute(
        bag.frequencies(), bag.groupby(lambda word: word, shuffle="disk"), scheduler=scheduler, num_workers=2
    )
    assert dict(counts) == total and {word: len(found) for word, found in groups} == total


# --- text -------------------------------------------------------------------------------------------------------------
TEXT = "one\ntwo\r\nthree\rfour\n\nlast"
LINES = ["one\n", "two\n", "three\n", "four\n", "\n", "last"]


def write(path, data):
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return str(path)


def test_read_text_reads_the_line_ends_of_all_systems(tmp_path):
    path = write(tmp_path / "a.txt", TEXT)
    assert db.read_text(path).compute() == LINES
    assert db.read_text(path).count().compute() == len(LINES)
    assert db.read_text(path, linedelimiter="\n").compute() == ["one\n", "two\r\n", "three\rfour\n", "\n", "last"]
    assert db.read_text(path, linedelimiter="\n").count().compute() == 5
    assert db.read_text(path, linedelimiter="").compute() == ["one\n", "two\r\n", "three\r", "four\n", "\n", "last"]


@pytest.mark.parametrize("delimiter", [None, "\n", "\r\n", "r", "ee\rf"])
@pytest.mark.parametrize("blocksize", range(1, 30, 3))
def test_blocks_have_every_line_once(tmp_path, blocksize, delimiter):
    path = write(tmp_path / "a.txt", TEXT)
    whole = db.read_text(path, linedelimiter=delimiter)
    cut = db.read_text(path, blocksize=blocksize, linedelimiter=delimiter)
    assert cut.compute() == whole.compute()
    assert "".join(cut.compute()) == (TEXT.replace("\r\n", "\n").replace("\r", "\n") if delimiter is None else TEXT)
    assert cut.count().compute() == whole.count().compute() == len(whole.compute())


def test_read_text_of_several_files(tmp_path):
    for i in range(11):
        write(tmp_path / f"{i}.log", f"{i}\n")
    bag = db.read_text(tmp_path / "*.log", files_per_partition=4)
    assert bag.npartitions == 3
    assert bag.map(int).compute() == list(range(11))
    assert bag.count().compute() == 11
    pairs = db.read_text([str(tmp_path / "3.log"), str(tmp_path / "1.log")], include_path=True)
    assert [(line, os.path.basename(path)) for line, path in pairs] == [("3\n", "3.log"), ("1\n", "1.log")]
    parts = db.read_text(str(tmp_path / "1*.log"), collection=False)
    assert [part.compute() for part in parts] == [["1\n"], ["10\n"]]
    for match, arguments in {
        "No files found": {"urlpath": str(tmp_path / "*.none")},
        "Only one of blocksize or files_per_partition": {
            "urlpath": str(tmp_path / "1.log"),
            "blocksize": 5,
            "files_per_partition": 2,
        },
        "Compression type foo not supported": {"urlpath": str(tmp_path / "1.log"), "compression": "foo"},
    }.items():
        with pytest.raises(ValueError, match=match):
            db.read_text(**arguments)
    with pytest.raises(ValueError, match="No files found"):
        db.read_text([tmp_path / "*.none"])


def test_what_is_no_text_is_not_counted_either(tmp_path):
    path = write(tmp_path / "a.txt", b"a\n\xff\xff\n" * 5)
    for lines in (db.read_text(path), db.read_text(path).count()):
        with pytest.raises(UnicodeDecodeError, match=r"at byte 2 of the text of .*a\.txt"):
            lines.compute()
    assert db.read_text(path, errors="replace").count().compute() == 10


@pytest.mark.parametrize("encoding,errors", [("shift_jis", "strict"), ("ascii", "backslashreplace")])
def test_what_the_engine_does_not_decode_python_does(tmp_path, encoding, errors):
    data = "ｱ\nイ\r\nc".encode("shift_jis")
    path = write(tmp_path / "a.txt", data)
    expected = data.decode(encoding, errors).replace("\r\n", "\n").splitlines(keepends=True)
    lines = db.read_text(path, encoding=encoding, errors=errors)
    assert (lines.compute(), lines.count().compute()) == (expected, 3)
    blocks = db.read_text(path, encoding=encoding, errors=errors, blocksize=2)
    assert (blocks.compute(), blocks.count().compute()) == (expected, 3)


def test_lines_are_counted_without_other_processes(tmp_path):
    def start_none():
        raise AssertionError("a process was started")

    path = write(tmp_path / "a.txt", "a\n" * 100)
    for bag in (db.read_text(path), db.read_text(path, blocksize=20)):
        assert bag.count().compute(scheduler="processes", initializer=start_none) == 100
    with pytest.raises(Exception, match="a process was started|initializer"):
        db.read_text(path).map(len).count().compute(scheduler="processes", initializer=start_none)


def test_a_file_that_changed_has_another_name(tmp_path):
    path = write(tmp_path / "a.txt", "a")
    name = db.read_text(path).name
    assert db.read_text(path).name == name
    write(tmp_path / "a.txt", "ab")
    assert db.read_text(path).name != name


@pytest.mark.parametrize(
    "ending,compress",
    [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress), ("zip", compressions["zip"])],
)
def test_compressed_files(tmp_path, ending, compress):
    data = b"".join(b"line %d\n" % i for i in range(20000))
    path = write(tmp_path / f"a.{ending}", compress(data))
    bag = db.read_text(path)
    assert bag.count().compute() == 20000
    assert bag.take(2) == ("line 0\n", "line 1\n")
    assert "".join(bag.compute()).encode() == data
    with pytest.raises(ValueError, match="Cannot do chunked reads on compressed files"):
        db.read_text(path, blocksize=100)
    again = bag.to_textfiles(str(tmp_path / f"again-*.{ending}"), last_endline=False)
    assert db.read_text(again).str.strip().compute()[::2] == bag.str.strip().compute()
    cut = write(tmp_path / f"cut.{ending}", compress(data)[:-100])
    for broken in (db.read_text(cut), db.read_text(cut).count()):
        message = (
            "can't be read as .* bytes of text" if ending == "zip" else r"the \w+ data end at byte \d+, in the middle"
        )
        with pytest.raises((EOFError, zipfile.BadZipFile), match=rf"cut\.{ending}: {message}"):
            broken.compute()


def test_errors_of_encoding_tell_the_place(tmp_path):
    data = "é\n".encode() * 1000 + b"\xe9\n" + b"end\n"
    path = write(tmp_path / "a.txt", data)
    for blocksize in (None, 500):
        with pytest.raises(UnicodeDecodeError, match=r"at byte 3000 of the text of .*a\.txt"):
            db.read_text(path, blocksize=blocksize).compute()
    assert db.read_text(path, errors="ignore").compute()[-2:] == ["\n", "end\n"]
    assert db.read_text(path, encoding="latin-1").count().compute() == 1002
    with pytest.raises(LookupError):
        db.read_text(path, encoding="no-such-encoding")


def test_wide_encodings(tmp_path):
    path = write(tmp_path / "a.txt", "aé\nb\nc".encode("utf-16"))
    assert db.read_text(path, encoding="utf-16").compute() == ["aé\n", "b\n", "c"]
    assert db.read_text(path, encoding="utf-16").count().compute() == 3
    assert db.read_text(path, encoding="utf-16", blocksize=4).compute() == ["aé\n", "b\n", "c"]
    with pytest.raises(ValueError, match="can't be cut at bytes"):
        db.read_text(path, encoding="utf-7", blocksize=4)


@pytest.mark.parametrize("ending", ["zst", "lz4", "snappy"])
def test_compressions_without_modules_of_python(tmp_path, ending):
    lines = [f"line {i}" for i in range(1000)]
    paths = db.from_sequence(lines, npartitions=2).to_textfiles(str(tmp_path / f"*.txt.{ending}"), last_endline=True)
    assert db.read_text(paths).compute() == [line + "\n" for line in lines]


def test_blocks_of_long_lines_are_read_in_pieces(tmp_path):
    lines = ["x" * 3_000_000 + "\n", "y\n", "z" * 1_500_000]
    path = write(tmp_path / "a.txt", "".join(lines))
    parts = db.read_text(path, blocksize=1_000_000)
    assert parts.npartitions == 5
    assert parts.compute() == lines
    block = Block(path, None, 100, 10, None, "utf-8", "strict", None)
    assert (list(read_block(block)), count_lines(block)) == ([], 0)


def test_to_textfiles(tmp_path):
    bag = db.from_sequence(["a", "b", "ü"], npartitions=2)
    paths = bag.to_textfiles(str(tmp_path / "x-*.txt.bz2"))
    assert [os.path.basename(path) for path in paths] == ["x-0.txt.bz2", "x-1.txt.bz2"]
    assert bz2.decompress((tmp_path / "x-0.txt.bz2").read_bytes()) == b"a\nb"
    bag.to_textfiles([str(tmp_path / "one"), str(tmp_path / "two")], last_endline=True, encoding="latin-1")
    assert ((tmp_path / "one").read_bytes(), (tmp_path / "two").read_bytes()) == (b"a\nb\n", b"\xfc\n")
    later = bag.to_textfiles(str(tmp_path / "folder"), compute=False)
    assert not (tmp_path / "folder").exists()
    raskr.compute(*later)
    assert sorted(os.listdir(tmp_path / "folder")) == ["0.part", "1.part"]
    with pytest.raises(ValueError, match="a path for each of 2 partitions, got 1"):
        bag.to_textfiles([str(tmp_path / "one")])
    with pytest.raises(TypeError, match="got int"):
        bag.to_textfiles(5)
    with pytest.warns(UserWarning, match="should sort to the order"):
        bag.to_textfiles(str(tmp_path / "*.x"), name_function=lambda i: "ba"[i])


def test_a_file_is_there_only_when_it_is_whole(tmp_path):
    bag = db.from_sequence(["a", 5], npartitions=1)
    with pytest.raises(TypeError, match="only str and bytes can be written as lines, got int: 5"):
        bag.to_textfiles(str(tmp_path / "*.txt"))
    assert os.listdir(tmp_path) == []


def test_what_is_missing_is_named(tmp_path):
    bag = db.from_sequence([{"a": 1}])
    with pytest.raises(AssertionError, match="have the keys 'name', 'type' and 'fields'"):
        bag.to_avro(str(tmp_path / "*.avro"), schema={"name": "x"})
    with pytest.raises((ValueError, ImportError), match="Protocol not known: nonsense|needs the package fsspec"):
        db.read_text("nonsense://a/b").compute()


def test_marks_of_missing_arguments_stay_themselves_in_other_processes():
    from raskr.bag.steps import no_result
    from raskr.typing import no_default

    assert pickle.loads(pickle.dumps((no_default, no_result))) == (no_default, no_result)


def test_lines_that_are_filtered_and_counted_are_not_handed_over(tmp_path):
    for i in range(4):
        write(tmp_path / f"{i}.txt", "a\nb\n")
    lines = db.read_text(str(tmp_path / "*.txt"))
    some = lines.filter(lambda line: line != "a\n")
    assert raskr.compute(some, some.count(), lines.count()) == (["b\n"] * 4, 4, 8)
    # Reading and filtering, counting those, counting all: four tasks each, and two sums.
    assert len(tasks(some, some.count(), lines.count())) == 14
