"""Why a server ended or did not start, in words for a person, with what to do.

What a server printed is held against a table of the usual causes. The cause that shows last in the log is taken: what a
server goes on after is not what ended it.
"""

from __future__ import annotations

import re
import signal
from typing import Final

from msgspec import Struct

from perijove.hub.core.names import shorten
from perijove.hub.core.servers import Failure
from perijove.hub.core.texts import Sentence, mark, say

LOG_LINES = 40
LINE_LENGTH = 400
"""How much of a line is looked at: whose server it is decides what stands there, and searching must not take long."""
DETAIL_LENGTH = 200
_KILLED = frozenset({-signal.SIGKILL, 128 + signal.SIGKILL})
"""How the status of a killed process looks; a shell between says 128 more than the signal."""


class Cause(Struct, frozen=True):
    """One usual cause.

    Attributes:
        pattern: what the log then says; the group ``detail``, if there is one, goes into the reason.
        reason: completes "The server ended: …"; ``{detail}`` is filled in.
        advice: one sentence on what to do.
        statuses: the exit statuses with which it comes; empty for any.
    """

    pattern: re.Pattern[str]
    reason: str
    advice: str
    statuses: frozenset[int] = frozenset()


def _cause(pattern: str, reason: str, advice: str, *statuses: int) -> Cause:
    return Cause(re.compile(pattern, re.MULTILINE), reason, advice, frozenset(statuses))


_CONNECT: Final = r"Failed to connect to my Hub|aiohttp\.client_exceptions\.\w+: Cannot connect to host"
"""How upstream's single-user server says it, and the end of the long account that follows."""
_REACH: Final = (
    mark("it cannot reach the hub"),
    mark("An administrator should set c.JupyterHub.hub_connect_url to an address of the hub that servers reach."),
)
_WAITING: tuple[Cause, ...] = (
    _cause(rf"{_CONNECT}|The hub does not answer: ", *_REACH),
    _cause(
        r"The hub speaks version (?P<detail>\S+) of the protocol"
        r"|jupyterhub version (?P<detail2>\S+) != jupyterhub-singleuser version",
        mark("the hub speaks version {detail} of the protocol, which is not the server's"),
        mark("Upgrade the jupyterhub or perijove package in the server's environment."),
    ),
)
"""What a server says that goes on, and may never be ready for that."""

_PORT_TAKEN: Final = _cause(
    r"Address already in use|port \d+ is (?:already in use|not available)",
    mark("another program has taken its port"),
    mark("Start it again: it gets another port, unless c.Spawner.port is set."),
)

