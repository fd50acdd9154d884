"""A web server on this machine that answers as it is told to, also badly, and remembers who asked what."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PAGE = (b'<!DOCTYPE html>\n<html><head><title>Closed</title></head>'
        b'<body>Maintenance until Monday</body></html>')


@dataclass(frozen=True)
class Reply:
    """What the server says to one request."""

    body: bytes = b''
    status: int = 200
    headers: dict = field(default_factory=dict)
    cut: int | None = None
    """Bytes of the body after which the connection is closed."""
    hold: bool = False
    """Keep the connection open after what was sent, until the server is closed."""
    silent: bool = False
    """Say nothing until the server is closed."""
    drip: bool = False
    """Send byte by byte, for ever, until the server is closed."""
    length: bool = True
    """Whether to announce the length."""


@dataclass(frozen=True)
class Request:
    """What somebody asked."""

    method: str
    path: str
    query: dict
    form: dict
    headers: object


class Stub:
    """While open, a server; ``routes`` leads from a path, or a beginning that ends in ``/``, to answers.

    An answer is a `Reply`, a list of them (one a request, the last of them for ever), or a function of
    the `Request` that returns one. Anything else is answered with 404.
    """

    def __init__(self, routes=None):
        self.routes, self.requests = dict(routes or {}), []
        self._lock, self.closed = threading.Lock(), threading.Event()

    def __enter__(self):
        stub = self

        class Handler(_Handler):
            owner = stub
        self._server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self._proxies = {name: os.environ.get(name) for name in ('no_proxy', 'NO_PROXY')}
        os.environ.update(dict.fromkeys(self._proxies, '127.0.0.1'))
        return self

    def __exit__(self, *_):
        self.closed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        for name, value in self._proxies.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value

    @property
    def url(self):
        """Address of the server, without a slash at the end."""
        return f'http://127.0.0.1:{self._server.server_address[1]}'

    def asked(self, path=None):
        """Requests so far, of one path or all."""
        with self._lock:
            return [request for request in self.requests if path in (None, request.path)]

    def reply(self, request):
        """What to say, having noted the request."""
        with self._lock:
            self.requests.append(request)
            found = self.routes.get(request.path) or self._beginning(request.path)
            if isinstance(found, list):
                found = found.pop(0) if len(found) > 1 else found[0]
        return found(request) if callable(found) else found

    def _beginning(self, path):
        known = [route for route in self.routes if route.endswith('/') and path.startswith(route)]
        return self.routes[max(known, key=len)] if known else Reply(b'no such thing', 404)


def ranged(body, etag='"one"', **headers):
    """An answer function that serves a file in parts, as archives do."""
    def answer(request):
        given = {'ETag': etag, 'Accept-Ranges': 'bytes', **headers}
        wanted = request.headers.get('Range', '')
        if not wanted or request.headers.get('If-Range', etag) != etag:
            return Reply(body, headers=given)
        start = int(wanted.removeprefix('bytes=').partition('-')[0])
        if start >= len(body):
            return Reply(b'', 416, {'Content-Range': f'bytes */{len(body)}'})
        part = {'Content-Range': f'bytes {start}-{len(body) - 1}/{len(body)}'}
        return Reply(body[start:], 206, given | part)
    return answer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def _answer(self):
        parts = urlsplit(self.path)
        length = int(self.headers.get('Content-Length') or 0)
        form = self.rfile.read(length).decode()
        flat = [{name: values[-1] for name, values in parse_qs(text, keep_blank_values=True).items()}
                for text in (parts.query, form)]
        reply = self.owner.reply(Request(self.command, parts.path, *flat, self.headers))
        try:
            self._send(reply)
        except OSError:
            pass  # who asked has gone
        self.close_connection = True

    do_GET = do_POST = do_HEAD = do_DELETE = _answer

    def _send(self, reply):
        if reply.silent:
            self.owner.closed.wait()
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.length and 'Content-Length' not in reply.headers:
            self.send_header('Content-Length', str(len(reply.body)))
        self.send_header('Connection', 'close')
        self.end_headers()
        if reply.drip:
            while not self.owner.closed.wait(0.02):
                self.wfile.write(b' ')
        elif self.command != 'HEAD':
            self.wfile.write(reply.body[:reply.cut])
            if reply.hold:
                self.wfile.flush()
                self.owner.closed.wait()

    def log_message(self, *_):
        pass
