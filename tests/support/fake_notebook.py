"""Stands in for a notebook: a process that starts in some hundredths of a second, answers HTTP, and keeps a diary.

It is run by its path, with nothing but the standard library. In its home it leaves, under the server's name, a line
for each start, and a complaint if another process of the same server still ran. A server called *stubborn* does not
end when told to; one called *slow* takes its time before it answers; one called *broken* ends at once; one called
*crowded* finds its first port taken.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

SLOW_SECONDS = 0.3


def main() -> None:
    """Serve until killed."""
    name = os.environ["JUPYTERHUB_SERVER_NAME"]
    home = Path(os.environ["HOME"])
    run = os.environ["PERIJOVE_RUN"]
    with (home / f"lock-{name}").open("w") as lock, (home / f"starts-{name}").open("a") as starts:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            (home / f"overlap-{name}").write_text(f"process {os.getpid()} of run {run} is not the only one\n")
        first = starts.write(f"{os.getpid()} {run}\n")
        starts.flush()
        signal.signal(signal.SIGTERM, signal.SIG_IGN if name == "stubborn" else signal.SIG_DFL)
        if name == "broken":
            sys.exit("ModuleNotFoundError: No module named 'jupyterlab'")
        if name == "crowded" and starts.tell() == first:
            sys.exit("OSError: [Errno 98] Address already in use")
        if name == "slow":
            time.sleep(SLOW_SECONDS)
        serve(name, home)


def serve(name: str, home: Path) -> None:
    """Answer every request with who answers it."""
    address = os.environ["JUPYTERHUB_SERVICE_URL"].split("/")[2]
    host, _, port = address.rpartition(":")
    told = {"pid": os.getpid(), "user": os.environ["JUPYTERHUB_USER"], "server": name, "home": str(home)}
    body = json.dumps(told).encode()
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_server((host, int(port))) as listening:
        while True:
            connection, _ = listening.accept()
            with connection:
                try:
                    connection.settimeout(5)
                    connection.recv(65536)
                    connection.sendall(head.encode() + body)
                except OSError:
                    continue


if __name__ == "__main__":
    main()
