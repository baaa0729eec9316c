"""Settings: `raskr.config.get`, `set`, YAML files and variables of the environment.

The names, defaults and meanings of raskr's own settings come from one table in the engine; anything else may be set
beside them. Names use dots for levels; hyphens and underscores mean the same.
"""

import ast
import base64
import builtins
import json
import os
import site
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from raskr._bridge import core

__all__ = [
    "canonical_name",
    "collect",
    "collect_env",
    "collect_yaml",
    "config",
    "deserialize",
    "ensure_file",
    "expand_environment_variables",
    "get",
    "merge",
    "paths_containing_key",
    "pop",
    "refresh",
    "rename",
    "serialize",
    "set",
    "update",
    "update_defaults",
]

no_default = object()


def _get_paths() -> list[str]:
    """Where YAML files are looked for, the most important place last."""
    paths = [
        os.getenv("RASKR_ROOT_CONFIG", "/etc/raskr"),
        os.path.join(sys.prefix, "etc", "raskr"),
        *(os.path.join(prefix, "etc", "raskr") for prefix in site.PREFIXES),
        os.path.join(os.path.expanduser("~"), ".config", "raskr"),
    ]
    own = os.getenv("RASKR_CONFIG")
    if own is not None:
        paths.append(own)
    # Where a place is named twice, the more important mention counts.
    return list(reversed(dict.fromkeys(reversed(paths))))


paths = _get_paths()
PATH = os.environ.get("RASKR_CONFIG", os.path.join(os.path.expanduser("~"), ".config", "raskr"))

config: dict[str, Any] = {}
global_config = config
config_lock = threading.Lock()
defaults: list[Mapping] = []

# Names that were in use once; None for a setting that is gone.
deprecations: dict[str, str | None] = {
    "fuse_ave_width": "optimization.fuse.ave-width",
    "fuse_max_height": "optimization.fuse.max-height",
    "fuse_max_width": "optimization.fuse.max-width",
    "fuse_subgraphs": "optimization.fuse.subgraphs",
    "fuse_rename_keys": "optimization.fuse.rename-keys",
    "fuse_max_depth_new_edges": "optimization.fuse.max-depth-new-edges",
}


def canonical_name(key: str, config: Mapping) -> str:
    """The spelling of a name that a mapping uses: with hyphens or with underscores.

    Examples
    --------
    >>> import raskr
    >>> raskr.config.canonical_name("chunk_size", {"chunk-size": 1})
    'chunk-size'
    """
    try:
        if key in config:
            return key
    except TypeError:
        return key
    other = key.replace("_", "-") if "_" in key else key.replace("-", "_")
    return other if other in config else key


def update(
    old: dict,
    new: Mapping,
    priority: Literal["old", "new", "new-defaults"] = "new",
    defaults: Mapping | None = None,
) -> dict:
    """Put the values of one nested mapping into another, which is changed.

    Parameters
    ----------
    old : dict
        The mapping to change.
    new : mapping
        The values to put there.
    priority : {'new', 'old', 'new-defaults'}
        Whose value stays where both have one; with 'new-defaults', an old value goes where it is what `defaults` has.

    Examples
    --------
    >>> import raskr
    >>> raskr.config.update({"x": 1, "y": {"a": 2}}, {"x": 3, "y": {"b": 4}})
    {'x': 3, 'y': {'a': 2, 'b': 4}}
    """
    for key, value in new.items():
        key = canonical_name(key, old)
        if isinstance(value, Mapping):
            if key not in old or old[key] is None or not isinstance(old[key], dict):
                old[key] = {}
            inner = defaults.get(key) if defaults else None
            update(old[key], value, priority=priority, defaults=inner if isinstance(inner, Mapping) else None)
        elif (
            priority == "new"
            or key not in old
            or (priority == "new-defaults" and defaults and key in defaults and defaults[key] == old[key])
        ):
            old[key] = value
    return old


def merge(*dicts: Mapping) -> dict:
    """One nested mapping of many; later ones win.

    Examples
    --------
    >>> import raskr
    >>> raskr.config.merge({"x": 1, "y": {"a": 2}}, {"y": {"b": 3}})
    {'x': 1, 'y': {'a': 2, 'b': 3}}
    """
    merged: dict = {}
    for each in dicts:
        update(merged, each)
    return merged


