"""What stands behind every proxy: nginx for small answers and a large file, echo.c for WebSockets, and this.

This program, run on its own, swallows uploads. It prints its port.
"""

from __future__ import annotations

import re
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
    """The ports of what answers, the large file, and where the programs in C are."""

    http: int
    websocket: int
    upload: int
    large: Path
    programs: Path

    def program(self, name: str) -> str:
        """Where a program in C is. Raises CannotMeasure if it could not be compiled."""
        path = self.programs / name
        if not path.exists():
            raise CannotMeasure(f"{name}.c could not be compiled: is there a C compiler?")
        return str(path)


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
        upload = stack.enter_context(serving(sys.executable, __file__))
        compiled = compile_into(folder, "echo") and compile_into(folder, "load")
        # Without a compiler the route for WebSockets leads to where nothing listens.
        websocket = stack.enter_context(serving(str(folder / "echo"))) if compiled else free_port()
        yield Backends(port, websocket, upload, large, folder)


@contextmanager
def serving(*command: str) -> Iterator[int]:
    """Run a program that prints its port and serves; yield the port."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def compile_into(folder: Path, name: str) -> bool:
    """Compile a program of ours into *folder*; return whether there is a compiler that can."""
    compiler, source = shutil.which("cc") or shutil.which("gcc"), Path(__file__).with_name(f"{name}.c")
    if compiler is None:
        return False
    command = [compiler, "-O2", "-o", str(folder / name), str(source)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


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


def main() -> None:
    """Swallow uploads, each in a thread, until this process is killed."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=swallow, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
