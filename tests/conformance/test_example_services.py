"""The example services on our client library, started, proxied and signed in by upstream's hub and by ours."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tests.support.browsers import Visitor, hidden_fields
from tests.support.hubs import OPS_TOKEN, PERIJOVE, UPSTREAM_CONFIG, RunningHub, eventually, free_ports

CONFIG = """
import os
c.ConfigurableHTTPProxy.command = ["{perijove}", "proxy"]
c.ConfigurableHTTPProxy.auth_token = "the-token-of-the-proxy"
services, roles = list(c.JupyterHub.services), list(c.JupyterHub.load_roles)
for folder, port in {examples}:
    load_subconfig(os.path.join(folder, "jupyterhub_config.py"))
    for service in c.JupyterHub.services:
        service["url"] = "http://127.0.0.1:%d" % port
        service["cwd"] = folder
        service["command"][0] = "{python}"
        services.append(service)
    roles += c.JupyterHub.load_roles
c.JupyterHub.services, c.JupyterHub.load_roles = services, roles
"""


@pytest.fixture(scope="module", params=["upstream", "ours"])
def hub(request: pytest.FixtureRequest, make_hub: Callable[..., RunningHub], checkout: Path) -> RunningHub:
    """A hub with both services, as their own configuration files have them; one configuration for either hub."""
    folders = [str(checkout / "examples" / name) for name in ("whoami", "idle_servers")]
    examples = list(zip(folders, free_ports(2), strict=True))
    config = UPSTREAM_CONFIG + CONFIG.format(perijove=PERIJOVE, examples=examples, python=sys.executable)
    if request.param == "ours":
        hub = make_hub(config=config)
        hub.start()
        eventually(lambda: hub.log.count("the service answers") == len(examples), "both services answer")
        return hub
    hub = make_hub(config=config, command=[str(request.getfixturevalue("upstream") / "jupyterhub")])
    hub.ready_line = "JupyterHub is now running at"
    hub.start()
    return hub


def test_signing_in_at_a_page(hub: RunningHub) -> None:
    with Visitor(hub) as ada:
        page = ada.agree(ada.sign_in("ada", on="/services/whoami/?x=1"))
        assert page.status_code == 200
        assert "You are ada" in page.text
        assert str(page.url) == f"{hub.url}/services/whoami/?x=1"
        ((_, token),) = hidden_fields(page)
        headers = {"Origin": hub.url}
        assert ada.post("/services/whoami/greetings", data={"_xsrf": "x"}, headers=headers).status_code == 403
        greeted = ada.post("/services/whoami/greetings", data={"_xsrf": token}, headers=headers)
        assert "1 so far" in greeted.text
        assert ada.get("/services/idle-servers/").status_code == 403, "only administrators may"
        assert 'name="password"' in ada.get("/services/whoami/logout").text, "signed out of the hub as well"
        assert 'name="password"' in ada.get("/services/whoami/").text


def test_a_service_that_asks_the_hub(hub: RunningHub) -> None:
    with Visitor(hub) as admin:
        page = admin.agree(admin.sign_in("admin", on="/services/idle-servers/"))
        assert "You are admin" in page.text
        fields = {"_xsrf": "made-up", "user": "nobody", "server": ""}
        assert admin.post("/services/idle-servers/stop", data=fields, headers={"Origin": hub.url}).status_code == 403
    assert httpx.post(f"{hub.url}/services/idle-servers/stop", trust_env=False).status_code == 403


def test_tokens(hub: RunningHub) -> None:
    with hub.client(OPS_TOKEN) as api:
        api.post("/users/bo")
        token = api.post("/users/bo/tokens").raise_for_status().json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx.get(f"{hub.url}/services/whoami/api/me", headers=headers, trust_env=False)
    assert answer.json()["name"] == "bo"
    refused = httpx.get(f"{hub.url}/services/idle-servers/", headers=headers, trust_env=False)
    assert (refused.status_code, refused.text) == (403, "user bo is not allowed.")
