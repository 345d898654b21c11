from __future__ import annotations

import pytest

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.principals import Principal
from perijove.hub.ports.audit import AuditPage, AuditQuery
from perijove.hub.usecases.audit import NEEDS, AuditTrail
from perijove.wire.scopes import Scope


class Reader:
    async def find(self, query: AuditQuery) -> AuditPage:
        return AuditPage([{"text": query.text}], "", 1)


def principal(*scopes: Scope) -> Principal:
    return Principal("user", "eve", frozenset(scopes))


async def test_it_is_shown_to_those_who_see_everything() -> None:
    trail, everything = AuditTrail(Reader()), principal(*map(Scope, NEEDS))
    assert trail.may_read(everything)
    assert (await trail.find(everything, AuditQuery(text="x"))).entries == [{"text": "x"}]
    for some in ((), (Scope("read:hub"),), (Scope("read:hub"), Scope("admin:users", "user", "ada"))):
        assert not trail.may_read(principal(*some))
        with pytest.raises(PerijoveError) as caught:
            await trail.find(principal(*some), AuditQuery())
        assert caught.value.code is Code.FORBIDDEN


async def test_a_hub_without_a_log_says_so() -> None:
    with pytest.raises(PerijoveError, match="audit_log_file"):
        await AuditTrail(None).find(principal(*map(Scope, NEEDS)), AuditQuery())
