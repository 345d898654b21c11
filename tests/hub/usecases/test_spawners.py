from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.groups import Group
from perijove.hub.core.principals import Principal
from perijove.hub.core.scopes import Holder, expand
from perijove.hub.core.servers import Server, State
from perijove.hub.core.user_options import MAX_LENGTH
from perijove.hub.usecases import spawners as module
from perijove.hub.usecases.spawners import Spawners, UnfitOptions

House = Any
EVENT = {"progress": 100, "ready": True, "message": "Server ready at /user/ada/", "url": "/user/ada/"}


async def refused(work: Any) -> PerijoveError:
    with pytest.raises(PerijoveError) as caught:
        await work
    return caught.value


@pytest.fixture
async def spawners(house: House) -> Spawners:
    await house.user()
    return Spawners(house.ctx, house.new_spawner)


async def test_a_form_knows_whose_it_is_and_what_was_chosen_the_last_time(house: House, spawners: Spawners) -> None:
    house.spawner_options = {
        "options_form": lambda spawner: f"{spawner.user.name} {spawner.user_options} {spawner.script_nonce}"
    }
    assert (await spawners.form(house.admin, "ada", "", nonce="n1"))[0] == "ada {} n1"
    hub = await house.hub(named=True)
    await hub.servers.create(house.admin, "ada", "lab", options={"file": b"\x00\xff"})
    form, server = await spawners.form(house.admin, "ada", "lab")
    assert form == r"ada {'file': b'\x00\xff'} "
    assert server.name == "lab"


async def test_a_form_may_be_another_for_members_of_a_group(house: House, spawners: Spawners) -> None:
    async with house.store.transaction() as tx:
        ada = await tx.users.get("ada")
        group = await tx.groups.add("lab")
        await tx.groups.add_members(group.id, [ada.id])
    overrides = {"a": {"groups": ["lab"], "spawner_override": {"options_form": "<input name=gpu>"}}}
    house.spawner_options = {"group_overrides": overrides}
    assert (await spawners.form(house.admin, "ada", ""))[0] == "<input name=gpu>"
    await house.user("bob")
    assert (await spawners.form(house.admin, "bob", ""))[0] == ""
    assert isinstance(group, Group)


async def test_only_those_who_may_start_a_server_see_its_form(house: House, spawners: Spawners) -> None:
    await house.user("bob")
    bob = Principal("user", "bob", expand(["self"], Holder(user="bob")))
    reader = Principal("service", "r", expand(["read:servers"], Holder()))
    assert (await refused(spawners.form(bob, "ada", ""))).code is Code.NOT_FOUND
    assert (await refused(spawners.from_form(bob, "ada", "", {}))).code is Code.NOT_FOUND
    assert (await refused(spawners.from_query(reader, "ada", "", {}))).code is Code.FORBIDDEN
    assert (await refused(spawners.form(house.admin, "nobody", ""))).code is Code.NOT_FOUND
    assert (await refused(spawners.form(house.admin, "ada", "Not a name"))).code is Code.INVALID
    assert (await spawners.server(house.admin, "ada", "new")).id == 0


async def test_forms_and_addresses_become_options_fit_to_be_stored(house: House, spawners: Spawners) -> None:
    house.spawner_options = {"options_from_form": "simple"}
    assert await spawners.from_form(house.admin, "ada", "", {"image": ["a"], "gpu": ["on"]}) == {
        "image": "a",
        "gpu": True,
    }
    assert await spawners.from_query(house.admin, "ada", "", {"image": ["a"]}) == {"image": "a"}
    house.spawner_options = {"options_from_form": lambda form: {"when": {1, 2}}}
    assert (await refused(spawners.from_form(house.admin, "ada", "", {}))).code is Code.INVALID


@pytest.mark.parametrize(
    ("raised", "code", "text"),
    [
        (ValueError("Choose an image."), Code.INVALID, "Choose an image."),
        (ValueError(), Code.INVALID, "These options do not fit."),
        (TypeError("unsupported operand"), Code.INVALID, "These options do not fit."),
        (PerijoveError(Code.LIMITED, "Too many."), Code.LIMITED, "Too many."),
        (RuntimeError("inner life"), Code.FAILED, "Something went wrong while reading the form for options."),
    ],
)
async def test_a_form_that_is_not_understood_says_why(
    house: House, spawners: Spawners, raised: Exception, code: Code, text: str
) -> None:
    def read(form: Any) -> Any:
        raise raised

    house.spawner_options = {"options_from_form": read}
    with capture_logs() as logs:
        error = await refused(spawners.from_form(house.admin, "ada", "", {}))
    assert error.code is code
    assert error.message.startswith(text)
    if code is Code.FAILED:
        (line,) = [line for line in logs if "error_id" in line]
        assert line["error_id"] in error.message


