from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from perijove.singleuser.page_config import DISABLED_EXTENSIONS, PageConfigHook, with_hub

if TYPE_CHECKING:
    from perijove.client.environment import ServerEnvironment


def test_hub_is_named(environment: ServerEnvironment) -> None:
    before: dict[str, Any] = {"baseUrl": "/user/alice/", "token": "secret", "disabledExtensions": ["x"]}
    after = with_hub(environment, before, "bob")
    assert after == {
        "baseUrl": "/user/alice/",
        "hubHost": "",
        "hubPrefix": "/hub/",
        "hubUser": "bob",
        "hubServerUser": "alice",
        "hubServerName": "",
        "shareUrl": "/hub/user-redirect",
        "token": "",
        "disabledExtensions": ["x", *DISABLED_EXTENSIONS],
    }
    assert before == {"baseUrl": "/user/alice/", "token": "secret", "disabledExtensions": ["x"]}
    assert with_hub(environment, after, "bob") == after, "a page that is shown twice is the same"


def test_hook(environment: ServerEnvironment) -> None:
    hook = PageConfigHook(environment)
    for user, shown in ((SimpleNamespace(username="bob"), "bob"), (None, "")):
        assert hook(cast("Any", SimpleNamespace(current_user=user)), {})["hubUser"] == shown
