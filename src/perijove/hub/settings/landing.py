"""Where people are led who did not say where they want to go, and what becomes of their servers when they go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from msgspec import Struct
from traitlets import Any as AnyTrait
from traitlets import Bool, Float, TraitError, Unicode, validate
from traitlets.config import LoggingConfigurable

from perijove.hub.core.names import validate_server_name


class Landing(Struct, frozen=True):
    """What the pages must know of these options.

    Attributes:
        to_server: whether people are led to their running server after they signed in.
        page: the page they are led to instead, or a function that chooses it; empty for none.
        server_name: the server that ``/hub/user-redirect`` leads to; empty for the default one.
        redirect: a function that chooses where ``/hub/user-redirect`` leads to, or None.
        start_after: seconds after which the page of a server that does not run starts it; 0 for never.
        stop_servers: whether a user's servers stop when the user signs out.
        stopped_status: the HTTP status at the address of a server that does not run.
    """

    to_server: bool = True
    page: str | Callable[..., Any] = ""
    server_name: str = ""
    redirect: Callable[..., Any] | None = None
    start_after: float = 0
    stop_servers: bool = False
    stopped_status: int = 424


class LandingOptions(LoggingConfigurable):
    """The part of ``c.JupyterHub.…`` that says where people are led."""

    PART_OF_A_SECTION: ClassVar = True

    redirect_to_server = Bool(
        True, help="Lead people to their running server after sign-in, not to the hub's home page."
    ).tag(config=True)
    default_url = AnyTrait(
        "",
        help="The page that people are led to after sign-in, in place of their server or the home page: a path below "
        "base_url, or a function of an object with current_user and request that returns one, or None.",
    ).tag(config=True)
    default_server_name = Unicode(
        "", help="The named server that /hub/user-redirect leads to; empty for the default one."
    ).tag(config=True)
    user_redirect_hook = AnyTrait(
        None,
        allow_none=True,
        help="A function of path, request, user and base_url that returns where /hub/user-redirect leads to: a path "
        "below base_url, or None for the usual place.",
    ).tag(config=True)
    implicit_spawn_seconds = Float(
        0, min=0, help="Seconds after which the page of one's own server that does not run starts it; 0 for never."
    ).tag(config=True)
    shutdown_on_logout = Bool(False, help="Stop the servers of a user who signs out.").tag(config=True)
    use_legacy_stopped_server_status_code = Bool(
        False, help="Answer 503, not 424, at the address of a server that does not run, as very old clients want it."
    ).tag(config=True)

    @validate("default_url")
    def _check_page(self, proposal: Any) -> Any:
        if not callable(proposal.value) and not isinstance(proposal.value, str):
            raise TraitError(f"{proposal.value!r} is neither a path nor a function")
        return proposal.value

    @validate("user_redirect_hook")
    def _check_hook(self, proposal: Any) -> Any:
        if proposal.value is not None and not callable(proposal.value):
            raise TraitError(f"{proposal.value!r} is no function")
        return proposal.value

    @validate("default_server_name")
    def _check_server_name(self, proposal: Any) -> str:
        return validate_server_name(str(proposal.value))

    @property
    def landing(self) -> Landing:
        """What the pages must know of these options."""
        return Landing(
            to_server=self.redirect_to_server,
            page=self.default_url,
            server_name=self.default_server_name,
            redirect=self.user_redirect_hook,
            start_after=self.implicit_spawn_seconds,
            stop_servers=self.shutdown_on_logout,
            stopped_status=503 if self.use_legacy_stopped_server_status_code else 424,
        )