CAUSES: tuple[Cause, ...] = (
    _cause(_CONNECT, *_REACH),
    _PORT_TAKEN,
    _cause(
        r"Cannot assign requested address|Name or service not known|Temporary failure in name resolution",
        mark("the address on which it should listen, or which it asked, is not one of this machine"),
        mark("An administrator should look at c.Spawner.ip and c.Spawner.hub_connect_url."),
    ),
    _cause(
        r"(?:No space left on device|Disk quota exceeded)(?:: (?P<detail>'[^'\n]*'))?",
        mark("the disk is full, or its quota is used up"),
        mark("Free some space in the home folder, then start it again."),
    ),
    _cause(
        r"Read-only file system(?:: (?P<detail>'[^'\n]*'))?",
        mark("it cannot write to {detail}, which is on a read-only file system"),
        mark("Ask your administrator to mount it for writing, or to set HOME in c.Spawner.environment."),
    ),
    _cause(
        r"(?:Permission denied|Operation not permitted)(?:: (?P<detail>'[^'\n]*'))?",
        mark("it may not read, write or execute {detail}"),
        mark("Give the server's user the right to do that; for the home folder, an administrator can chown it."),
    ),
    _cause(
        r"^NotADirectoryError: .*?(?P<detail>'[^'\n]*')|^FileNotFoundError: .*?(?P<detail2>'[^'\n]*/\.[^'\n]*')",
        mark("it cannot make the folder {detail}"),
        mark("Make sure that the home folder exists, is a folder, and can be written to."),
    ),
    _cause(
        r"^MemoryError|Cannot allocate memory|std::bad_alloc|^OutOfMemoryError|can't start new thread",
        mark("there was no memory left for it"),
        mark("Stop what you do not need, then start it again; an administrator can raise c.Spawner.mem_limit."),
    ),
    _cause(
        r"(?:ModuleNotFound(?:Error)?: |ImportError: )(?P<detail>.+)|^\S*python[\d.]*: (?P<detail2>No module named .+)",
        mark("a Python package is missing or broken: {detail}"),
        mark("Install it in the server's environment, or take the extension that wants it out of the configuration."),
    ),
    _cause(
        r"init_fs_encoding|init_import_site|No module named 'encodings'|error while loading shared libraries"
        r"|undefined symbol|version `\S+' not found|bad interpreter",
        mark("the Python that it runs on is broken or finds the files of another version"),
        mark("Make its environment anew, and take PYTHONHOME and LD_LIBRARY_PATH out of c.Spawner.environment."),
    ),
    _cause(
        r"(?:Bad config encountered during initialization: |TraitError: |Failed to load config file )(?P<detail>.+)",
        mark("a setting of Jupyter's is wrong: {detail}"),
        mark(
            "Correct it in ~/.jupyter (c.Spawner.disable_user_config leaves that out), /etc/jupyter or c.Spawner.args."
        ),
    ),
    _cause(
        r"error: (?P<detail>(?:argument|unrecognized arguments|ambiguous option).+)",
        mark("its command line is wrong: {detail}"),
        mark("An administrator should correct c.Spawner.args or c.Spawner.cmd."),
        2,
    ),
    _cause(
        r"JUPYTERHUB_\w+ (?:is missing|environment variable|env is required)"
        r"|Missing required environment \$JUPYTERHUB_",
        mark("it was not told which hub started it"),
        mark(
            "What is between hub and server, sudo or a script in c.Spawner.cmd, must hand on all JUPYTERHUB_ variables."
        ),
    ),
    _cause(
        r"Running as root is not recommended",
        mark("it refuses to run as root"),
        mark("Add --allow-root to c.Spawner.args, or better let the hub run as another user."),
    ),
    _cause(
        r"CERTIFICATE_VERIFY_FAILED|certificate verify failed",
        mark("it does not trust a certificate, that of the hub perhaps"),
        mark("Set SSL_CERT_FILE in c.Spawner.environment to a file with the authority that signed it."),
    ),
    _cause(
        r"(?:^|[\s:])(?P<detail>[^\s:]+): (?:command )?not found$",
        mark("the command {detail} was not found"),
        mark("Install it where the server's PATH leads, or set c.Spawner.cmd to its path."),
        127,
    ),
)
"""The usual causes; of those that show at the same place in a log, the first one is taken."""

_NO_MEMORY = Cause(
    re.compile(""),
    mark("it used all the memory that it may use"),
    mark(
        "Load less at once, or ask your administrator for more (c.Spawner.mem_limit); your files are as you saved them."
    ),
)
_SOMEBODY = Cause(
    re.compile(""),
    "",
    mark("Somebody ended it, or the machine ran out of memory. Start it again; your files are as you saved them."),
)
_EXCEPTION = re.compile(r"^\s*(?P<words>[A-Za-z_][\w.]*(?:Error|Exception|NotFound|Timeout)(?:: .+)?)$")
"""The last line of what Python prints about an exception that nobody caught."""
_ADDRESS = re.compile(r"https?://(?P<host>\[[^\]\s]*\]|[^\s/:]+):(?P<port>\d+)(?P<path>/[^\s?#]*)?")
_LISTENS = re.compile(
    rf"(?:running at|running on|listening on|listening at)\S*\s+(?:\[[^\]\n]*\]\s+)?{_ADDRESS.pattern}", re.IGNORECASE
)
"""How Jupyter Server and other programs say where they listen; the address may follow on the next line of the log."""


def exit_words(status: int | None) -> Sentence:
    """Return how a process with this exit status ended, negative for a signal, to go on after its name."""
    if not status:
        return say("ended")
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = str(-status)
        return say("was killed by signal {signal}", signal=name)
    return say("ended with exit status {status}", status=status)


def ended(status: int | None, log: str, *, while_starting: bool, out_of_memory: bool = False) -> Failure:
    """Return the failure of a server that ended without being asked to.

    Args:
        status: its exit status, negative for a signal; None or 0 if that is not known.
        log: the last lines it printed, secrets removed.
        while_starting: whether it had not yet been ready.
        out_of_memory: whether something of it was ended because the memory that it may use was used up.
    """
    reason, advice = _explained(status, log, out_of_memory)
    end = exit_words(status)
    if while_starting and reason:
        return Failure(say("The server {ended} before it was ready: {reason}.", ended=end, reason=reason), advice, log)
    if while_starting:
        return Failure(say("The server {ended} before it was ready.", ended=end), advice, log)
    if reason:
        return Failure(say("The server {ended}: {reason}.", ended=end, reason=reason), advice, log)
    return Failure(say("The server {ended}.", ended=end), advice, log)


