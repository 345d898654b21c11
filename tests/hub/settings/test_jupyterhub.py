from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from traitlets import TraitError
from traitlets.config import Config

from perijove.hub.settings.jupyterhub import JupyterHub


def hub(**options: Any) -> JupyterHub:
    return JupyterHub(config=Config({"JupyterHub": Config(options)}))


def test_without_configuration_it_listens_on_this_machine_only() -> None:
    plain = hub()
    assert plain.bind_url == "http://127.0.0.1:8000/"
    assert (plain.ip, plain.port, plain.base_url) == ("127.0.0.1", 8000, "/")
    assert plain.hub_url == "http://127.0.0.1:8081"
    assert plain.hub_api_url == "http://127.0.0.1:8081/hub/api"
    assert (plain.authenticator_class, plain.spawner_class) == ("password", "simple")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"bind_url": "http://:9000/a/b"}, "http://:9000/a/b/"),
        ({"bind_url": "http://host/a"}, "http://host:80/a/"),
        ({"port": 1, "base_url": "x"}, "http://127.0.0.1:1/x/"),
        ({"ip": "::"}, "http://[::]:8000/"),
        ({"bind_url": "http://[::1]:1"}, "http://[::1]:1/"),
        ({"ssl_key": "k", "ssl_cert": "c"}, "https://127.0.0.1:8000/"),
    ],
)
def test_the_public_address_is_put_together(options: dict[str, Any], expected: str) -> None:
    assert hub(**options).bind_url == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"hub_ip": "10.0.0.1", "hub_port": 1}, "http://10.0.0.1:1"),
        ({"hub_ip": "0.0.0.0"}, f"http://{socket.gethostname()}:8081"),
        ({"hub_ip": "0.0.0.0", "hub_connect_ip": "hub"}, "http://hub:8081"),
        ({"hub_connect_url": "http://hub:1/"}, "http://hub:1"),
    ],
)
def test_where_the_servers_reach_the_hub(options: dict[str, Any], expected: str) -> None:
    assert hub(**options).hub_url == expected


def test_files_start_in_the_data_folder() -> None:
    here = hub(data_dir="/data", pid_file="hub.pid", ssl_key="/etc/k", ssl_cert="c")
    assert here.cookie_secret_path == Path("/data/jupyterhub_cookie_secret")
    assert here.pid_path == Path("/data/hub.pid")
    assert (here.ssl_key_path, here.ssl_cert_path) == ("/etc/k", "/data/c")
    assert here.database_url == "sqlite:////data/jupyterhub.sqlite"
    assert (hub().pid_path, hub().ssl_key_path) == (None, "")


def test_the_public_host_is_known_only_if_it_is_configured() -> None:
    assert hub().public_host == ""
    assert hub(public_url="https://example.org:444/").public_host == "https://example.org:444"


def test_oauth_tokens_last_as_long_as_the_cookie() -> None:
    assert hub(cookie_max_age_days=2).oauth_token_expires_in == 2 * 24 * 3600
    assert hub(oauth_token_expires_in=5).oauth_token_expires_in == 5


@pytest.mark.parametrize(("given", "name"), [("debug", "DEBUG"), (30, "WARNING"), ("10", "DEBUG"), ("Error", "ERROR")])
def test_a_log_level_may_be_a_name_or_a_number(given: Any, name: str) -> None:
    assert hub(log_level=given).log_level == name


def test_a_cookie_secret_is_bytes_in_the_end() -> None:
    assert hub(cookie_secret="ab" * 32).cookie_secret == b"\xab" * 32
    assert hub().cookie_secret == b""


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"port": 65536}, "65535"),
        ({"hub_port": -1}, "65535|less than 0"),
        ({"log_level": "LOUD"}, "DEBUG"),
        ({"cookie_max_age_days": 0}, "greater than 0"),
        ({"concurrent_spawn_limit": -1}, "negative"),
        ({"hub_connect_url": "http://hub:1/x"}, "no path"),
        ({"bind_url": "unix:///x"}, "Unix sockets"),
        ({"authenticator_class": 3}, "import path"),
        ({"api_page_max_limit": 0}, "1"),
    ],
)
def test_wrong_values_are_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(TraitError, match=why):
        hub(**options)


def test_what_runs_on_this_machine_reaches_the_hub_by_loopback() -> None:
    assert hub().local_api_url == "http://127.0.0.1:8081/hub/api"
    assert hub(hub_ip="", base_url="/jh/").local_api_url == "http://127.0.0.1:8081/jh/hub/api"
    assert hub(hub_ip="::").local_api_url == "http://[::1]:8081/hub/api"
    assert hub(hub_ip="", hub_connect_ip="hub").local_api_url == "http://127.0.0.1:8081/hub/api"
    assert hub(hub_ip="", hub_connect_url="http://hub:1").local_api_url == "http://hub:1/hub/api"
    assert hub(hub_ip="10.0.0.1").local_api_url == "http://10.0.0.1:8081/hub/api"