def _load(path: str | os.PathLike) -> Mapping | None:
    # Most users have no such file, and none of these modules.
    import yaml

    try:
        with open(path) as file:
            content = yaml.safe_load(file.read())
    except OSError:
        # What may not be read was not meant for this user.
        return None
    except Exception as error:
        raise ValueError(
            f"A raskr config file at {str(path)!r} is malformed, original error message:\n\n{error}"
        ) from None
    if content is not None and not isinstance(content, dict):
        raise ValueError(
            f"A raskr config file at {str(path)!r} is malformed - config files must have a dict as the top level "
            f"object, got a {type(content).__name__} instead"
        )
    return content


def collect_yaml(paths: Sequence = paths, *, return_paths: bool = False) -> Iterator:
    """Read the YAML files of some folders or paths, the most important last.

    Parameters
    ----------
    paths : sequence of paths
        Files, or folders whose `.yaml`, `.yml` and `.json` files are read in alphabetical order.
    return_paths : bool
        Give `(path, content)` for each file instead of the content alone.
    """
    for path in paths:
        files = [path]
        if os.path.isdir(path):
            try:
                names = sorted(os.listdir(path))
            except OSError:
                continue
            endings = (".json", ".yaml", ".yml")
            files = [os.path.join(path, name) for name in names if os.path.splitext(name)[1].lower() in endings]
        elif not os.path.exists(path):
            continue
        for file in files:
            content = _load(file)
            if content is not None:
                yield (file, content) if return_paths else content


def paths_containing_key(key: str, paths: Sequence = paths) -> Iterator:
    """The YAML files that set a name."""
    for path, content in collect_yaml(paths, return_paths=True):
        try:
            get(key, config=content)
        except KeyError:
            continue
        yield path


_WORDS = {"none": None, "null": None, "true": True, "false": False}


def interpret_value(value: str) -> Any:
    """The Python value that a variable's text stands for; the text itself where it stands for none."""
    try:
        return ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return _WORDS.get(value.lower(), value)


def collect_env(env: Mapping[str, str] | None = None) -> dict:
    """Read settings from variables of the environment.

    `RASKR_ARRAY__CHUNK_SIZE=1MiB` sets `array.chunk-size`: two underscores for a dot. Variables that start with `DASK_`
    count as well, so that a program that was written for Dask keeps its environment; `RASKR_` ones win.
    `RASKR_INTERNAL_INHERIT_CONFIG` holds serialized settings of a parent process. `RASKR_TOKEN`, a cluster's secret, is no
    setting: settings are shown and handed on.

    Parameters
    ----------
    env : mapping, optional
        The variables; those of this process by default.

    Examples
    --------
    >>> import raskr
    >>> raskr.config.collect_env({"RASKR_NUM_WORKERS": "4", "RASKR_ARRAY__SVG__SIZE": "150"})
    {'num_workers': 4, 'array': {'svg': {'size': 150}}}
    """
    if env is None:
        env = os.environ
    found: dict = {}
    for prefix in ("DASK_", "RASKR_"):
        inherited = env.get(f"{prefix}INTERNAL_INHERIT_CONFIG")
        if inherited is not None:
            update(found, deserialize(inherited))
    for prefix in ("DASK_", "RASKR_"):
        for name, value in env.items():
            if name.startswith(prefix) and not name.endswith("_INTERNAL_INHERIT_CONFIG") and name != "RASKR_TOKEN":
                key = name[len(prefix) :].lower().replace("__", ".")
                set({key: interpret_value(value)}, config=found, _checked=False)
    return found


def collect(paths: Sequence = paths, env: Mapping[str, str] | None = None) -> dict:
    """Read settings from YAML files and from variables of the environment, which win.

    Parameters
    ----------
    paths : sequence of paths
        Files or folders of YAML files.
    env : mapping, optional
        The variables; those of this process by default.
    """
    return merge(*collect_yaml(paths), collect_env(env))


def ensure_file(source: str | os.PathLike, destination: str | os.PathLike | None = None, comment: bool = True) -> None:
    """Copy a YAML file to the folder of settings unless there is one of its name, so that users have one to edit.

    Parameters
    ----------
    source : path
        The file to copy.
    destination : path, optional
        The folder; `~/.config/raskr` by default.
    comment : bool
        Put a hash before every line, so that the copy changes nothing yet.
    """
    if destination is None:
        destination = PATH
    # A destination that is a file already is taken for the folder's file.
    if not os.path.splitext(str(destination))[1].strip("."):
        destination = os.path.join(destination, os.path.basename(source))
    if os.path.exists(destination):
        return
    try:
        os.makedirs(os.path.dirname(destination), exist_ok=True)
        with open(source) as file:
            lines = list(file)
        if comment:
            lines = [line if not line.strip() or line.startswith("#") else f"# {line}" for line in lines]
        # Written apart and renamed, so that no process ever reads half a file.
        unfinished = f"{destination}.tmp.{os.getpid()}"
        with open(unfinished, "w") as file:
            file.write("".join(lines))
        os.replace(unfinished, destination)
    except OSError:
        # A read-only home is no reason to fail: nothing depends on the copy.
        pass


