"""What the hub in the pictures of the documentation holds: always the same people, servers and hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import sin
from typing import Any, Final

from msgspec.structs import replace
from traitlets.config import Config

from perijove.hub.adapters.authenticators.dummy import DummyAuthenticator
from perijove.hub.core import events
from perijove.hub.core.audit import entry_of
from perijove.hub.core.facts import Fact, Origin
from perijove.hub.core.history import Gauges
from perijove.hub.core.long_actions import Kind, LongAction
from perijove.hub.core.progress import ProgressEvent
from perijove.hub.core.role_events import RoleHolderChanged
from perijove.hub.core.roles import Role
from perijove.hub.core.servers import Failure, Server, State, Target
from perijove.hub.core.services import Service
from perijove.hub.core.shares import Share, ShareCode
from perijove.hub.core.tokens import Token, hash_token
from perijove.hub.core.users import Account
from perijove.hub.plugins.multi_authenticator import MultiAuthenticator
from perijove.hub.ports.audit import AuditPage, AuditQuery
from perijove.hub.ports.authenticator import Authenticator
from perijove.hub.ports.spawner import Spawner
from perijove.hub.ports.store import Transaction
from perijove.hub.settings.effective import OptionValue, effective
from perijove.hub.settings.jupyterhub import JupyterHub
from perijove.hub.settings.services import ServiceSpec
from perijove.hub.testing.fakes import FakeWorld
from perijove.hub.testing.identity_provider import ProviderAuthenticator
from perijove.hub.testing.running import RunningHub

NOW: Final = datetime(2026, 3, 31, 9, 41, tzinfo=UTC)
MIB: Final = 2**20
SHARE_CODE: Final = "code-of-a-shared-link"
INVITATION: Final = "code-of-the-first-administrator"

LOG: Final = """[I 2026-03-31 09:40:52 ServerApp] jupyterlab | extension was successfully linked.
[I 2026-03-31 09:40:52 ServerApp] notebook | extension was successfully linked.
[I 2026-03-31 09:40:53 LabApp] JupyterLab application directory is /opt/jupyter/share/jupyter/lab
[I 2026-03-31 09:40:53 ServerApp] Serving notebooks from local directory: /home/ada
[I 2026-03-31 09:40:53 ServerApp] Jupyter Server 2.17.0 is running at http://127.0.0.1:41203/user/ada/"""

BROKEN: Final = Failure(
    "The server ended with exit status 1 before it was ready.",
    "The disk is full: delete what you no longer need, or ask for more space.",
    """Traceback (most recent call last):
  File "/opt/jupyter/lib/python3.13/site-packages/jupyter_core/paths.py", line 1027, in secure_write
    with os.fdopen(os.open(fname, open_flag, 0o600), mode) as f:
OSError: [Errno 28] No space left on device: '/home/emmy/.local/share/jupyter/runtime/jpserver-81.json'""",
    NOW - timedelta(minutes=2),
)

PEOPLE: Final = (
    *("ada", "alan", "barbara", "bea", "blaise", "carl", "cecilia", "chien-shiung", "claude", "dorothy", "edsger"),
    *("emmy", "enrico", "erwin", "evariste", "grace", "hedy", "henrietta", "isaac", "jocelyn", "johannes", "katherine"),
    *("konrad", "leonhard", "lise", "mae", "margaret", "maria", "marie", "maxwell", "mileva", "nikola", "rosalind"),
    *("sofja", "srinivasa", "stephen", "tycho", "vera", "wernher-magnus.maximilian", "zhang-heng"),
)


def options() -> Sequence[OptionValue]:
    """Return the configuration in effect."""
    return effective(CONFIGURATION, [JupyterHub(config=CONFIGURATION), Spawner])


UNIVERSITY: Final = {"provider_url": "https://provider.example", "login_service": "your university account"}


def elsewhere() -> Authenticator:
    """Return an authenticator that leads people to an identity provider at once."""
    return ProviderAuthenticator(auto_login=True, **UNIVERSITY)


def several_ways() -> Authenticator:
    """Return an authenticator with two buttons and a form."""
    return MultiAuthenticator(
        authenticators=[
            (ProviderAuthenticator, "/university", UNIVERSITY),
            (ProviderAuthenticator, "/github", UNIVERSITY | {"login_service": "GitHub"}),
            (DummyAuthenticator, "/guests", {}),
        ]
    )


def ago(**span: float) -> datetime:
    """Return a time before the one at which the pictures are taken."""
    return NOW - timedelta(**span)


class Reader:
    """The audit log: what happened this morning."""

    async def find(self, query: AuditQuery) -> AuditPage:
        """Return the same lines whatever was asked for."""
        facts: Sequence[tuple[Fact, str, int]] = (
            (events.ServerStopRequested("emmy/", "root"), "user", 2),
            (RoleHolderChanged("tutor", "group", "physics", True, "root"), "user", 4),
            (events.SignInRefused("mallory", "Invalid username or password"), "visitor", 9),
            (events.UserCreated("bea", "root"), "user", 15),
            (events.MembershipChanged("biology", "bea", True, "root"), "user", 15),
            (events.TokenCreated("ada", "ada", "a7"), "user", 31),
            (events.SignedIn("ada"), "user", 33),
            (events.ServiceCreated("dashboard", False, "http://127.0.0.1:9000", "root"), "user", 58),
        )
        found = [
            (entry_of(fact, Origin(kind, "session", "192.0.2.17", "r-7f3a"), ago(minutes=minutes)), 480 - number)
            for number, (fact, kind, minutes) in enumerate(facts)
        ]
        return AuditPage([entry | {"seq": seq} for entry, seq in found if entry], "", 64_000)


