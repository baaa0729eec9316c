"""A small object store that speaks as much of S3 as is needed here, and a web server, both within the test's process."""

import contextlib
import hashlib
import threading
import urllib.parse
import xml.sax.saxutils
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.etree import ElementTree

_TIME, _HTTP_TIME = "2026-01-02T03:04:05.000Z", "Fri, 02 Jan 2026 03:04:05 GMT"


class Store(ThreadingHTTPServer):
    """Buckets of files; `objects` has their bytes by "/bucket/key", `asked` counts requests by method."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.asked: Counter = Counter()
        #: Without them, all of a file is sent whatever is asked for.
        self.has_ranges = True
        #: What the next requests are answered with, in place of what they ask for.
        self.failures: list[int] = []
        self.authorizations: set = set()

    @property
    def address(self) -> str:
        """The server's URL."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def options(self) -> dict:
        """What `storage_options` have to say."""
        return {"key": "a", "secret": "b", "client_kwargs": {"endpoint_url": self.address, "region_name": "here"}}


@contextlib.contextmanager
def running() -> Iterator[Store]:
    """A store that is served until the end."""
    store = Store()
    thread = threading.Thread(target=store.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield store
    finally:
        store.shutdown()
        thread.join()
        store.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Store

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing is printed."""

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _begin(self) -> tuple[str, dict, bytes]:
        self.server.asked[self.command] += 1
        self.server.authorizations.add(self.headers.get("Authorization", "").partition(" ")[0])
        place = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(place.query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return urllib.parse.unquote(place.path), query, body

    def _failed(self) -> bool:
        if not self.server.failures:
            return False
        self._answer(self.server.failures.pop(0))
        return True

    def do_GET(self) -> None:
        path, query, _ = self._begin()
        if self._failed():
            return
        if "list-type" in query:
            return self._list(path, query)
        data = self.server.objects.get(path)
        if data is None:
            return self._answer(404)
        headers = {"ETag": f'"{hashlib.md5(data).hexdigest()}"', "Last_Modified": _HTTP_TIME}
        wanted = self.headers.get("Range")
        if wanted and self.server.has_ranges and self.command == "GET":
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, stop = (int(first), int(last or len(data) - 1) + 1) if first else (len(data) - int(last), len(data))
            headers["Content_Range"] = f"bytes {start}-{min(stop, len(data)) - 1}/{len(data)}"
            return self._answer(206, data[start:stop], **headers)
        self._answer(200, data, Content_Length=str(len(data)), **headers)

    do_HEAD = do_GET

    def _list(self, path: str, query: dict) -> None:
        bucket, prefix, delimiter = path.strip("/").split("/")[0], query.get("prefix", ""), query.get("delimiter")
        files, folders = [], set()
        for name in sorted(self.server.objects):
            if not name.startswith(f"/{bucket}/{prefix}"):
                continue
            key = name[len(bucket) + 2 :]
            if delimiter and delimiter in key[len(prefix) :]:
                folders.add(prefix + key[len(prefix) :].split(delimiter)[0] + delimiter)
            else:
                files.append(key)
        escape = xml.sax.saxutils.escape
        rows = [
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self.server.objects[f'/{bucket}/{key}'])}</Size>"
            f"<LastModified>{_TIME}</LastModified><ETag>x</ETag></Contents>"
            for key in files
        ]
        rows += [f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in sorted(folders)]
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(rows)}</ListBucketResult>"
        self._answer(200, body.encode(), Content_Type="application/xml")

    def do_PUT(self) -> None:
        path, query, body = self._begin()
        if self._failed():
            return
        if "uploadId" in query:
            self.server.parts[query["uploadId"]][int(query["partNumber"])] = body
            return self._answer(200, ETag=f'"{query["partNumber"]}"')
        source = self.headers.get("x-amz-copy-source")
        if source:
            data = self.server.objects.get("/" + urllib.parse.unquote(source).lstrip("/"))
            if data is None:
                return self._answer(404)
            self.server.objects[path] = data
            body = b"<CopyObjectResult><ETag>x</ETag></CopyObjectResult>"
            return self._answer(200, body, Content_Type="application/xml")
        self.server.objects[path] = body
        self._answer(200, ETag='"x"')

    def do_POST(self) -> None:
        path, query, body = self._begin()
        if self._failed():
            return
        if "uploads" in query:
            number = f"upload-{len(self.server.parts)}"
            self.server.parts[number] = {}
            told = f"<InitiateMultipartUploadResult><UploadId>{number}</UploadId></InitiateMultipartUploadResult>"
            return self._answer(200, told.encode(), Content_Type="application/xml")
        if "uploadId" in query:
            parts = self.server.parts.pop(query["uploadId"])
            self.server.objects[path] = b"".join(parts[number] for number in sorted(parts))
            told = b"<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>"
            return self._answer(200, told, Content_Type="application/xml")
        if "delete" in query:
            keys = [node.text for node in ElementTree.fromstring(body).iter() if node.tag.endswith("Key")]
            for key in keys:
                self.server.objects.pop(f"{path.rstrip('/')}/{key}", None)
            told = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
            return self._answer(200, f"<DeleteResult>{told}</DeleteResult>".encode(), Content_Type="application/xml")
        self._answer(400)

    def do_DELETE(self) -> None:
        path, query, _ = self._begin()
        if "uploadId" in query:
            self.server.parts.pop(query["uploadId"], None)
        else:
            self.server.objects.pop(path, None)
        self._answer(204)