class set:
    """Set values, until the end of a `with` block or for good.

    Parameters
    ----------
    arg : mapping, optional
        Values by name.
    config : dict, optional
        Another mapping to change than raskr's own.
    **kwargs
        More values; two underscores stand for a dot.

    Examples
    --------
    >>> import raskr
    >>> with raskr.config.set({"array.chunk-size": "1MiB"}, scheduler="sync"):
    ...     raskr.config.get("array.chunk-size")
    '1MiB'
    >>> raskr.config.get("array.chunk-size")
    '128MiB'
    """

    def __init__(
        self,
        arg: Mapping | None = None,
        config: dict | None = None,
        lock: threading.Lock = config_lock,
        _checked: bool = True,
        **kwargs: Any,
    ) -> None:
        if config is None:
            config = global_config
        self.config = config
        self._undo: list[tuple[str, tuple[str, ...], Any]] = []
        with lock:
            for key, value in (arg or {}).items():
                self._assign((check_deprecations(key) if _checked else key).split("."), value, config)
            for key, value in kwargs.items():
                key = key.replace("__", ".")
                self._assign((check_deprecations(key) if _checked else key).split("."), value, config)
        _changed(config)

    def __enter__(self) -> dict:
        return self.config

    def __exit__(self, *exception: object) -> None:
        for what, path, value in reversed(self._undo):
            inside = self.config
            for name in path[:-1]:
                inside = inside.setdefault(name, {})
            if what == "replace":
                inside[path[-1]] = value
            else:
                inside.pop(path[-1], None)
        _changed(self.config)

    def _assign(self, names: Sequence[str], value: Any, inside: dict) -> None:
        path: tuple[str, ...] = ()
        for place, name in enumerate(names):
            name, last = canonical_name(name, inside), place == len(names) - 1
            path = (*path, name)
            if name not in inside:
                # Levels that are new go as a whole, and are not emptied before: somebody may hold them.
                for within in reversed(names[place + 1 :]):
                    value = {within: value}
                self._undo.append(("insert", path, None))
                inside[name] = value
                return
            if last or not isinstance(inside[name], dict):
                self._undo.append(("replace", path, inside[name]))
                inside[name] = value if last else {}
            inside = inside[name]


def _changed(changed: dict) -> None:
    """Tell the engine of settings that it has to know at every call."""
    if changed is global_config:
        core.set_delayed_pure(bool(global_config.get("delayed_pure", False)))


def refresh(
    config: dict | None = None,
    defaults: list[Mapping] = defaults,
    **kwargs: Any,
) -> None:
    """Read all settings anew: defaults, YAML files, variables. What `set` changed is forgotten.

    Parameters
    ----------
    config : dict, optional
        Another mapping to fill than raskr's own.
    **kwargs
        `paths` and `env`, as `collect` takes them.
    """
    if config is None:
        config = global_config
    config.clear()
    for each in defaults:
        update(config, each, priority="old")
    update(config, collect(**kwargs))
    rename(deprecations, config)
    _changed(config)


def get(key: str, default: Any = no_default, config: Mapping | None = None, override_with: Any = None) -> Any:
    """The value of a name.

    Parameters
    ----------
    key : str
        The name, with dots between levels.
    default : object, optional
        What to give when the name has no value; KeyError otherwise.
    config : mapping, optional
        Another mapping to look into than raskr's own.
    override_with : object, optional
        A value that is given back as it is unless it is None.

    Examples
    --------
    >>> import raskr
    >>> raskr.config.get("array.chunk-size")
    '128MiB'
    >>> raskr.config.get("no.such.name", default=1)
    1
    """
    if override_with is not None:
        return override_with
    value = global_config if config is None else config
    for name in key.split("."):
        name = canonical_name(name, value)
        try:
            value = value[name]
        except (TypeError, IndexError, KeyError):
            if default is no_default:
                raise
            return default
    return value


def pop(key: str, default: Any = no_default, config: dict | None = None) -> Any:
    """Like `get`, and take the value away.

    Examples
    --------
    >>> import raskr
    >>> settings = {"x": {"y": 1}}
    >>> raskr.config.pop("x.y", config=settings), settings
    (1, {'x': {}})
    """
    inside: Any = global_config if config is None else config
    *path, last = key.split(".")
    try:
        for name in path:
            inside = inside[canonical_name(name, inside)]
        return inside.pop(canonical_name(last, inside))
    except (TypeError, AttributeError, KeyError):
        if default is no_default:
            raise
        return default


