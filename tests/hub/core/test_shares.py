from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.scopes import BUILT_IN
from perijove.hub.core.shares import MAX_SCOPES, Share, ShareCode, code_expiry, limited, rights, without_filters
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


def test_what_is_asked_for_one_server_is_stored_without_its_name() -> None:
    asked = ["servers!server=ada/lab", "access:servers", "servers"]
    assert without_filters(asked, "ada", "lab") == ("access:servers", "servers")
    assert without_filters(["access:servers!server=ada/"], "ada", "") == ("access:servers",)
    assert without_filters([], "ada", "lab") == ()


@pytest.mark.parametrize(
    "text",
    [
        "access:servers!server=bob/lab",
        "access:servers!server=ada/",
        "access:servers!server=ada/lab2",
        "access:servers!server",
        "access:servers!user=ada",
        "access:servers!user",
        "access:servers!group=staff",
        "access:servers!service=wiki",
        "access:servers!",
        "!server=ada/lab",
        "",
    ],
)
def test_ghsa_c4gm_a_share_is_never_about_anything_but_its_server(text: str) -> None:
    with pytest.raises(PerijoveError) as refused:
        without_filters([text], "ada", "lab")
    assert refused.value.code is Code.INVALID


def test_scopes_are_bounded() -> None:
    assert len(without_filters([f"custom:{n}" for n in range(MAX_SCOPES)], "ada", "")) == MAX_SCOPES
    with pytest.raises(PerijoveError, match="At most"):
        without_filters(["servers"] * (MAX_SCOPES + 1), "ada", "")


def test_a_giver_needs_everything_that_a_scope_contains() -> None:
    given = {str(scope) for scope in rights(["servers"], "ada", "lab", BUILT_IN)}
    names = ("servers", "read:servers", "start:servers", "delete:servers")
    assert given == {f"{name}!server=ada/lab" for name in names}
    # What a limit to a server makes nothing of must be held, too.
    assert rights(["read:users"], "ada", "lab", BUILT_IN) == {Scope("read:users", "server", "ada/lab")}


@pytest.mark.parametrize("base", ["self", "inherit", "(no_scope)", "read:everything"])
def test_what_takes_no_limit_or_does_not_exist_cannot_be_shared(base: str) -> None:
    with pytest.raises(PerijoveError) as refused:
        rights([base], "ada", "", BUILT_IN)
    assert refused.value.code is Code.INVALID


def test_codes_last_from_a_minute_to_a_year() -> None:
    assert code_expiry(60, NOW) == NOW + timedelta(minutes=1)
    assert code_expiry(31_536_000, NOW) == NOW + timedelta(days=365)
    for seconds in (59, 0, -1, 31_536_001):
        with pytest.raises(PerijoveError, match="expires_in must be from 60 to 31536000 seconds"):
            code_expiry(seconds, NOW)
