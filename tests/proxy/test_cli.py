"""Flags into settings, and the proxy as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

import perijove
from perijove.proxy.cli import PASSPHRASES, command_line, main, read_settings
from perijove.proxy.settings import ProxySettings


def test_no_flags_mean_the_defaults() -> None:
    assert read_settings([], "") == ProxySettings()
    settings = read_settings([], "t")
    assert (settings.port, settings.api_port, settings.api_ip, settings.keep_alive_timeout) == (
        8000,
        None,
        "localhost",
        5,
    )


def test_the_flags_a_hub_passes() -> None:
    flags = "--ip= --port=80 --api-ip=127.0.0.1 --api-port 81 --error-target=http://h/hub/error --host-routing"
    flags += " --log-level debug --ssl-key k --ssl-cert=c --no-x-forward --timeout 1500 --proxy-timeout=0 --pid-file p"
    flags += " --state-file s --workers 4"
    settings = read_settings(flags.split(), "secret")
    assert settings == ProxySettings(
        ip="",
        port=80,
        api_ip="127.0.0.1",
        api_port=81,
        error_target="http://h/hub/error",
        host_routing=True,
        log_level="debug",
        ssl_key="k",
        ssl_cert="c",
        x_forward=False,
        timeout=1.5,
        pid_file="p",
        state_file="s",
        workers=4,
        auth_token="secret",
    )


@pytest.mark.parametrize(
    "flags",
    [
        "--storage-backend x",
        "--metrics-socket s --metrics-port 1",
        "--protocol-rewrite ftp",
        "--custom-header nonsense",
        "--custom-header Connection:close",
        "--ssl-protocol TLSv9",
        "--ssl-ciphers nonsense",
        "--trusted-proxies 10.0.0.0/99",
        "--max-header-size 10",
        "--max-connections -1",
        "--access-log loud",
        "--redirect-port x",
        "--host",
        "--workers 0",
        "--workers x",
        "--workers 1000",
        "--port x",
        "--port 70000",
        "--port -1",
        "--timeout -5",
        "--log-level loud",
        "--socket s --port 80",
        "--api-socket s --api-ip 1",
        "--error-target http://h --error-path p",
        "extra",
    ],
)
def test_what_is_not_understood_is_an_error(flags: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        read_settings(flags.split(), "")
    assert stopped.value.code == 2
    assert "perijove proxy: error: " in capsys.readouterr().err


# The synopsis of configurable-http-proxy 5.3.0, each flag once.
PEERS_FLAGS = """
--ip 127.0.0.1 --port 80 --ssl-key k --ssl-cert c --ssl-ca a --ssl-request-cert --ssl-reject-unauthorized
--ssl-protocol TLSv1_2 --ssl-ciphers ECDHE-RSA-AES128-GCM-SHA256:HIGH --ssl-allow-rc4 --ssl-dhparam d
--api-ip 127.0.0.2 --api-port 81 --api-ssl-key ak --api-ssl-cert ac --api-ssl-ca aa --api-ssl-request-cert
--api-ssl-reject-unauthorized --client-ssl-key ck --client-ssl-cert cc --client-ssl-ca ca --client-ssl-request-cert
--client-ssl-reject-unauthorized --default-target http://h --error-target http://e --redirect-port 82 --redirect-to 443
--pid-file p --no-x-forward --no-prepend-path --no-include-prefix --auto-rewrite --change-origin
--protocol-rewrite https --custom-header k1:v1 --custom-header k2:v2 --custom-header K1:v3 --insecure --host-routing
--metrics-ip 127.0.0.3 --metrics-port 83 --log-level WARN --timeout 1000 --proxy-timeout 2000 --keep-alive-timeout 3000
"""


def test_every_flag_of_the_peer_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    settings = read_settings(PEERS_FLAGS.split(), "t", ssl_passphrase="p1", api_ssl_passphrase="p2")
    assert settings == ProxySettings(
        ip="127.0.0.1",
        port=80,
        ssl_key="k",
        ssl_cert="c",
        ssl_ca="a",
        ssl_request_cert=True,
        ssl_reject_unauthorized=True,
        ssl_protocol="TLSv1_2",
        ssl_ciphers="ECDHE-RSA-AES128-GCM-SHA256:HIGH",
        ssl_dhparam="d",
        ssl_passphrase="p1",
        api_ip="127.0.0.2",
        api_port=81,
        api_ssl_key="ak",
        api_ssl_cert="ac",
        api_ssl_ca="aa",
        api_ssl_request_cert=True,
        api_ssl_reject_unauthorized=True,
        api_ssl_passphrase="p2",
        client_ssl_key="ck",
        client_ssl_cert="cc",
        client_ssl_ca="ca",
        default_target="http://h",
        error_target="http://e",
        redirect_port=82,
        redirect_to=443,
        pid_file="p",
        x_forward=False,
        prepend_path=False,
        include_prefix=False,
        auto_rewrite=True,
        change_origin=True,
        protocol_rewrite="https",
        custom_headers=(("K1", "v3"), ("k2", "v2")),
        insecure=True,
        host_routing=True,
        metrics_ip="127.0.0.3",
        metrics_port=83,
        log_level="warn",
        timeout=1,
        proxy_timeout=2,
        keep_alive_timeout=3,
        auth_token="t",
    )
    warnings = capsys.readouterr().err.splitlines()
    assert [line.split()[3] for line in warnings] == [
        "--ssl-allow-rc4",
        "--client-ssl-request-cert",
        "--client-ssl-reject-unauthorized",
    ]
    assert all(line.startswith("perijove proxy: warning: ") and "no effect: " in line for line in warnings)
    for flags in ("--socket s --api-socket a --metrics-socket m", "--error-path e", "--ssl-protocol TLS"):
        read_settings(flags.split(), "")
    assert capsys.readouterr().err == ""


def test_what_has_no_effect_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert read_settings(["--ssl-protocol", "SSLv3"], "").ssl_protocol == ""
    read_settings(["--ssl-reject-unauthorized", "--redirect-to=443"], "")
    assert capsys.readouterr().err == (
        "perijove proxy: warning: --ssl-protocol SSLv3 is not safe: TLS 1.2 and newer are spoken instead\n"
        "perijove proxy: warning: --ssl-reject-unauthorized has no effect without --ssl-request-cert\n"
        "perijove proxy: warning: --redirect-to has no effect without --redirect-port\n"
    )


def test_flags_of_our_own() -> None:
    flags = "--connect-timeout 1 --first-byte-timeout 2 --idle-timeout 3 --head-timeout 4 --drain-timeout 5"
    flags += " --max-header-size 4096 --max-connections 6 --max-connections-per-client 7 --trusted-proxies 10.0.0.1,all"
    flags += " --access-log json --access-log-file f --access-log-query"
    assert read_settings(flags.split(), "") == ProxySettings(
        connect_timeout=0.001,
        proxy_timeout=0.002,
        timeout=0.003,
        head_timeout=0.004,
        drain_timeout=0.005,
        max_header_size=4096,
        max_connections=6,
        max_connections_per_client=7,
        trusted_proxies="10.0.0.1,all",
        access_log="json",
        access_log_file="f",
        access_log_query=True,
    )


def test_every_setting_has_a_flag_or_is_meant_to_have_none() -> None:
    names = {each.name for each in fields(ProxySettings)}
    flags = {action.dest for action in command_line()._actions}
    assert names - flags == {"auth_token", "pool_idle", "pool_size", "error_timeout", *PASSPHRASES}


def flag_table() -> list[str]:
    """The table of flags as the documentation has to show it."""
    defaults = ProxySettings()
    rows = ["| flag | default | what it does |", "| --- | --- | --- |"]
    for action in sorted(command_line()._actions, key=lambda each: each.option_strings[-1]):
        default = getattr(defaults, action.dest, None) if action.nargs != 0 else None
        if action.metavar == "MS":
            default = round((default or 0) * 1000)
        shown = "" if default in (None, "", ()) else f"`{default}`"
        flags = ", ".join(f"`{flag}`" for flag in action.option_strings)
        rows.append(f"| {flags} | {shown} | {(action.help or '').replace('|', '')} |")
    return rows


def test_the_documentation_has_every_flag(checkout: Path) -> None:
    text = (checkout / "docs" / "proxy.md").read_text()
    shown = text.partition("<!-- flags:")[2].partition("-->\n")[2].partition("<!-- end of flags")[0]
    assert shown.strip().splitlines() == flag_table()


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for flag in ("-V", "--version", "--help"):
        with pytest.raises(SystemExit) as stopped:
            main([flag])
        assert stopped.value.code == 0
    assert perijove.__version__ in capsys.readouterr().out


class Process:
    """A proxy in a process of its own; its first two lines of log name its ports."""

    def __init__(self, folder: Path, *flags: str, stderr: int = subprocess.PIPE, token: str = "secret") -> None:
        self.pid_file = folder / "proxy.pid"
        env = {**os.environ, "CONFIGPROXY_AUTH_TOKEN": token}
        listen = ["--ip=127.0.0.1", "--port=0", "--api-ip=127.0.0.1", f"--pid-file={self.pid_file}"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "perijove.proxy", *listen, *flags],
            stderr=stderr,
            env=env,
            text=True,
        )

    def lines(self, count: int) -> list[str]:
        assert self.process.stderr is not None
        return [self.process.stderr.readline() for _ in range(count)]

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        if self.process.stderr is not None:
            self.process.stderr.close()


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    running: list[Process] = []

    def start(*flags: str, **options: object) -> Process:
        running.append(Process(tmp_path, *flags, **options))  # type: ignore[arg-type]
        return running[-1]

    yield start
    for process in running:
        process.stop()


def port_of(line: str) -> int:
    return int(line.strip().rpartition(":")[2])


def ask(port: int, path: str, **options: object) -> tuple[int, bytes]:
    with urlopen(Request(f"http://127.0.0.1:{port}{path}", **options), timeout=10) as answer:  # type: ignore[arg-type]
        return answer.status, answer.read()


def test_a_process_serves_until_it_is_told_to_stop(launch: Callable[..., Process]) -> None:
    proxy = launch()
    public, private = (port_of(line) for line in proxy.lines(2))
    assert json.loads(ask(public, "/_chp_healthz")[1]) == {"status": "OK"}
    headers = {"Authorization": "token secret"}
    info = json.loads(ask(private, "/api/info", headers=headers)[1])
    assert info == {
        "name": "perijove",
        "version": perijove.__version__,
        "pid": proxy.process.pid,
        "features": ["bulk-routes", "changes"],
    }
    assert proxy.pid_file.read_text() == f"{proxy.process.pid}\n"
    proxy.process.send_signal(signal.SIGHUP)
    assert "SIGHUP" in proxy.lines(1)[0]
    proxy.process.terminate()
    assert proxy.process.wait(10) == 0
    assert not proxy.pid_file.exists()


def test_a_proxy_started_again_alone_serves_with_the_table_it_had(
    launch: Callable[..., Process], tmp_path: Path
) -> None:
    routes = {f"/user/u{number}": {"target": "http://127.0.0.1:1", "user": f"u{number}"} for number in range(100)}
    state = tmp_path / "routes.json"
    headers = {"Authorization": "token secret"}
    first = launch(f"--state-file={state}")
    private = port_of(first.lines(2)[1])
    assert ask(private, "/api/routes", method="PUT", data=json.dumps(routes).encode(), headers=headers)[0] == 200
    listed = json.loads(ask(private, "/api/routes", headers=headers)[1])
    deadline = time.monotonic() + 10
    while not state.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    first.process.kill()
    first.process.wait(10)
    again = launch(f"--state-file={state}")
    lines = again.lines(3)
    assert "100 routes read" in lines[0]
    restored = json.loads(ask(port_of(lines[2]), "/api/routes", headers=headers)[1])
    for name, data in listed.items():
        assert restored[name] == data | {"last_activity": data["last_activity"][:-5] + ".000Z"}
    with pytest.raises(URLError, match="503"):
        ask(port_of(lines[1]), "/user/u7/lab")


def test_several_workers_start_and_end_together(launch: Callable[..., Process]) -> None:
    proxy = launch("--workers=2")
    public, private = (port_of(line) for line in proxy.lines(2))
    info = json.loads(ask(private, "/api/info", headers={"Authorization": "token secret"})[1])
    assert info["pid"] == proxy.process.pid
    assert len(info["workers"]) == 2
    proxy.process.send_signal(signal.SIGHUP)
    assert "SIGHUP" in proxy.lines(1)[0]
    for _ in range(4):
        assert ask(public, "/_chp_healthz")[0] == 200
    proxy.process.terminate()
    assert proxy.process.wait(10) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in info["workers"])


def test_a_killed_supervisor_frees_the_port(launch: Callable[..., Process]) -> None:
    first = launch("--workers=2")
    public, private = (port_of(line) for line in first.lines(2))
    first.process.kill()
    first.process.wait(10)
    again = launch("--workers=2", f"--port={public}", f"--api-port={private}")
    lines = again.lines(2)
    assert [port_of(line) for line in lines] == [public, private]


def test_without_a_token_it_warns_and_serves(launch: Callable[..., Process]) -> None:
    proxy = launch(token="")
    lines = proxy.lines(3)
    assert "WARNING" in lines[2]
    assert "CONFIGPROXY_AUTH_TOKEN" in lines[2]
    assert ask(port_of(lines[1]), "/api/routes") == (200, b"{}")


def test_it_outlives_whoever_read_its_log(launch: Callable[..., Process]) -> None:
    proxy = launch("--log-level=debug")
    public, private = (port_of(line) for line in proxy.lines(2))
    assert proxy.process.stderr is not None
    proxy.process.stderr.close()
    headers = {"Authorization": "token secret"}
    for number in range(20):
        body = json.dumps({"target": f"http://127.0.0.1:{number + 1}"}).encode()
        assert ask(private, f"/api/routes/{number}", data=body, headers=headers, method="POST")[0] == 201
    assert ask(public, "/_chp_healthz")[0] == 200
    proxy.process.terminate()
    assert proxy.process.wait(10) == 0


def test_a_default_target_and_what_cannot_start(
    launch: Callable[..., Process], capsys: pytest.CaptureFixture[str]
) -> None:
    first = launch("--default-target=http://127.0.0.1:1")
    public, private = (port_of(line) for line in first.lines(2))
    with pytest.raises(URLError, match="503"):
        ask(public, "/x")
    second = launch(f"--api-port={private}")
    assert second.process.wait(10) == 1
    assert second.process.stderr is not None
    assert "cannot listen at 127.0.0.1" in second.process.stderr.read()
    assert main(["--default-target=ftp://x", "--port=0", "--ip=127.0.0.1"]) == 1
    assert main(["--error-target=ftp://x", "--port=0", "--ip=127.0.0.1"]) == 1
    assert main(["--ssl-cert=/nonexistent", "--port=0", "--ip=127.0.0.1"]) == 1
    assert main(["--ssl-key=/nonexistent", "--port=0", "--ip=127.0.0.1"]) == 1
    assert main(["--pid-file=/nonexistent/pid", "--port=0", "--ip=127.0.0.1"]) == 1
    assert capsys.readouterr().err.count("perijove proxy: ") == 5


def test_no_framework_slows_the_start() -> None:
    script = "import sys, perijove.proxy.cli, perijove.proxy.bootstrap; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    heavy = {"fastapi", "starlette", "httpx", "tornado", "traitlets", "sqlalchemy", "jinja2", "aiohttp", "pydantic"}
    assert heavy.isdisjoint(loaded)
