"""What stands behind every proxy: nginx for small answers and a large file, and this program for the rest.

This program, run on its own, answers WebSocket messages and swallows uploads. It prints its two ports. A WebSocket
asked for as ``…?size=N`` answers each masked message of N bytes with an unmasked one of N bytes; it counts bytes and
looks at no more, so that it costs little beside the proxy.
"""

from __future__ import annotations

import base64
import hashlib
import re
import select
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from processes import CannotMeasure, await_port, free_port, running

BODY = '{"status": "ok", "what": "a small answer, as from an API"}'
LARGE = 1_000_000_000
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

NGINX = """
daemon off; worker_processes 1; pid {folder}/backend.pid; error_log {folder}/backend.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; keepalive_requests 1000000000; keepalive_timeout 300s; default_type application/json;
  client_body_temp_path {folder}/b1; proxy_temp_path {folder}/b2; fastcgi_temp_path {folder}/b3;
  uwsgi_temp_path {folder}/b4; scgi_temp_path {folder}/b5;
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    location / {{ return 200 '{body}'; }}
    location /user/u0/large {{ alias {folder}/large; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Backends:
    """The ports of what answers."""

    http: int
    websocket: int
    upload: int
    large: Path


@contextmanager
def backends(folder: Path, processors: set[int]) -> Iterator[Backends]:
    """Run everything that stands behind the proxies. Raises CannotMeasure without nginx."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        raise CannotMeasure("nginx, which answers behind every proxy, is not installed")
    large = folder / "large"
    with large.open("wb") as file:
        file.truncate(LARGE)
    folder.chmod(0o755)
    port = free_port()
    (folder / "backend.conf").write_text(NGINX.format(folder=folder, port=port, body=BODY))
    with ExitStack() as stack:
        command = [nginx, "-c", str(folder / "backend.conf"), "-e", str(folder / "backend.log")]
        process = stack.enter_context(running(command, folder / "backend.out", processors=processors))
        await_port(port, process)
        own = stack.enter_context(
            subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
        )
        stack.callback(own.kill)
        assert own.stdout is not None
        websocket, upload = own.stdout.readline().split()
        yield Backends(port, int(websocket), int(upload), large)


def frame(size: int, masked: bool) -> bytes:
    """A WebSocket text message of *size* bytes in one frame."""
    mask = 0x80 if masked else 0
    if size < 126:
        head = bytes((0x81, mask | size))
    elif size < 65536:
        head = bytes((0x81, mask | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x81, mask | 127)) + size.to_bytes(8, "big")
    return head + (b"\0\0\0\0" if masked else b"") + b"x" * size


class Echo:
    """One WebSocket."""

    __slots__ = ("answer", "connection", "expected", "got", "unsent")

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.answer = b""
        self.expected = 0
        self.got = 0
        self.unsent = b""

    def upgrade(self, head: bytes) -> None:
        """Answer the request for a WebSocket."""
        key = re.search(rb"(?i)sec-websocket-key: *(\S+)", head)
        size = re.search(rb"size=(\d+)", head)
        assert key, head
        length = int(size[1]) if size else 125
        self.answer, self.expected = frame(length, masked=False), len(frame(length, masked=True))
        accept = base64.b64encode(hashlib.sha1(key[1] + MAGIC).digest())
        lines = (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        )
        self.connection.sendall(lines + accept + b"\r\n\r\n")

    def readable(self) -> bool:
        """Read, answer; return whether the connection goes on."""
        try:
            data = self.connection.recv(262144)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not data:
            return False
        if not self.expected:
            self.upgrade(data)
            return True
        self.got += len(data)
        whole, self.got = divmod(self.got, self.expected)
        if whole:
            self.unsent += self.answer * whole
            self.flush()
        return True

    def flush(self) -> None:
        """Write what can be written."""
        try:
            self.unsent = self.unsent[self.connection.send(self.unsent) :]
        except BlockingIOError:
            return
        except OSError:
            self.unsent = b""


def serve_echo(listener: socket.socket) -> None:
    """Serve WebSockets for ever."""
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    open_now: dict[int, Echo] = {}
    while True:
        for number, event in poll.poll():
            if number == listener.fileno():
                connection, _ = listener.accept()
                connection.setblocking(False)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                open_now[connection.fileno()] = Echo(connection)
                poll.register(connection, select.EPOLLIN)
                continue
            echo = open_now[number]
            if event & select.EPOLLOUT:
                echo.flush()
            if event & ~select.EPOLLOUT and not echo.readable():
                poll.unregister(number)
                del open_now[number]
                echo.connection.close()
                continue
            poll.modify(number, select.EPOLLIN | (select.EPOLLOUT if echo.unsent else 0))


def swallow(connection: socket.socket) -> None:
    """Read one request with a Content-Length and its body, answer, and close."""
    with connection:
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(65536)
            if not data:
                return
            head += data
        head, _, rest = head.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        left = (int(length[1]) if length else 0) - len(rest)
        room = bytearray(1 << 20)
        while left > 0:
            got = connection.recv_into(room)
            if not got:
                return
            left -= got
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")


def serve_uploads(listener: socket.socket) -> None:
    """Swallow uploads for ever, each in a thread."""
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=swallow, args=(connection,), daemon=True).start()


def main() -> None:
    """Serve until standard input ends with the program that started this one."""
    echo, upload = (socket.create_server(("127.0.0.1", 0), backlog=2048) for _ in range(2))
    print(echo.getsockname()[1], upload.getsockname()[1], flush=True)
    threading.Thread(target=serve_uploads, args=(upload,), daemon=True).start()
    threading.Thread(target=serve_echo, args=(echo,), daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
