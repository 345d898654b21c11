from __future__ import annotations

from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

import perijove
from perijove.hub.adapters.authenticators.dummy import DummyAuthenticator
from perijove.hub.adapters.telemetry.metrics import Metrics
from perijove.hub.testing.running import RunningHub
from perijove.hub.web import state
from perijove.hub.web.state import HubState, Logo, PluginInfo, RequestMetrics, WebSettings


def test_what_handlers_are_given_does_not_change_under_them(hub: RunningHub) -> None:
    for value, name in ((hub.state, "ctx"), (hub.state.settings, "site")):
        with pytest.raises(AttributeError):
            setattr(value, name, None)


def test_every_setting_is_explained() -> None:
    assert WebSettings.__doc__
    for name in WebSettings.__struct_fields__:
        assert f"        {name}: " in WebSettings.__doc__


def test_the_prefix_lies_in_the_base(hub: RunningHub, base_url: str) -> None:
    assert hub.state.settings.base_url == base_url
    assert hub.state.settings.prefix == f"{base_url}hub/"


def test_the_metrics_adapter_is_what_handlers_expect() -> None:
    metrics: RequestMetrics = Metrics()
    metrics.observe_request("GET", "version", 200, 0.1)
    assert b'handler="version"' in metrics.render()
    assert "metrics" in HubState.__struct_fields__


def test_a_logo_is_known_by_its_name(tmp_path: Path) -> None:
    for name, kind in (("logo.svg", "image/svg+xml"), ("logo.png", "image/png"), ("logo", "application/octet-stream")):
        (tmp_path / name).write_bytes(b"x")
        assert Logo.read(tmp_path / name) == Logo(b"x", kind)


def test_a_plug_in_is_told_of_with_its_version() -> None:
    assert PluginInfo.of(DummyAuthenticator).name.endswith(".dummy.DummyAuthenticator")
    assert PluginInfo.of(DummyAuthenticator).version == perijove.__version__
    assert PluginInfo.of(BeautifulSoup).version == version("beautifulsoup4")
    assert PluginInfo.of(pytest.Item).version == version("pytest")


def test_a_plug_in_of_no_package_is_told_of_without_a_look_at_all_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(state, "packages_distributions")
    # As a class in a configuration file.
    assert PluginInfo.of(type("Own", (), {"__module__": "builtins"})) == PluginInfo("builtins.Own", "unknown")
    assert PluginInfo.of(Decimal).version == "unknown"
