from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from perijove.hub.core.shares import Share, ShareCode, limited
from perijove.wire.scopes import Scope, parse_scope

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def test_scopes_are_limited_to_the_server_as_it_is_called_now() -> None:
    share = Share(1, 7, "ada", "lab", ("access:servers", "read:servers"), NOW, user_id=2, user_name="bob")
    assert share.limited_scopes == ("access:servers!server=ada/lab", "read:servers!server=ada/lab")
    assert replace(share, owner_name="eva", server_name="").limited_scopes[0] == "access:servers!server=eva/"
    code = ShareCode(3, "hash", 7, "ada", "lab", ("access:servers",), NOW, NOW)
    assert (code.api_id, code.limited_scopes) == ("sc_3", ("access:servers!server=ada/lab",))


def test_a_limited_scope_reads_back() -> None:
    (text,) = limited(["access:servers"], "a!b=c", "lab")
    assert parse_scope(text) == Scope("access:servers", "server", "a!b=c/lab")
