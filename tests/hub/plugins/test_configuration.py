from __future__ import annotations

from pathlib import Path

import pytest

from perijove.hub.adapters.authenticators.dummy import DummyAuthenticator
from perijove.hub.adapters.authenticators.password import PasswordAuthenticator
from perijove.hub.adapters.proxies.configurable_http_proxy import ConfigurableHTTPProxy
from perijove.hub.adapters.spawners.local import SimpleLocalProcessSpawner
from perijove.hub.plugins.configuration import Configuration, load
from perijove.hub.settings.loading import Arguments, Flag
from perijove.hub.settings.mistakes import ConfigurationError
from perijove.hub.settings.roles import RoleSpec
from perijove.hub.settings.services import ServiceSpec
from perijove.hub.settings.tokens import TokenSpec

EXAMPLE = """
c = get_config()
c.JupyterHub.bind_url = "http://127.0.0.1:8100"
c.JupyterHub.hub_port = 8101
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:8102"
c.JupyterHub.cleanup_servers = False
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.Authenticator.admin_users = {"admin"}
c.JupyterHub.spawner_class = "simple"
c.Spawner.args = ["--allow-root"]
c.JupyterHub.db_url = "sqlite:///jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = "cookie_secret"
c.JupyterHub.services = [{"name": "ops", "api_token": "a-token-of-at-least-thirty-two-characters"}]
c.JupyterHub.load_roles = [{"name": "ops", "services": ["ops"], "scopes": ["admin:users", "tokens", "read:hub"]}]
"""


def read(folder: Path, text: str = "", *flags: Flag) -> Configuration:
    if text:
        (folder / "jupyterhub_config.py").write_text(text)
    return load(Arguments(flags=flags, folder=folder, environment={"HOME": str(folder)}))


def mistakes(folder: Path, text: str, *flags: Flag) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        read(folder, text, *flags)
    return [str(mistake) for mistake in error.value.mistakes]


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    configuration = read(tmp_path)
    assert configuration.config_file is None
    assert configuration.authenticator_class is PasswordAuthenticator
    assert configuration.hub.data_path == tmp_path / ".local/share/perijove"
    assert configuration.warnings == ()


def test_a_file_that_is_valid_upstream_is_understood(tmp_path: Path) -> None:
    configuration = read(tmp_path, EXAMPLE)
    hub = configuration.hub
    assert (hub.bind_url, hub.hub_url, hub.cleanup_servers) == (
        "http://127.0.0.1:8100/",
        "http://127.0.0.1:8101",
        False,
    )
    assert hub.database_url == f"sqlite:///{tmp_path}/jupyterhub.sqlite"
    assert hub.cookie_secret_path == tmp_path / "cookie_secret"
    assert configuration.authenticator_class is DummyAuthenticator
    assert configuration.spawner_class is SimpleLocalProcessSpawner
    assert configuration.proxy_class is ConfigurableHTTPProxy
    assert configuration.services == (ServiceSpec("ops", "a-token-of-at-least-thirty-two-characters"),)
    assert configuration.roles == (RoleSpec("ops", None, ("admin:users", "tokens", "read:hub"), None, ("ops",)),)
    assert configuration.config_file == tmp_path / "jupyterhub_config.py"


def test_the_options_reach_the_plugins(tmp_path: Path) -> None:
    configuration = read(tmp_path, EXAMPLE, Flag("Spawner", "default_url", "/tree"))
    authenticator = configuration.authenticator_class(config=configuration.config)
    assert (authenticator.allow_all, authenticator.admin_users) == (True, {"admin"})
    spawner = configuration.spawner_class(config=configuration.config)
    assert (spawner.args, spawner.default_url) == (["--allow-root"], "/tree")


def test_a_class_of_the_file_can_be_used_and_configured(tmp_path: Path) -> None:
    configuration = read(
        tmp_path,
        "from perijove.hub.ports.spawner import Spawner\n"
        "from traitlets import Integer\n"
        "class Mine(Spawner):\n"
        "    oars = Integer().tag(config=True)\n"
        "c.JupyterHub.spawner_class = Mine\n"
        "c.Mine.oars = 4\n"
        "c.Spawner.args.append('-x')\n",
    )
    spawner = configuration.spawner_class(config=configuration.config)
    assert (type(spawner).__name__, spawner.args) == ("Mine", ["-x"])


