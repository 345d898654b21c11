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
    ssl_ca: str = _option("", "file with the certificates of who may sign those of clients of the public side")
    ssl_request_cert: bool = _option(False, "ask clients of the public side for a certificate")
    ssl_reject_unauthorized: bool = _option(False, "with --ssl-request-cert: refuse clients without a valid one")
    ssl_passphrase: str = _option("", "passphrase of the key of the public side", secret=True)
    ssl_protocol: str = _option("", "version of TLS on all sides, TLSv1_2 or TLSv1_3; both when not given")
    ssl_ciphers: str = _option("", "ciphers for TLS 1.2 on all sides, in OpenSSL's notation")
    ssl_dhparam: str = _option("", "file with Diffie-Hellman parameters for TLS 1.2")
    api_ssl_key: str = _option("", "file with the private key for TLS on the admin API")
    api_ssl_cert: str = _option("", "file with the certificate chain for TLS on the admin API")
    api_ssl_ca: str = _option("", "file with the certificates of who may sign those of callers of the admin API")
    api_ssl_request_cert: bool = _option(False, "ask callers of the admin API for a certificate")
    api_ssl_reject_unauthorized: bool = _option(False, "with --api-ssl-request-cert: refuse those without a valid one")
    api_ssl_passphrase: str = _option("", "passphrase of the key of the admin API", secret=True)
    client_ssl_key: str = _option("", "file with the private key to show to targets")
    client_ssl_cert: str = _option("", "file with the certificate chain to show to targets")
    client_ssl_ca: str = _option("", "file with the certificates of who may sign those of targets")
    client_ssl_passphrase: str = _option("", "passphrase of the key to show to targets", secret=True)
    insecure: bool = _option(False, "do not check the certificates of targets")
    redirect_port: int | None = _option(None, "port on which plain HTTP is answered with a redirect to HTTPS")
    redirect_to: int = _option(0, "port that the redirect leads to; the public one when 0")
    metrics_ip: str = _option("", "address of the metrics; all addresses when empty")
    metrics_port: int | None = _option(None, "port of the metrics, at /metrics; none when not given")
    metrics_socket: str = _option("", "path of a UNIX socket for the metrics, instead of an address and a port")
    access_log: str = _option("off", "the access log, a line for each exchange: json, common or off")
    access_log_file: str = _option("-", "file for the access log, opened anew at SIGHUP; standard output for -")
    access_log_query: bool = _option(False, "show queries in the access log, without the values of secret parameters")
    custom_headers: tuple[tuple[str, str], ...] = _option((), "field to set in each request to a target, as name:value")
    change_origin: bool = _option(False, "send targets their own address as Host")
    prepend_path: bool = _option(True, "put the path of a target before that of the request")
    include_prefix: bool = _option(True, "leave the prefix of the route in the path of the request")
    auto_rewrite: bool = _option(False, "in redirects that name the target itself, put the host that the client named")
    protocol_rewrite: str = _option("", "in redirects that name the target itself, put this scheme: http or https")
    trusted_proxies: str = _option(
        "private",
        "networks whose X-Forwarded-* and Forwarded are kept: addresses with commas between, private, all or none",
    )
    max_header_size: int = _option(65536, "refuse requests whose head has more bytes")
    max_connections: int = _option(0, "refuse connections of clients above so many")
    max_connections_per_client: int = _option(0, "refuse connections of one address (of IPv6: one /64) above so many")
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
    drain_timeout: float = _option(3.0, "when told to stop, let exchanges and WebSockets go on for so long")
    log_level: str = _option("info", "least level to log: debug, info, warn or error")
    pid_file: str = _option("", "file to write the process id to; removed at the end")
    state_file: str = _option("", "file that keeps the routes, so that a proxy started again serves at once")
    workers: int = _option(1, "processes that serve requests; above 1 they share the port and one more process leads")
