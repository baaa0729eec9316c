"""Files in object stores and on web servers, which the engine reaches itself: S3, Google Cloud Storage, Azure, HTTP.

What is here has the methods of fsspec's file systems that raskr and pyarrow use. Options that only fsspec's own packages
know, and other protocols, are left to these.
"""

import contextlib
import importlib.util
import io
import os
import re
from typing import Any

from raskr._bridge import core
from raskr.utils import natural_sort_key

__all__ = ["ObjectFileSystem", "object_options"]

_AZURE = ("az", "abfs", "abfss", "adl")
_PROTOCOLS = ("s3", "s3a", "gs", "gcs", *_AZURE, "http", "https")
#: Bytes that are asked for at once where a file is read in order.
_BUFFER = 1 << 18


# --- options ------------------------------------------------------------------------------------------------------------
class _Foreign(Exception):
    """An option that only fsspec's package for the protocol knows."""


def object_options(path: str, storage_options: dict | None) -> dict[str, str] | None:
    """The options by which the engine reaches an address; None where fsspec has to.

    Parameters
    ----------
    path : str
        An address, such as ``"s3://bucket/key"``.
    storage_options : dict, optional
        As fsspec's packages (s3fs, gcsfs, adlfs) name them, or the engine's.

    Examples
    --------
    >>> from raskr.bytes.objects import object_options
    >>> object_options("gs://bucket/table.csv", {"token": "anon"})
    {'skip_signature': 'true'}
    >>> object_options("ftp://host/table.csv", None) is None
    True
    """
    protocol = path.partition("://")[0]
    if protocol not in _PROTOCOLS:
        return None
    return _options(protocol, path, dict(storage_options or {}))


def _options(protocol: str, path: str, given: dict) -> dict[str, str] | None:
    web = protocol in ("http", "https")
    translate = _http if web else _google if protocol in ("gs", "gcs") else _azure if protocol in _AZURE else _s3
    try:
        found = translate(given)
    except _Foreign:
        return None
    if not all(isinstance(value, (str, bool, int)) for value in found.values()):
        return None
    options = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in found.items()}
    place = path if web else f"{protocol}://{path.partition('://')[2].partition('/')[0]}"
    return options if _why_not(place, options) is None and not (web and _refuses(place, options)) else None


def _why_not(place: str, options: dict[str, str]) -> str | None:
    """Why the engine can't make anything of an address with these options."""
    try:
        core.object_check(place, options)
    except NotImplementedError as error:
        return str(error)
    return None


#: Web servers by address and options, and whether they refuse to tell how large files are.
_REFUSALS: dict = {}


def _refuses(address: str, options: dict[str, str]) -> bool:
    """Does a web server answer in a way that fsspec's package may understand, if it is there?"""
    server = (address.partition("://")[2].partition("/")[0], *sorted(options.items()))
    if server not in _REFUSALS:
        _REFUSALS[server] = False
        try:
            core.object_about(address, options)
        except (FileNotFoundError, PermissionError):
            pass
        except OSError:
            _REFUSALS[server] = importlib.util.find_spec("aiohttp") is not None
    return _REFUSALS[server]


def _moved(given: dict, names: dict) -> dict:
    """Options by the engine's names; those that are None are not given."""
    return {names.get(name, name): value for name, value in given.items() if value is not None}


def _s3(given: dict) -> dict:
    inner = {name: value for name, value in (given.pop("client_kwargs", None) or {}).items() if value is not None}
    if set(inner) - {"endpoint_url", "region_name"} or given.pop("config_kwargs", None):
        raise _Foreign
    if given.pop("use_ssl", True) is False:
        given.setdefault("allow_http", True)
    if given.pop("anon", False):
        given["skip_signature"] = True
    if given.pop("requester_pays", False):
        given["request_payer"] = True
    profile = given.pop("profile", None)
    for unimportant in ("default_block_size", "default_fill_cache", "default_cache_type", "use_listings_cache"):
        given.pop(unimportant, None)
    names = {"key": "access_key_id", "secret": "secret_access_key", "token": "session_token", "region_name": "region"}
    found = {**_moved(given, names), **_moved(inner, names)}
    if "endpoint_url" in found:
        found["endpoint"] = found.pop("endpoint_url")
    if str(found.get("endpoint", "")).startswith("http://"):
        found.setdefault("allow_http", True)
    known = "access_key_id" in found or found.get("skip_signature")
    if profile is not None or not known and "AWS_ACCESS_KEY_ID" not in os.environ:
        found = {**_profile(profile), **found}
    return found


