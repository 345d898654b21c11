"""A user's server that means harm: whatever page it is asked for, with whatever header fields the address says.

Run by a spawner in place of a single-user server: ``python hostile_server.py``. It asks nobody who they are.
"""

from __future__ import annotations

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit


class Hostile(BaseHTTPRequestHandler):
    """Answers everything with an empty page, or a script where the path ends in ``.js``."""

    def do_GET(self) -> None:
        """Answer; each ``Name=value`` of the query is a header field."""
        parts = urlsplit(self.path)
        body = b"" if parts.path.endswith(".js") else b"<!doctype html><title>hostile</title><h1>hello</h1>"
        self.send_response(200)
        kind = "text/javascript" if parts.path.endswith(".js") else "text/html"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in parse_qsl(parts.query):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


if __name__ == "__main__":
    place = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    ThreadingHTTPServer((place.hostname or "", place.port or 0), Hostile).serve_forever()
