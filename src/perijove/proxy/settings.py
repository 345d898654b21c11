"""Every option of the proxy, with its default and what it means. Times are seconds; 0 means no limit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

DEFAULT_PORT = 8000


def _option(default: Any, text: str, *, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"help": text})


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """What a proxy is started with."""

    ip: str = _option("", "address of the public side; all addresses when empty")
    port: int = _option(DEFAULT_PORT, "port of the public side; 0 takes a free one")
    socket: str = _option("", "path of a UNIX socket for the public side, instead of an address and a port")
    ssl_key: str = _option("", "file with the private key for TLS on the public side")
    ssl_cert: str = _option("", "file with the certificate chain for TLS on the public side")
    api_ip: str = _option("localhost", "address of the admin API")
    api_port: int | None = _option(None, "port of the admin API; one above the public port when not given")
    api_socket: str = _option("", "path of a UNIX socket for the admin API, instead of an address and a port")
    auth_token: str = _option("", "token that callers of the admin API must show; open to all when empty", secret=True)
    default_target: str = _option("", "target of all requests that no route matches")
    error_target: str = _option("", "URL below which pages for errors are fetched, as in URL/404?url=/asked/for")
    error_path: str = _option("", "directory with pages for errors: 404.html and so on, error.html for all others")
    host_routing: bool = _option(False, "the first segment of each route is a host name")
    x_forward: bool = _option(True, "tell targets of the client in X-Forwarded-* fields")
    timeout: float = _option(0.0, "cut an exchange in which no byte has moved for so long")
    proxy_timeout: float = _option(0.0, "answer 504 where a target has not begun to answer for so long")
    keep_alive_timeout: float = _option(5.0, "close a client's connection that has been idle for so long")
    head_timeout: float = _option(30.0, "close a client's connection whose request head is incomplete for so long")
    connect_timeout: float = _option(5.0, "give up connecting to a target after so long")
    pool_idle: float = _option(4.0, "keep an unused connection to a target for so long")
    pool_size: int = _option(64, "keep at most so many unused connections to one target")
    error_timeout: float = _option(2.5, "wait for a page from the error target for so long")
    drain_timeout: float = _option(3.0, "when told to stop, let exchanges under way finish for so long")
    log_level: str = _option("info", "least level to log: debug, info, warn or error")
    pid_file: str = _option("", "file to write the process id to; removed at the end")
