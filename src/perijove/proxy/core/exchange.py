"""The life cycle of one exchange. All transitions live here; a pair that has no row is a defect of the caller.

A request and its answer overlap: an answer may begin, and even end, while the request is still arriving. The state says
how far both have come; the action says what the relay has to do. Only before the answer began can a failure be told to
the client; afterwards its connection is cut, so that what it got cannot be taken for a whole answer.
"""

from __future__ import annotations

from enum import Enum

# Methods that may be sent again when it is unknown whether the first sending was acted on (RFC 9110 9.2.2).
IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))

# A pooled connection younger than this is trusted with a request that could not be sent again.
FRESH_SECONDS = 1.0


class State(Enum):
    """How far request and answer have come."""

    # Members are single objects: hashing them by identity makes a look-up in the table three times as fast.
    __hash__ = object.__hash__

    SENDING = "request arriving, no answer"
    WAITING = "request complete, no answer"
    CROSSING = "request arriving, answer under way"
    ANSWERING = "request complete, answer under way"
    FAILED_EARLY = "request arriving, our own answer due"
    FAILED = "request complete, our own answer due"
    FINISHED = "both complete"
    CUT = "answer complete, request not"
    SWITCHED = "a tunnel now"
    GONE = "broken off"


class Event(Enum):
    """What happened."""

    __hash__ = object.__hash__

    REQUEST_END = "the request is complete"
    ANSWER = "the head of the answer is here"
    ANSWER_END = "the answer is complete"
    SWITCH = "the target changed the protocol"
    FAULT = "the exchange cannot go on: target lost or invalid, request malformed, time over"
    OWN_ANSWER = "our own answer is written"
    CLIENT_LOST = "the client is gone"


class Action(Enum):
    """What the relay has to do."""

    NOTHING = "nothing"
    PASS_HEAD = "pass the head on"
    FINISH = "take the next request"
    FINISH_AND_CLOSE = "close the client's connection behind the answer"
    OPEN_TUNNEL = "tie both connections together"
    ANSWER_FAULT = "drop the target, answer the client with an error"
    ABORT = "drop the target, cut the client's connection"
    DROP_TARGET = "drop the target"


_S, _E, _A = State, Event, Action

TRANSITIONS: dict[tuple[State, Event], tuple[State, Action]] = {
    (_S.SENDING, _E.REQUEST_END): (_S.WAITING, _A.NOTHING),
    (_S.SENDING, _E.ANSWER): (_S.CROSSING, _A.PASS_HEAD),
    (_S.SENDING, _E.FAULT): (_S.FAILED_EARLY, _A.ANSWER_FAULT),
    (_S.SENDING, _E.CLIENT_LOST): (_S.GONE, _A.DROP_TARGET),
    (_S.WAITING, _E.ANSWER): (_S.ANSWERING, _A.PASS_HEAD),
    (_S.WAITING, _E.SWITCH): (_S.SWITCHED, _A.OPEN_TUNNEL),
    (_S.WAITING, _E.FAULT): (_S.FAILED, _A.ANSWER_FAULT),
    (_S.WAITING, _E.CLIENT_LOST): (_S.GONE, _A.DROP_TARGET),
    (_S.CROSSING, _E.REQUEST_END): (_S.ANSWERING, _A.NOTHING),
    (_S.CROSSING, _E.ANSWER_END): (_S.CUT, _A.FINISH_AND_CLOSE),
    (_S.CROSSING, _E.FAULT): (_S.GONE, _A.ABORT),
    (_S.CROSSING, _E.CLIENT_LOST): (_S.GONE, _A.DROP_TARGET),
    (_S.ANSWERING, _E.ANSWER_END): (_S.FINISHED, _A.FINISH),
    (_S.ANSWERING, _E.FAULT): (_S.GONE, _A.ABORT),
    (_S.ANSWERING, _E.CLIENT_LOST): (_S.GONE, _A.DROP_TARGET),
    (_S.FAILED_EARLY, _E.REQUEST_END): (_S.FAILED, _A.NOTHING),
    (_S.FAILED_EARLY, _E.OWN_ANSWER): (_S.CUT, _A.FINISH_AND_CLOSE),
    (_S.FAILED_EARLY, _E.FAULT): (_S.FAILED_EARLY, _A.NOTHING),
    (_S.FAILED_EARLY, _E.CLIENT_LOST): (_S.GONE, _A.DROP_TARGET),
    (_S.FAILED, _E.OWN_ANSWER): (_S.FINISHED, _A.FINISH),
    (_S.FAILED, _E.FAULT): (_S.FAILED, _A.NOTHING),
    (_S.FAILED, _E.CLIENT_LOST): (_S.GONE, _A.DROP_TARGET),
}


def idle_limit(method: bytes, body: int, usual: float) -> float:
    """Return how long (seconds) a pooled connection may have been idle to carry a request.

    A target may close an idle connection at the moment a request is written to it. Where that request could not be sent
    again, only a connection that was in use a moment ago is taken.
    """
    return usual if method in IDEMPOTENT and not body else min(usual, FRESH_SECONDS)


def may_retry(method: bytes, body: int, *, pooled: bool, retried: bool) -> bool:
    """Return whether a request whose connection closed before any byte of an answer may be sent once more."""
    return pooled and not retried and not body and method in IDEMPOTENT
