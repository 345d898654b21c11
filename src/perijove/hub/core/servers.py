"""The life cycle of a server. All transitions live here, in one table.

A server row stores its *state* (where it is) and its *target* (where its owner wants it). An *event* happens to it;
the table says the next state and the *command* that the hub then carries out. Exactly one command belongs to each state
that is not at rest, so a hub that finds a row after a crash knows what to do from the row alone: `command_for`. A pair
with no row in the table is an error and changes nothing.

    stopped ──start──▸ queued ──admitted──▸ starting ──started──▸ answering ──answered──▸ routing ──routed──▸ ready
       ▴                                        │ failure, stop request or exit, at any stage                    │
       └──────────────── stopped ◂── stopping ◂─┴────────────────────────────────────────────────────────────────┘
                         failed  ◂──────┘ (where there was a failure; a new start leaves it)

One way leads back: a server that ended because its port was taken goes from answering to starting, in the same attempt.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from perijove.hub.core.errors import conflict, invalid
from perijove.wire.models import Pending


class State(StrEnum):
    """Where a server is."""

    STOPPED = "stopped"
    QUEUED = "queued"
    STARTING = "starting"
    ANSWERING = "answering"
    ROUTING = "routing"
    READY = "ready"
    STOPPING = "stopping"
    FAILED = "failed"


class Target(StrEnum):
    """Where its owner wants a server."""

    RUNNING = "running"
    STOPPED = "stopped"


class Event(StrEnum):
    """What can happen to a server."""

    START_REQUESTED = "start_requested"
    STOP_REQUESTED = "stop_requested"
    ADMITTED = "admitted"
    """A place among the concurrent starts is free."""
    STARTED = "started"
    """The spawner says where the server will listen."""
    ANSWERED = "answered"
    """The server answers HTTP there."""
    PORT_TAKEN = "port_taken"
    """It ended because somebody has the port that was chosen for it; the start goes on with another."""
    ROUTED = "routed"
    """The proxy sends its traffic there."""
    BROKE = "broke"
    """A step failed, or the server ended by itself; the failure is recorded with the event."""
    ENDED = "ended"
    """Nothing of it runs any more, as wanted."""
    GAVE_UP = "gave_up"
    """Nothing of it runs any more, after a failure."""


class Command(StrEnum):
    """What the hub does for a server while it is in a state."""

    ADMIT = "admit"
    START = "start"
    PROBE = "probe"
    ROUTE = "route"
    WATCH = "watch"
    STOP = "stop"


TRANSITIONS: Final[Mapping[tuple[State, Event], State]] = {
    (State.STOPPED, Event.START_REQUESTED): State.QUEUED,
    (State.FAILED, Event.START_REQUESTED): State.QUEUED,
    (State.QUEUED, Event.ADMITTED): State.STARTING,
    (State.QUEUED, Event.BROKE): State.STOPPING,
    (State.QUEUED, Event.STOP_REQUESTED): State.STOPPING,
    (State.STARTING, Event.STARTED): State.ANSWERING,
    (State.STARTING, Event.BROKE): State.STOPPING,
    (State.STARTING, Event.STOP_REQUESTED): State.STOPPING,
    (State.ANSWERING, Event.ANSWERED): State.ROUTING,
    (State.ANSWERING, Event.PORT_TAKEN): State.STARTING,
    (State.ANSWERING, Event.BROKE): State.STOPPING,
    (State.ANSWERING, Event.STOP_REQUESTED): State.STOPPING,
    (State.ROUTING, Event.ROUTED): State.READY,
    (State.ROUTING, Event.BROKE): State.STOPPING,
    (State.ROUTING, Event.STOP_REQUESTED): State.STOPPING,
    (State.READY, Event.BROKE): State.STOPPING,
    (State.READY, Event.STOP_REQUESTED): State.STOPPING,
    (State.STOPPING, Event.ENDED): State.STOPPED,
    (State.STOPPING, Event.GAVE_UP): State.FAILED,
}

COMMANDS: Final[Mapping[State, Command]] = {
    State.QUEUED: Command.ADMIT,
    State.STARTING: Command.START,
    State.ANSWERING: Command.PROBE,
    State.ROUTING: Command.ROUTE,
    State.READY: Command.WATCH,
    State.STOPPING: Command.STOP,
}

AT_REST: Final = frozenset({State.STOPPED, State.FAILED})
ON_THE_WAY_UP: Final = frozenset({State.QUEUED, State.STARTING, State.ANSWERING, State.ROUTING})
OCCUPYING: Final = frozenset({State.STARTING, State.ANSWERING, State.ROUTING})
"""The states that count against the limit of concurrent starts."""

_TARGETS: Final[Mapping[Event, Target]] = {
    Event.START_REQUESTED: Target.RUNNING,
    Event.STOP_REQUESTED: Target.STOPPED,
    Event.BROKE: Target.STOPPED,
}


DURABLE: Final = "durable"
"""The key in a server's spawner state under which the names of what outlives its runs stand."""


class Failure(Struct, frozen=True):
    """Why an attempt failed, for a person.

    Attributes:
        reason: one sentence on what happened.
        advice: one sentence on what to do; may be empty.
        log: the last lines of the server's output, secrets removed; may be empty.
        at: when it happened.
    """

    reason: str
    advice: str = ""
    log: str = ""
    at: datetime | None = None