def update_defaults(new: Mapping, config: dict | None = None, defaults: list[Mapping] = defaults) -> None:
    """Add defaults, for libraries that keep their settings here.

    Parameters
    ----------
    new : mapping
        The values; those that the user has set already stay.

    Examples
    --------
    >>> import raskr
    >>> settings = {"mine": {"a": 1}}
    >>> raskr.config.update_defaults({"mine": {"a": 0, "b": 0}}, config=settings, defaults=[])
    >>> settings
    {'mine': {'a': 1, 'b': 0}}
    """
    if config is None:
        config = global_config
    current = merge(*defaults)
    defaults.append(new)
    update(config, new, priority="new-defaults", defaults=current)
    _changed(config)


def expand_environment_variables(config: Any) -> Any:
    """Replace `$NAME` in all text of a nested structure by the variable's value.

    Examples
    --------
    >>> import os, raskr
    >>> os.environ["COLOUR"] = "red"
    >>> raskr.config.expand_environment_variables({"x": [1, "$COLOUR"]})
    {'x': [1, 'red']}
    """
    if isinstance(config, Mapping):
        return {key: expand_environment_variables(value) for key, value in config.items()}
    if isinstance(config, str):
        return os.path.expandvars(config)
    if type(config) in (list, tuple, builtins.set):
        return type(config)(expand_environment_variables(value) for value in config)
    return config


def rename(deprecations: Mapping[str, str | None] = deprecations, config: dict | None = None) -> dict[str, str | None]:
    """Move values from old names to the names of today, and say so.

    Returns
    -------
    dict
        The names that were met, with those that they have now.
    """
    if config is None:
        config = global_config
    met: dict[str, str | None] = {}
    moved: dict[str, Any] = {}
    for old, new in deprecations.items():
        try:
            value = pop(old, config=config)
        except KeyError:
            continue
        met[old] = new
        if new is not None:
            moved[new] = value
        if not _has(f"ignore-deprecated.{old}" if new is None else new, config):
            _warn_deprecated(old, new)
    for new, value in moved.items():
        if not _has(new, config):
            set({new: value}, config=config, _checked=False)
    return met


def _has(key: str, config: Mapping) -> bool:
    # A level whose last name was moved elsewhere is as good as none.
    return get(key, default=None, config=config) not in (None, {})


def _warn_deprecated(old: str, new: str | None) -> None:
    if new is None:
        text = (
            f"the setting {old!r} no longer has an effect and was removed; "
            f"set 'ignore-deprecated.{old}' as well to keep it for older versions without this warning"
        )
    else:
        text = f"the setting {old!r} is deprecated: its name is {new!r} now"
    warnings.warn(text, FutureWarning, stacklevel=3)


def check_deprecations(key: str, deprecations: Mapping[str, str | None] = deprecations) -> str:
    """The name that a setting has today; ValueError for one that is gone."""
    for old, new in deprecations.items():
        if old.replace("-", "_") == key.replace("-", "_"):
            if new is None:
                raise ValueError(f"the setting {key!r} no longer exists")
            warnings.warn(f"the setting {key!r} is deprecated: its name is {new!r} now", FutureWarning, stacklevel=3)
            return new
    return key


def serialize(data: Any) -> str:
    """Settings as one word of text, to hand to another process.

    Examples
    --------
    >>> import raskr
    >>> raskr.config.deserialize(raskr.config.serialize({"a": 1}))
    {'a': 1}
    """
    return base64.urlsafe_b64encode(json.dumps(data).encode()).decode()


def deserialize(data: str) -> Any:
    """What `serialize` made the text of."""
    return json.loads(base64.urlsafe_b64decode(data.encode()).decode())


def checked(key: str, override_with: Any = None) -> Any:
    """The value of one of raskr's own settings, of the kind that the table says; TypeError or ValueError otherwise."""
    value = get(key, default=None, override_with=override_with)
    return None if value is None else core.check_setting(key, value)


def _own_defaults() -> dict:
    nested: dict = {}
    for name, _kind, default, _doc in core.settings():
        # These are read where no value means something, so that a name without a default stays unset.
        if default is None and "." not in name and name != "temporary-directory":
            continue
        set({name: default}, config=nested, _checked=False)
    return nested


update_defaults(_own_defaults())
refresh()

if __name__ == "__main__":
    print(core.settings_reference(), end="")
