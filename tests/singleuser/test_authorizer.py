from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from jupyter_server.auth.identity import IdentityProvider, User

from perijove.client.identity import HubIdentity
from perijove.singleuser.authorizer import HubAuthorizer
from perijove.singleuser.identity_provider import HubIdentityProvider, HubUser

if TYPE_CHECKING:
    from perijove.client.environment import ServerEnvironment

HANDLER = cast("Any", None)


def user(*scopes: str) -> HubUser:
    return HubUser.from_identity(HubIdentity("alice", "user", frozenset(scopes)))


@pytest.mark.parametrize("action", ["read", "write", "execute"])
def test_access_scope_decides(environment: ServerEnvironment, action: str) -> None:
    authorizer = HubAuthorizer(identity_provider=HubIdentityProvider(environment=environment))
    for scopes, allowed in (
        (("access:servers!user=alice",), True),
        (("access:servers!server=alice/",), True),
        (("access:servers!user=bob", "admin:users"), False),
        ((), False),
    ):
        assert authorizer.is_authorized(HANDLER, user(*scopes), action, "contents") is allowed


def test_nobody_but_the_hub_vouches(environment: ServerEnvironment) -> None:
    authorizer = HubAuthorizer(identity_provider=HubIdentityProvider(environment=environment))
    assert not authorizer.is_authorized(HANDLER, User("alice"), "read", "contents")
    other = HubAuthorizer(identity_provider=IdentityProvider())
    assert not other.is_authorized(HANDLER, user("access:servers"), "read", "contents")