class Server(Struct, frozen=True):
    """One server of a user, as stored.

    Attributes:
        id: its number, for ever.
        user_id: its owner.
        user_name: its owner's name.
        name: empty for the default server.
        state: where it is.
        target: where it is wanted.
        attempt: how often it was started; progress events belong to an attempt.
        url: where it listens, ``http://host:port``, as the spawner said; empty when not known.
        spawner_state: what the spawner needs to find it again.
        user_options: what its owner chose when it was started.
        failure: why the last attempt failed, if it did.
        requested: when the running attempt was asked for; orders the queue.
        started: when the running attempt left the queue.
        last_activity: the latest known use.
        version: counts changes; a writer that read an older one is refused.
        owner: the hub process that works on it (lease).
        lease_until: until when that lease holds.
        remove_wanted: whether it is to be deleted as soon as nothing of it runs.
    """

    id: int
    user_id: int
    user_name: str
    name: str
    display_name: str = ""
    state: State = State.STOPPED
    target: Target = Target.STOPPED
    attempt: int = 0
    url: str = ""
    spawner_state: Mapping[str, Any] = field(default_factory=dict)
    user_options: Mapping[str, Any] = field(default_factory=dict)
    failure: Failure | None = None
    requested: datetime | None = None
    started: datetime | None = None
    last_activity: datetime | None = None
    version: int = 0
    owner: str = ""
    lease_until: datetime | None = None
    remove_wanted: bool = False

    @property
    def durable(self) -> Mapping[str, Any]:
        """The part of `spawner_state` that outlives a run: names of what the spawner keeps, such as a home folder."""
        return {DURABLE: self.spawner_state[DURABLE]} if DURABLE in self.spawner_state else {}

    @property
    def run_state(self) -> Mapping[str, Any]:
        """The part of `spawner_state` that belongs to one run; empty if nothing was started."""
        return {key: value for key, value in self.spawner_state.items() if key != DURABLE}

    @property
    def full_name(self) -> str:
        """``user/server``, as it stands in scopes."""
        return f"{self.user_name}/{self.name}"

    @property
    def active(self) -> bool:
        """Whether anything of it runs or is about to."""
        return self.state not in AT_REST

    @property
    def ready(self) -> bool:
        """Whether it can be used now."""
        return self.state is State.READY

    def may_be_driven_by(self, owner: str, now: datetime) -> bool:
        """Say whether the hub process called *owner* may take it up: nobody else holds a lease on it."""
        return self.owner in {"", owner} or self.lease_until is None or self.lease_until <= now

    @property
    def pending(self) -> Pending | None:
        """The word that clients read: ``spawn``, ``stop`` or None."""
        if self.state is State.STOPPING:
            return "stop"
        return "spawn" if self.state in ON_THE_WAY_UP else None


def next_state(state: State, event: Event) -> State:
    """Return the state after *event*.

    Raises:
        PerijoveError: CONFLICT, if *event* cannot happen in *state*.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise conflict(f"A server that is {state.value} cannot take {event.value.replace('_', ' ')}") from None


def command_for(state: State) -> Command | None:
    """Return what is to be done for a server in *state*; None at rest."""
    return COMMANDS.get(state)


def after(server: Server, event: Event, now: datetime, failure: Failure | None = None) -> Server:
    """Return *server* as it is after *event*.

    Args:
        server: as read from the store.
        event: what happened.
        now: when.
        failure: why, for the event BROKE.

    Raises:
        PerijoveError: CONFLICT, if *event* cannot happen now; nothing changes then.
    """
    if event is Event.START_REQUESTED and server.remove_wanted:
        raise conflict(f"{server.full_name} is being deleted")
    changed = replace(
        server,
        state=next_state(server.state, event),
        target=_TARGETS.get(event, server.target),
        version=server.version + 1,
    )
    match event:
        case Event.START_REQUESTED:
            return replace(
                changed,
                attempt=server.attempt + 1,
                failure=None,
                url="",
                spawner_state=server.durable,
                requested=now,
                started=None,
            )
        case Event.ADMITTED:
            return replace(changed, started=now, last_activity=now)
        case Event.ROUTED:
            # Whoever waited for it is about to use it, however long it took to start.
            return replace(changed, last_activity=now)
        case Event.BROKE:
            return replace(changed, failure=failure)
        case Event.PORT_TAKEN:
            return replace(changed, url="")
        case Event.ENDED | Event.GAVE_UP:
            return replace(changed, url="", spawner_state=server.durable, started=None, requested=None)
        case _:
            return changed


def changed_at_rest(
    server: Server,
    *,
    name: str | None = None,
    display_name: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Server:
    """Return *server* with what is not None changed.

    Raises:
        PerijoveError: INVALID, if anything of it runs, or it is being deleted.
    """
    if server.remove_wanted:
        raise invalid(f"{server.full_name} is being deleted")
    if server.active:
        raise invalid(f"{server.full_name} is {server.state.value}: stop it before you change it")
    return replace(
        server,
        name=server.name if name is None else name,
        display_name=server.display_name if display_name is None else display_name,
        user_options=server.user_options if options is None else options,
        version=server.version + 1,
    )