def port_was_taken(status: int | None, log: str) -> bool:
    """Say whether a server that ended with *status* could not have its port, as the last lines of its *log* tell."""
    found = _last_cause(status, log)
    return found is not None and found[0] is _PORT_TAKEN and status not in _KILLED


def _explained(status: int | None, log: str, out_of_memory: bool) -> tuple[str, str]:
    """Return reason and advice; the reason may be empty."""
    if out_of_memory and (not status or status in _KILLED):
        return say(_NO_MEMORY.reason), say(_NO_MEMORY.advice)
    found = _last_cause(status, log)
    if found is not None and status not in _KILLED:
        cause, match = found
        return _filled(cause, match), say(cause.advice)
    if status in _KILLED:
        return "", say(_SOMEBODY.advice)
    if last := _EXCEPTION.search(log.rstrip().rpartition("\n")[2][:LINE_LENGTH]):
        return shorten(last["words"], DETAIL_LENGTH), say("Its log may say more.")
    return "", say("Its log may say more.") if log else say("Start it again.")


def _last_cause(status: int | None, log: str, causes: tuple[Cause, ...] = CAUSES) -> tuple[Cause, re.Match[str]] | None:
    """Return that of *causes* which shows last in *log*, and where."""
    text = _looked_at(log)
    found: tuple[Cause, re.Match[str]] | None = None
    for cause in causes:
        if cause.statuses and status not in cause.statuses:
            continue
        for match in cause.pattern.finditer(text):
            if found is None or match.start() > found[1].start():
                found = cause, match
    return found


def _looked_at(log: str) -> str:
    return "\n".join(line[:LINE_LENGTH] for line in log.splitlines()[-LOG_LINES:])


def _filled(cause: Cause, match: re.Match[str]) -> Sentence:
    detail = next((text for text in match.groupdict().values() if text), "")
    known = shorten(detail.strip().rstrip(".?!"), DETAIL_LENGTH) if detail else say("something it needs")
    return say(cause.reason, detail=known) if "{detail}" in cause.reason else say(cause.reason)


def timed_out(what: str, seconds: float, log: str = "", url: str = "") -> Failure:
    """Return the failure of a step that took too long.

    Args:
        what: completes "The server did not …".
        seconds: how long it was waited for.
        log: the last lines it printed, secrets removed.
        url: where the hub asked it in vain, if it did.
    """
    time = f"{seconds:g}"
    reason = say("The server did not {what} within {seconds} seconds.", what=what, seconds=time)
    if elsewhere := _elsewhere(log, url):
        return Failure(reason, elsewhere, log)
    if found := _last_cause(None, log, _WAITING):
        cause, match = found
        why = _filled(cause, match)
        reason = say(
            "The server did not {what} within {seconds} seconds: {reason}.", what=what, seconds=time, reason=why
        )
        return Failure(reason, say(cause.advice), log)
    return Failure(reason, say("Try again; if it happens again, ask your administrator."), log)


def _elsewhere(log: str, url: str) -> str:
    """Return what to do if *log* says that the server listens somewhere else than at *url*; "" if it does not."""
    asked = _ADDRESS.match(url)
    listens = list(_LISTENS.finditer(_looked_at(log)))
    if asked is None or not listens:
        return ""
    told = listens[-1]
    host, port, path = told["host"], told["port"], told["path"] or "/"
    if port != asked["port"]:
        return say(
            "It listens on port {port}, but the hub asks it on port {asked}: it must take the port from "
            "JUPYTERHUB_SERVICE_URL, and nothing in its configuration or c.Spawner.args may set another.",
            port=port,
            asked=asked["port"],
        )
    prefix = (asked["path"] or "/").removesuffix("api")
    if not f"{path.rstrip('/')}/".startswith(prefix):
        return say(
            "It serves {path}, but the hub asks for {prefix}: it must take its base URL from "
            "JUPYTERHUB_SERVICE_PREFIX, and nothing may set another.",
            path=shorten(path, DETAIL_LENGTH),
            prefix=shorten(prefix, DETAIL_LENGTH),
        )
    return say(
        "It says that it listens at {host}: c.Spawner.ip must be an address at which the hub reaches it, and no "
        "firewall may be between.",
        host=shorten(host, DETAIL_LENGTH),
    )


def refused(message: str, log: str = "") -> Failure:
    """Return the failure of a step that said itself what was wrong."""
    return Failure(message, "", log)


def crashed(stage: str, error_id: str) -> Failure:
    """Return the failure of a step that broke in a way only an administrator can mend; the log has the id."""
    return Failure(
        say("Something went wrong while {stage}.", stage=stage),
        say("Ask your administrator and say the number {number}, which is in the hub's log.", number=error_id),
    )