FORM: Final = """
<label for="profile">Environment</label>
<select id="profile" name="profile">
  <option value="small">Small: 2 cores, 4 GB</option>
  <option value="large">Large: 8 cores, 32 GB</option>
</select>
<label for="course">Course</label>
<input id="course" name="course" value="Quantum mechanics I">
"""

SERVICES: Final = (
    ServiceSpec(
        "wiki", api_token="w" * 40, url="http://127.0.0.1:9001", oauth_client_allowed_scopes=("read:users!user",)
    ),
    ServiceSpec("culler", api_token="c" * 40, command=("python", "-m", "jupyterhub_idle_culler", "--timeout=3600")),
)

CONFIGURATION: Final = Config(
    JupyterHub={
        "bind_url": "https://hub.example.org",
        "spawner_class": "docker",
        "concurrent_spawn_limit": 40,
        "named_server_limit_per_user": 5,
        "allow_named_servers": True,
    },
    Spawner={"mem_limit": "2G", "cpu_limit": 2.0, "default_url": "/lab", "environment": {"TOKEN": "a secret"}},
)


TEMPLATE_VARS: Final = {
    "announcement": "On Saturday from 8 to 10 the hub is away for maintenance. Servers go on.",
    "login_term_url": "/terms",
}


async def invite(hub: RunningHub) -> None:
    """Let *hub* wait for its first administrator."""
    hub.clock.set(NOW)
    async with hub.store.transaction() as tx:
        await tx.invitations.replace(hash_token(INVITATION), NOW)


async def fill(hub: RunningHub, world: FakeWorld) -> None:
    """Put everything into *hub*, whose servers run in *world*, that its pictures show."""
    for number, name in enumerate(PEOPLE):
        hub.clock.set(ago(days=20 + 9 * number))
        await hub.add_user(name)
    await hub.add_user("root", admin=True)
    hub.clock.set(NOW)
    world.log = LOG
    async with hub.store.transaction() as tx:
        users = {name: user for name in (*PEOPLE, "root") if (user := await tx.users.get(name)) is not None}
        await _groups_and_roles(tx, {name: user.id for name, user in users.items()})
        await _accounts(tx)
        seen = {users[name].id: ago(minutes=3 + 37 * number) for number, name in enumerate(PEOPLE)}
        await tx.activity.record(seen, {}, {})
        servers = await _servers(tx, {name: user.id for name, user in users.items()})
        await _shares(tx, servers, {name: user.id for name, user in users.items()})
        await _tokens(tx, users["ada"].id, servers["ada/"])
        for action in _actions():
            await tx.long_actions.add(action)
    await _services(hub)
    await hub.parts.routes.reconcile()
    _history(hub)


async def _groups_and_roles(tx: Transaction, ids: Mapping[str, int]) -> None:
    for name, members in (("biology", PEOPLE[::5]), ("physics", PEOPLE[::2]), ("staff", ("root", "grace"))):
        group = await tx.groups.add(name)
        await tx.groups.add_members(group.id, [ids[each] for each in members])
        if name == "biology":
            await tx.groups.set_properties(group.id, {"disk": "20G", "image": "bio-2026"})
        if name == "staff":
            scopes = ("admin-ui", "list:users!group=physics", "servers!group=physics", "read:hub")
            await tx.roles.put(Role("tutor", scopes, "Help with the servers of physics", custom=True))
            await tx.roles.assign("tutor", "group", group.id)
            await tx.roles.assign("tutor", "user", ids["grace"])
    user = Role("user", ("self", "shares!user", "access:services", "read:users:name", "read:groups:name"))
    await tx.roles.put(replace(user, description="What every user may do"))


async def _accounts(tx: Transaction) -> None:
    for name, hours in (("hypatia", 1.0), ("galileo", 20.0)):
        await tx.accounts.add(Account(name, "", False, ago(hours=hours)))