async def test_a_form_that_hangs_is_given_up(house: House, spawners: Spawners, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUESTION_TIMEOUT", 0.02)

    async def hang(spawner: Any) -> str:
        await asyncio.Event().wait()
        return ""

    house.spawner_options = {"options_form": hang}
    assert (await refused(spawners.form(house.admin, "ada", ""))).code is Code.UNAVAILABLE


def take(spawner: Any, options: Any) -> None:
    if options.get("image") != "known":
        raise ValueError("There is no such image.")
    spawner.environment = {"IMAGE": options["image"]}


async def test_options_that_do_not_fit_are_refused_before_anything_is_stored(house: House) -> None:
    house.spawner_options = {"apply_user_options": take}
    hub = await house.hub()
    await house.user()
    for wrong in ({"image": "other"}, {"image": None}, {"cmd": "x"}):
        error = await refused(hub.start(options=wrong))
        assert (error.code, error.message) == (Code.INVALID, "There is no such image.")
    async with house.store.transaction() as tx:
        assert await tx.servers.list_active() == []
    await hub.start(options={"image": "known"})
    await house.until("ready")
    assert house.spawners[-1].environment == {"IMAGE": "known"}


async def test_options_of_the_last_time_that_fit_no_longer_are_refused_too(house: House) -> None:
    house.spawner_options = {"apply_user_options": take}
    hub = await house.hub()
    await house.user()
    await hub.start(options={"image": "known"})
    await house.until("ready")
    await hub.stop()
    stopped = await house.until("stopped")
    await house.change(stopped, user_options={"image": "gone"})
    assert (await refused(hub.start())).code is Code.INVALID
    await hub.start(options={"image": "known"})
    await house.until("ready")


async def test_what_breaks_while_trying_is_left_to_the_start(house: House) -> None:
    """The start has more ready: here, what the authenticator does before it."""
    tried: list[str] = []

    def apply(spawner: Any, options: Any) -> None:
        tried.append(spawner.name)
        spawner.environment = {"HOME": spawner.prepared_home}

    async def prepare(user: Any, spawner: Any) -> None:
        spawner.prepared_home = "/prepared"

    house.authenticator.pre_spawn_start = prepare
    house.spawner_options = {"apply_user_options": apply}
    hub = await house.hub()
    await house.user()
    await hub.start(options={"a": 1})
    await house.until("ready")
    assert house.spawners[-1].environment == {"HOME": "/prepared"}
    assert tried == ["", ""]


async def test_options_that_break_the_start_fail_it_in_words(house: House) -> None:
    """Such as those that somebody else changed after they were tried."""
    house.spawner_options = {"apply_user_options": take}
    hub = await house.hub()
    user = await house.user()
    async with house.store.transaction() as tx:
        server = await tx.servers.add(user.id, "")
    await house.change(server, user_options={"image": "gone"}, state=State.QUEUED, attempt=1)
    await hub.lifecycle.sweep()
    assert (await house.until("failed")).failure.reason == "There is no such image."
    assert house.world.runs == {}


async def test_nothing_is_tried_where_there_is_nothing_to_try(house: House, spawners: Spawners) -> None:
    user = await house.user()
    await spawners.try_out(user, Server(0, user.id, "ada", "", user_options={"a": 1}))
    house.spawner_options = {"apply_user_options": take}
    await spawners.try_out(user, Server(0, user.id, "ada", ""))
    with pytest.raises(UnfitOptions):
        await spawners.try_out(user, Server(0, user.id, "ada", "", user_options={"a": 1}))


async def test_hx46_options_are_bounded_at_every_door(house: House) -> None:
    hub = await house.hub(named=True)
    await house.user()
    much = {"a": "x" * MAX_LENGTH}
    assert (await refused(hub.start(options=much))).code is Code.INVALID
    assert (await refused(hub.servers.create(house.admin, "ada", "lab", options=much))).code is Code.INVALID
    assert (await refused(hub.servers.change(house.admin, "ada", "", options=much))).code is Code.INVALID


async def test_the_configuration_may_word_the_last_event(house: House, spawners: Spawners) -> None:
    server = Server(1, 1, "ada", "")
    assert await spawners.ready_event(server, EVENT) == EVENT

    async def later(spawner: Any, event: Any) -> Any:
        return {"message": f"Come in, {spawner.user.name}", "ready": False}

    for hook in (later, lambda spawner, event: {"message": f"Come in, {spawner.user.name}"}):
        house.spawner_options = {"progress_ready_hook": hook}
        assert await spawners.ready_event(server, EVENT) == {"message": "Come in, ada", "ready": True}


@pytest.mark.parametrize(
    "answer", [None, "text", {"message": object()}, {1: {2}}, RuntimeError("broken"), PerijoveError(Code.FAILED, "x")]
)
async def test_a_last_event_that_cannot_be_told_is_not(house: House, spawners: Spawners, answer: Any) -> None:
    def hook(spawner: Any, event: Any) -> Any:
        event.clear()
        if isinstance(answer, Exception):
            raise answer
        return answer

    house.spawner_options = {"progress_ready_hook": hook}
    assert await spawners.ready_event(Server(1, 1, "ada", ""), EVENT) == EVENT
