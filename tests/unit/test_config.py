"""Settings: names, files, variables, contexts, kinds."""

import warnings
from pathlib import Path

import pytest
import yaml

import raskr
from raskr._bridge import core
from raskr.config import (
    collect,
    collect_env,
    collect_yaml,
    deserialize,
    ensure_file,
    get,
    merge,
    pop,
    refresh,
    rename,
    serialize,
    update,
    update_defaults,
)


def test_set_is_undone_at_the_end_of_the_block():
    with raskr.config.set({"a.b": 1}, c__d=2):
        assert get("a") == {"b": 1}
        with raskr.config.set({"a.b": {"x": 1}, "a.e": 3}):
            assert get("a.b.x") == 1
        assert get("a") == {"b": 1}
        assert get("c.d") == 2
    assert get("a", default=None) is None
    assert get("c", default=None) is None


def test_what_was_got_within_a_block_stays_as_it_was():
    with raskr.config.set({"held.a": 1, "held.b.c": 2}):
        held = get("held")
    assert held["a"] == 1 and get("held", None) is None
    with raskr.config.set({"one": 1}):
        with raskr.config.set({"one.two.three": 3}):
            assert get("one.two") == {"three": 3}
        assert get("one") == 1


def test_hyphens_and_underscores_mean_the_same():
    config = {"x-y": {"a_b": 1}}
    assert get("x_y.a-b", config=config) == 1
    with raskr.config.set({"x_y.a-b": 2}, config=config):
        assert config == {"x-y": {"a_b": 2}}
    assert pop("x_y.a-b", config=config) == 1


def test_missing_names():
    with pytest.raises(KeyError):
        get("no.such.name")
    assert get("no.such.name", default=5) == 5
    assert get("scheduler", default=None, override_with="sync") == "sync"


def test_update_priorities():
    assert update({"x": 1, "y": {"a": 1}}, {"x": 2, "y": {"a": 3, "b": 4}}, priority="old") == {
        "x": 1,
        "y": {"a": 1, "b": 4},
    }
    current, defaults = {"a": 1, "b": 2}, [{"a": 1, "b": 1}]
    update_defaults({"a": 5, "b": 5}, config=current, defaults=defaults)
    assert current == {"a": 5, "b": 2}
    assert merge({"a": None}, {"a": {"b": 1}}) == {"a": {"b": 1}}


def test_files_and_variables(tmp_path):
    (tmp_path / "b.yaml").write_text(yaml.dump({"x": 2, "y": {"b": 2}}))
    (tmp_path / "a.yaml").write_text(yaml.dump({"x": 1, "y": {"a": 1}}))
    found = collect([tmp_path], env={"RASKR_W__V": "[1, 2]", "RASKR_X": "3", "OTHER": "4"})
    assert found == {"x": 3, "y": {"a": 1, "b": 2}, "w": {"v": [1, 2]}}
    (tmp_path / "c.yaml").write_text("{")
    with pytest.raises(ValueError, match=r"c\.yaml.*is malformed"):
        list(collect_yaml([tmp_path]))
    (tmp_path / "c.yaml").write_text("[1]")
    with pytest.raises(ValueError, match="must have a dict"):
        list(collect_yaml([tmp_path]))


def test_variables_of_dask_count_but_raskrs_win():
    assert collect_env({"DASK_A": "1", "DASK_B": "none", "RASKR_A": "2"}) == {"a": 2, "b": None}
    assert collect_env({"RASKR_INTERNAL_INHERIT_CONFIG": serialize({"a": {"b": 1}})}) == {"a": {"b": 1}}
    assert collect_env({"RASKR_TOKEN": "0" * 64, "RASKR_A": "2"}) == {"a": 2}, "a secret is no setting"


def test_refresh_forgets_what_was_set():
    config: dict = {}
    refresh(config=config, defaults=[{"a": 1}], paths=[], env={"RASKR_B": "2"})
    assert config == {"a": 1, "b": 2}
    raskr.config.set({"a": 5}, config=config)
    refresh(config=config, defaults=[{"a": 1}], paths=[], env={})
    assert config == {"a": 1}


def test_serialized_settings_come_back():
    data = {"a": [1, {"b": None}]}
    assert deserialize(serialize(data)) == data


def test_old_names_are_moved_with_a_warning():
    config = {"old-name": 1, "kept": 2}
    with pytest.warns(FutureWarning, match=r"new\.name"):
        assert rename({"old_name": "new.name"}, config) == {"old_name": "new.name"}
    assert config == {"new": {"name": 1}, "kept": 2}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert rename({"gone": "x"}, config) == {}


def test_ensure_file_writes_comments_once(tmp_path):
    source = tmp_path / "mine.yaml"
    source.write_text("a: 1\n")
    folder = tmp_path / "config"
    ensure_file(source, folder)
    assert (folder / "mine.yaml").read_text() == "# a: 1\n"
    source.write_text("a: 2\n")
    ensure_file(source, folder, comment=False)
    assert (folder / "mine.yaml").read_text() == "# a: 1\n"


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("num_workers", "four", TypeError),
        ("num_workers", True, TypeError),
        ("memory-limit", "a lot", ValueError),
        ("memory-limit", [1], TypeError),
        ("temporary-directory", 5, TypeError),
    ],
)
def test_values_of_the_wrong_kind_are_named_when_used(name, value, kind):
    with raskr.config.set({name: value}), pytest.raises(kind, match=rf"setting \"{name}\" = .*: expected"):
        raskr.delayed(abs)(1).compute()


def test_the_table_of_settings_and_its_page_agree():
    page = Path(__file__).parents[2] / "docs" / "settings.md"
    assert page.read_text() == core.settings_reference(), "run: python -m raskr.config > docs/settings.md"
    for name, _kind, default, _doc in core.settings():
        assert get(name, default=None) in (default, None) or name in ("delayed_pure",)