def _profile(name: str | None) -> dict:
    """What the files of the AWS commands say of a profile."""
    wanted = name or os.environ.get("AWS_PROFILE", "default")
    found: dict = {}
    for variable, file, section in (
        ("AWS_CONFIG_FILE", "config", wanted if wanted == "default" else f"profile {wanted}"),
        ("AWS_SHARED_CREDENTIALS_FILE", "credentials", wanted),
    ):
        import configparser

        parser = configparser.RawConfigParser()
        with contextlib.suppress(configparser.Error, OSError):
            parser.read(os.environ.get(variable) or os.path.expanduser(f"~/.aws/{file}"))
        if parser.has_section(section):
            found.update(parser.items(section))
    if {"role_arn", "sso_session", "sso_start_url", "credential_process"} & set(found):
        raise _Foreign
    names = {
        "aws_access_key_id": "access_key_id",
        "aws_secret_access_key": "secret_access_key",
        "aws_session_token": "session_token",
        "region": "region",
        "endpoint_url": "endpoint",
    }
    if name is not None and "aws_access_key_id" not in found:
        raise _Foreign
    return {names[key]: value for key, value in found.items() if key in names}


def _google(given: dict) -> dict:
    token = given.pop("token", None)
    for unimportant in ("project", "access", "consistency"):
        given.pop(unimportant, None)
    found = _moved(given, {"endpoint_url": "base_url"})
    if token == "anon":
        found["skip_signature"] = True
    elif isinstance(token, str) and token not in ("google_default", "cloud", "cache", "browser"):
        found["service_account"] = token
    elif token not in (None, "google_default", "cloud"):
        raise _Foreign
    return found


def _azure(given: dict) -> dict:
    text = given.pop("connection_string", None)
    for part in (text or "").split(";"):
        name, _, value = part.partition("=")
        known = {"AccountName": "account_name", "AccountKey": "account_key", "SharedAccessSignature": "sas_token"}
        if name in known:
            given.setdefault(known[name], value)
        elif name == "BlobEndpoint":
            given.setdefault("endpoint", value)
    if given.pop("anon", False):
        given["skip_signature"] = True
    if str(given.get("endpoint", "")).startswith("http://"):
        given.setdefault("allow_http", True)
    return _moved(given, {})


def _http(given: dict) -> dict:
    for unimportant in ("block_size", "cache_type"):
        given.pop(unimportant, None)
    return _moved(given, {})


