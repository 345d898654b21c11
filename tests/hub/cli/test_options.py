from __future__ import annotations

from perijove.hub.cli.options import FOLLOWS, Option, Section, sections


def described() -> dict[str, Section]:
    return {section.name: section for section in sections(own_only=True)}


def test_every_class_that_takes_options_is_described_once_and_parents_come_first() -> None:
    names = [section.name for section in sections(own_only=True)]
    assert names == [
        "JupyterHub",
        "PeriodicMetricsCollector",
        "Authenticator",
        "DummyAuthenticator",
        "MultiAuthenticator",
        "PasswordAuthenticator",
        "Spawner",
        "LocalProcessSpawner",
        "SimpleLocalProcessSpawner",
        "Proxy",
        "ConfigurableHTTPProxy",
    ]


def test_an_option_is_described_in_words() -> None:
    options = {option.name: option for option in described()["JupyterHub"].options}
    assert options["hub_port"] == Option(
        "hub_port",
        "a whole number from 0 to 65535",
        "8081",
        "",
        "The port on which the hub listens for the proxy and the servers.",
    )
    assert options["ip"].default == "the host of bind_url"


def test_a_default_that_follows_from_something_else_is_no_fixed_value() -> None:
    options = {option.name: option for option in described()["Authenticator"].options}
    assert options["allow_existing_users"].default == FOLLOWS


def test_a_class_has_its_own_options_only() -> None:
    simple = described()["SimpleLocalProcessSpawner"]
    assert simple.parent == "LocalProcessSpawner"
    assert "cmd" not in {option.name for option in simple.options}


def test_every_option_has_help_that_ends_like_a_sentence() -> None:
    bare = [
        f"{section.name}.{option.name}"
        for section in sections()
        for option in section.options
        if option.help[-1:] != "."
    ]
    assert bare == []