async def _servers(tx: Transaction, ids: Mapping[str, int]) -> Mapping[str, Server]:
    """Store servers in every state and return them by ``user/name``."""
    named = {"thesis": "Thesis", "climate-models": "Climate models"}
    states = {
        **{f"{name}/": State.READY for name in PEOPLE[1:28:2]},
        "ada/": State.READY,
        "ada/climate-models": State.READY,
        "ada/thesis": State.STOPPED,
        "bea/": State.STARTING,
        "emmy/": State.FAILED,
        "claude/": State.QUEUED,
        "dorothy/": State.STOPPING,
        "grace/": State.STOPPED,
    }
    found = {}
    for number, (full_name, state) in enumerate(states.items()):
        owner, _, name = full_name.partition("/")
        server = await tx.servers.add(ids[owner], name, named.get(name, ""))
        active = state not in {State.STOPPED, State.FAILED}
        begun = ago(seconds=4) if state in {State.STARTING, State.QUEUED} else ago(minutes=20 + 11 * number)
        found[full_name] = replace(
            server,
            state=state,
            target=Target.RUNNING if active and state is not State.STOPPING else Target.STOPPED,
            attempt=1,
            url=f"http://127.0.0.1:{41200 + number}" if state is State.READY else "",
            spawner_state={"run": str(number)} if active else {},
            failure=BROKEN if state is State.FAILED else None,
            requested=begun if active else None,
            started=begun if active and state is not State.QUEUED else None,
            last_activity=None if state in {State.STARTING, State.QUEUED} else ago(minutes=1 + 7 * number),
            version=server.version + 1,
        )
        await tx.servers.save(found[full_name])
        # As if another hub process worked on them: nothing here moves what the pictures show.
        await tx.servers.claim(server.id, "another hub process", ago(days=-1), NOW)
    steps = (
        (0, "Server requested"),
        (20, "Starting your server"),
        (50, "The server was started; waiting for it to answer"),
    )
    for progress, message in steps:
        await tx.progress.append(
            ProgressEvent(0, found["bea/"].id, 1, ago(seconds=4), progress=progress, message=message)
        )
    return found


async def _shares(tx: Transaction, servers: Mapping[str, Server], ids: Mapping[str, int]) -> None:
    def share(server: Server, holder: str) -> Share:
        return Share(
            0,
            server.id,
            server.user_name,
            server.name,
            ("access:servers",),
            ago(days=2),
            user_id=ids[holder],
            user_name=holder,
        )

    await tx.shares.put(share(servers["ada/"], "grace"))
    await tx.shares.put(share(servers["ada/climate-models"], "marie"))
    await tx.shares.put(share(servers["alan/"], "ada"))
    await tx.share_codes.add(
        ShareCode(
            0,
            hash_token(SHARE_CODE),
            servers["ada/"].id,
            "ada",
            "",
            ("access:servers",),
            ago(hours=2),
            ago(hours=-22),
            3,
        )
    )


async def _tokens(tx: Transaction, ada: int, server: Server) -> None:
    def token(number: int, note: str, scopes: tuple[str, ...], **more: Any) -> Token:
        return Token(0, hash_token(f"token {number}"), "user", ada, "ada", scopes, ago(days=number), note, **more)

    for each in (
        token(40, "Old laptop", ("inherit",), last_activity=ago(days=31), expires_at=ago(days=-325)),
        token(9, "Nightly report", ("read:servers!user",), last_activity=ago(hours=7), expires_at=ago(days=-21)),
        token(2, "Course material", ("access:servers!user", "servers!user"), expires_at=ago(days=-5)),
    ):
        await tx.tokens.add(each)
    await tx.tokens.add(token(1, "Server at /user/ada/", (), server_id=server.id, last_activity=ago(minutes=1)))
    await tx.tokens.add(token(5, "", (), client_id="service-wiki", last_activity=ago(hours=3)))


def _actions() -> Sequence[LongAction]:
    names = [name for name in PEOPLE if name.startswith(("h", "k"))]
    reason = "The server did not stop in time."
    return (
        LongAction(
            "the-finished-action", Kind.STOP, "root", 24, ago(hours=3), ago(hours=3), 24, 0, finished=ago(hours=3)
        ),
        LongAction(
            "the-action-with-failures",
            Kind.STOP,
            "root",
            36,
            ago(minutes=40),
            ago(minutes=38),
            36,
            3,
            tuple((name, reason) for name in names[:3]),
            finished=ago(minutes=38),
        ),
        LongAction("the-running-action", Kind.START, "root", 40, ago(seconds=50), ago(seconds=1), 26, 0),
    )


async def _services(hub: RunningHub) -> None:
    async with hub.store.transaction() as tx:
        await tx.services.add(Service(0, "dashboard", url="http://127.0.0.1:9000", from_config=False))
    hub.keeper.begin(check_interval=3600)
    await hub.keeper.look()


def _history(hub: RunningHub) -> None:
    """Let the charts have a day: a morning that fills up, with a failure now and then."""
    for minute in range(24 * 60, -1, -1):
        at = ago(minutes=minute)
        busy = max(0.0, sin((at.hour * 60 + at.minute - 360) / 1440 * 6.3)) * 8.6 + 5 + 1.5 * sin(minute / 9)
        hub.history.history.looked(
            at,
            Gauges(
                running=int(busy),
                starting=2 if minute % 17 < 3 else 0,
                queued=3 if minute % 41 < 2 else 0,
                hub_memory=int((118 + busy * 1.2) * MIB),
                used_memory=int((2600 + busy * 900) * MIB),
                all_memory=32 * 1024 * MIB,
            ),
        )
        if minute % 4 == 0:
            hub.history.history.started(at, 0.9 + 0.4 * abs(sin(minute / 7)))
        if minute % 53 == 0:
            hub.history.history.failed(at)