# --- files --------------------------------------------------------------------------------------------------------------
class ObjectFileSystem:
    """Files of a protocol; paths are addresses without it, ``"bucket/folder/file"``.

    Parameters
    ----------
    protocol : str
        Such as ``"s3"``.
    options : dict
        The engine's, as `object_options` gives them.
    """

    #: Files are there once they are whole, and not before.
    transaction: Any = contextlib.nullcontext()

    def __init__(self, protocol: str, options: dict[str, str]) -> None:
        self.protocol, self.options = protocol, options

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectFileSystem) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self.protocol, *sorted(self.options.items())))

    def __repr__(self) -> str:
        # Options may be secrets.
        return f"{type(self).__name__}({self.protocol!r})"

    def unstrip_protocol(self, path: str) -> str:
        """The address of a path."""
        return f"{self.protocol}://{path}"

    def _path(self, address: str) -> str:
        return address.partition("://")[2]

    def open(self, path: str, mode: str = "rb") -> Any:
        """A file of bytes: mode ``"rb"``, ``"wb"``, or ``"ab"``, which writes the file anew."""
        address = self.unstrip_protocol(path)
        if mode == "rb":
            return io.BufferedReader(_Reading(core.ObjectReader(address, self.options)), _BUFFER)
        if mode not in ("wb", "ab"):
            raise ValueError(f"mode: expected 'rb', 'wb' or 'ab', got {mode!r}")
        before = b""
        if mode == "ab" and self.isfile(path):
            with self.open(path) as file:
                before = file.read()
        return _Writing(core.ObjectWriter(address, self.options), before)

    def info(self, path: str) -> dict:
        """What a path is: its name, its size, its type ("file" or "directory"), and when it was written."""
        try:
            size, modified = core.object_about(self.unstrip_protocol(path), self.options)
        except FileNotFoundError:
            if self.protocol in ("http", "https") or not self._list(path, False):
                raise
            return {"name": path, "size": 0, "type": "directory"}
        return {"name": path, "size": size, "type": "file", "mtime": modified}

    def size(self, path: str) -> int:
        """Bytes of a file."""
        return self.info(path)["size"]

    def exists(self, path: str) -> bool:
        """Is there a file or a folder?"""
        return self._type(path) is not None

    def isfile(self, path: str) -> bool:
        """Is there a file?"""
        return self._type(path) == "file"

    def isdir(self, path: str) -> bool:
        """Is there a folder?"""
        return self._type(path) == "directory"

    def _type(self, path: str) -> str | None:
        try:
            return self.info(path)["type"]
        except FileNotFoundError:
            return None

    def _list(self, path: str, every: bool) -> list[dict]:
        found = core.object_list(self.unstrip_protocol(path.rstrip("/")), self.options, every)
        return [
            {"name": self._path(address), "size": size or 0, "type": "directory", "mtime": None}
            if size is None
            else {"name": self._path(address), "size": size, "type": "file", "mtime": modified}
            for address, size, modified in found
        ]

    def listdir(self, path: str, detail: bool = True) -> list:
        """The files and folders in a folder."""
        found = self._list(path, False)
        return found if detail else [each["name"] for each in found]

    def find(self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False) -> Any:
        """All files below a folder, to a depth, and the folders among them."""
        root = path.rstrip("/")
        files = {each["name"]: each for each in self._list(root, maxdepth != 1)}
        if withdirs:
            for name in list(files):
                folder = name.rpartition("/")[0]
                while len(folder) > len(root) and folder not in files:
                    files[folder] = {"name": folder, "size": 0, "type": "directory", "mtime": None}
                    folder = folder.rpartition("/")[0]
        chosen = {
            name: each
            for name, each in sorted(files.items())
            if (withdirs or each["type"] == "file")
            and (maxdepth is None or name[len(root) :].strip("/").count("/") < maxdepth)
        }
        return chosen if detail else list(chosen)

    def glob(self, path: str) -> list[str]:
        """The files that a pattern names: `*`, `?` and `[...]` within names, `**` for any folders."""
        fixed = re.split(r"[*?\[]", path, maxsplit=1)[0].rpartition("/")[0]
        matches = re.compile(_expression(path)).fullmatch
        deep = "/" in path[len(fixed) + 1 :] or "**" in path
        found = [each["name"] for each in self._list(fixed, deep) if each["type"] == "file"]
        return sorted(filter(matches, found), key=natural_sort_key)

    def mkdir(self, path: str, create_parents: bool = True) -> None:
        """Nothing: folders are what files have in their names."""

    def rm(self, path: str, recursive: bool = False) -> None:
        """Take a file away, or all that is below a folder."""
        for name in self.find(path) if recursive else [path]:
            core.object_delete(self.unstrip_protocol(name), self.options)
        if recursive:
            core.object_delete(self.unstrip_protocol(path), self.options)

    def copy(self, path: str, to: str) -> None:
        """Copy a file within its bucket."""
        core.object_copy(self.unstrip_protocol(path), self.unstrip_protocol(to), self.options)

    def mv(self, path: str, to: str, recursive: bool = False) -> None:
        """Copy a file within its bucket, and take the first one away."""
        self.copy(path, to)
        self.rm(path)


def _expression(pattern: str) -> str:
    """The regular expression of a pattern."""

    def piece(found: re.Match) -> str:
        text = found.group()
        if text == "**/":
            return "(?:.*/)?"
        if text == "**":
            return ".*"
        if text in ("*", "?"):
            return "[^/]*" if text == "*" else "[^/]"
        if text[0] == "[" and len(text) > 1:
            inside = text[1:-1].replace("\\", "\\\\")
            return f"[^{inside[1:]}]" if inside.startswith("!") else f"[{inside}]"
        return re.escape(text)

    return re.sub(r"\*\*/|\*\*|\*|\?|\[[^\]]+\]|.", piece, pattern, flags=re.DOTALL)


class _Reading(io.RawIOBase):
    """A file of a store, for Python to read."""

    def __init__(self, reader: Any) -> None:
        self._reader, self._place = reader, 0

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._reader.size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._reader.size}[whence]
        if start + offset < 0:
            raise ValueError(f"negative seek position {start + offset}")
        self._place = start + offset
        return self._place

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = self._reader.read_at(self._place, len(view))
        view[: len(data)] = data
        self._place += len(data)
        return len(data)

    def readall(self) -> bytes:
        data = self._reader.read_at(self._place, max(0, self._reader.size - self._place))
        self._place += len(data)
        return data


class _Writing(io.RawIOBase):
    """A file of a store, which is there once this is closed, and not if an error ends the `with` statement."""

    def __init__(self, writer: Any, before: bytes) -> None:
        self._writer, self._place = writer, 0
        self.write(before)

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self._writer.write(bytes(view))
        self._place += len(view)
        return len(view)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._writer.finish()

    def __exit__(self, kind: Any, *error: object) -> None:
        if kind is not None and not self.closed:
            super().close()
            self._writer.give_up()
        self.close()

    def __del__(self) -> None:
        # Who did not close it did not finish it: IOBase's own would.
        pass