def test_all_mistakes_of_all_kinds_are_told_at_once(tmp_path: Path) -> None:
    told = mistakes(
        tmp_path,
        "c.JupyterHub.prot = 8000\n"
        "c.JupyterHub.hub_port = '8081'\n"
        "c.JupyterHub.authenticator_class = 'dumy'\n"
        "c.Spawner.agrs = []\n"
        "c.JupyterHub.ssl_key = 'key.pem'\n"
        "c.JupyterHub.services = [{'name': 'ops', 'url': 'ftp://x'}]\n"
        "c.JupyterHub.load_roles = [{'name': 'ops', 'services': ['ops', 'opss']}]\n"
        "c.KubeSpawner.image = 'x'\n",
        Flag("Spawner", "mem_limit", "much"),
    )
    expected = [
        ("command line: ", "'much' is not a size"),
        ("jupyterhub_config.py:1: ", "did you mean c.JupyterHub.port?"),
        ("jupyterhub_config.py:2: ", "whole number"),
        ("jupyterhub_config.py:3: ", "did you mean dummy?"),
        ("jupyterhub_config.py:4: ", "did you mean c.Spawner.args?"),
        ("jupyterhub_config.py:5: ", "c.JupyterHub.ssl_cert is not set"),
        ("jupyterhub_config.py:6: ", "services[0] (ops): url: it must begin with http://"),
        ("jupyterhub_config.py:7: ", "did you mean ops?"),
        ("jupyterhub_config.py:8: ", "starts containers"),
    ]
    assert len(told) == len(expected)
    for line, (place, why) in zip(told, expected, strict=True):
        assert line.startswith(place)
        assert why in line


@pytest.mark.parametrize("value", ["3", "''", "None"])
def test_a_plugin_of_a_wrong_type_is_one_mistake(tmp_path: Path, value: str) -> None:
    (line,) = mistakes(tmp_path, f"c.JupyterHub.spawner_class = {value}\n")
    assert "must be" in line


def test_a_file_that_fails_is_a_mistake(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "\n1 / 0\n") == ["jupyterhub_config.py:2: ZeroDivisionError: division by zero"]


def test_a_plugin_may_be_chosen_on_the_command_line(tmp_path: Path) -> None:
    assert (
        read(tmp_path, "", Flag("JupyterHub", "authenticator_class", "dummy")).authenticator_class is DummyAuthenticator
    )


def test_warnings_are_gathered(tmp_path: Path) -> None:
    warnings = read(
        tmp_path,
        "c.DummyAuthenticator.password = 'x'\nc.JupyterHub.services = [{'name': 'ops', 'api_token': '0123456789'}]\n",
    ).warnings
    assert len(warnings) == 2
    assert "DummyAuthenticator is not in use" in warnings[0]
    assert "api_token is short" in warnings[1]


def test_tokens_of_users_and_services_are_understood(tmp_path: Path) -> None:
    one, other = "a" * 32, "b" * 32
    text = f"""
c.JupyterHub.api_tokens = {{"{one}": "Ada"}}
c.JupyterHub.service_tokens = {{"{other}": "culler"}}
c.JupyterHub.load_roles = [{{"name": "culler", "services": ["culler"], "scopes": ["list:users"]}}]
"""
    configuration = read(tmp_path, text)
    assert configuration.tokens == (TokenSpec("user", "ada", one), TokenSpec("service", "culler", other))
    assert one not in repr(configuration)
    with pytest.raises(ConfigurationError, match="api_tokens, entry 1") as caught:
        read(tmp_path, 'c.JupyterHub.api_tokens = {"hush": "ada"}\n')
    assert "hush" not in str(caught.value)
    assert any("could be guessed" in text for text in read(tmp_path, text.replace(one, "a" * 9)).warnings)


def test_a_route_of_the_operator_that_cannot_be_is_a_mistake_with_its_line(tmp_path: Path) -> None:
    (told,) = mistakes(tmp_path, 'c.ConfigurableHTTPProxy.extra_routes = {"/hub/login/": "http://127.0.0.1:1"}')
    assert "'/hub/login/' is the hub's" in told
    assert "jupyterhub_config.py:1" in told
