"""A web server on loopback that misbehaves in the ways that servers do, and keeps what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """files: by path. breaks: bytes of an answer after which its connection is closed, so many times. stalls: after so many
    bytes of an answer nothing more is sent. redirects: by path. plain: ranges are not known. lies: declared lengths."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    breaks: dict[str, list[int]] = field(default_factory=dict)
    stalls: dict[str, int] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    plain: bool = False
    tags: bool = True
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    """(method, path, range) of every request."""
    end: threading.Event = field(default_factory=threading.Event)

    def gets(self) -> list[tuple[str, str | None]]:
        return [(path, wanted) for method, path, wanted in self.asked if method == "GET"]


@contextmanager
def served() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def do_HEAD(self) -> None:
            self._answer(lambda _: None)

        def do_GET(self) -> None:
            self._answer(self._body)

        def _answer(self, body: Callable[[bytes], None]) -> None:
            wanted = self.headers.get("range")
            site.asked.append((self.command, self.path, wanted))
            if self.path in site.redirects:
                self.send_response(302)
                self.send_header("location", site.redirects[self.path])
                self.send_header("content-length", "0")
                self.end_headers()
                return
            content = site.files.get(self.path)
            if content is None:
                self.send_response(404)
                self.send_header("content-length", "0")
                self.end_headers()
                return
            tag = f'"{hash(content)}"'
            first = 0
            if wanted and not site.plain and self.headers.get("if-range", tag) == tag:
                first = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if first and first >= len(content):
                self.send_response(416)
                self.send_header("content-length", "0")
                self.end_headers()
                return
            self.send_response(206 if first else 200)
            if first:
                self.send_header("content-range", f"bytes {first}-{len(content) - 1}/{len(content)}")
            if self.path.endswith(".html"):
                self.send_header("content-type", "text/html; charset=utf-8")
            if site.tags:
                self.send_header("etag", tag)
            self.send_header("content-length", str(len(content) - first))
            self.end_headers()
            body(content[first:])

        def _body(self, content: bytes) -> None:
            cuts = site.breaks.get(self.path, [])
            if cuts:
                self.wfile.write(content[: cuts.pop(0)])
                self.wfile.flush()
                self.close_connection = True
                return
            if self.path in site.stalls:
                self.wfile.write(content[: site.stalls[self.path]])
                self.wfile.flush()
                site.end.wait(20)
                self.close_connection = True
                return
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.end.set()
        server.shutdown()
        server.server_close()
        thread.join()
