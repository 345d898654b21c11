from __future__ import annotations

from perijove.hub.core.site import Site
from perijove.hub.ports.told import HubInfo, SpawnerUser


async def test_nothing_is_kept_about_a_user_by_default() -> None:
    user = SpawnerUser(1, "ada", admin=False)
    await user.save_auth_state({"a": 1})
    assert await user.get_auth_state() is None
    assert user == SpawnerUser(1, "ada", admin=False)


def test_names_in_addresses_are_escaped() -> None:
    assert SpawnerUser(1, "a/b c", admin=False).escaped_name == "a%2Fb%20c"


def test_where_the_hub_is() -> None:
    hub = HubInfo(Site("/jh/", "https://hub.example.org"), "http://127.0.0.1:8081/jh/hub/api", "/tmp")
    assert (hub.base_url, hub.public_host) == ("/jh/", "https://hub.example.org")
