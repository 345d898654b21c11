"""Lists the servers that nobody has used for a while, and stops them for whoever presses the button."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime, timedelta, timezone

from tornado.template import Template
from tornado.web import Application

from perijove.client.auth import HubOAuth
from perijove.client.environment import ServiceEnvironment
from perijove.client.rest import ApiError, HubClient
from perijove.client.tornado import HubOAuthenticated, sign_in_pages

IDLE_MINUTES = 30
PAGE = Template("""<!doctype html>
<html lang="en">
<title>Idle servers</title>
<h1>Servers idle for {{ minutes }} minutes or more</h1>
<p>You are {{ visitor }}. <a href="{{ prefix }}logout">Sign out</a></p>
<ul>
{% for user, server, idle in servers %}
  <li>{{ user }}/{{ server }}, idle since {{ idle }}
    <form method="post" action="{{ prefix }}stop">
      <input type="hidden" name="_xsrf" value="{{ xsrf }}">
      <input type="hidden" name="user" value="{{ user }}">
      <input type="hidden" name="server" value="{{ server }}">
      <button>Stop</button>
    </form>
  </li>
{% end %}
</ul>
</html>
""")


async def idle_servers(hub: HubClient, now: datetime, idle_after: timedelta) -> list[tuple[str, str, str]]:
    """Return user, server and last activity of each server that nobody used since *idle_after* before *now*."""
    found = []
    async for user in hub.users(state="ready"):
        for name, server in user["servers"].items():
            last = server["last_activity"] or server["started"]
            if server["ready"] and last and now - datetime.fromisoformat(last.replace("Z", "+00:00")) >= idle_after:
                found.append((user["name"], name, last))
    return found


class Page(HubOAuthenticated):
    """The list."""

    async def get(self) -> None:
        settings = self.settings
        now = datetime.now(timezone.utc)
        page = PAGE.generate(
            minutes=int(settings["idle_after"].total_seconds() // 60),
            visitor=self.current_user.name,
            prefix=self.hub_auth.environment.prefix,
            servers=await idle_servers(settings["hub"], now, settings["idle_after"]),
            xsrf=self.xsrf_token,
        )
        self.finish(page)


class Stop(HubOAuthenticated):
    """The button; `_xsrf` is compared before this runs."""

    async def post(self) -> None:
        hub: HubClient = self.settings["hub"]
        try:
            await hub.stop_server(self.get_body_argument("user"), self.get_body_argument("server"))
        except ApiError as error:
            self.set_status(error.status)
            self.finish(error.message)
            return
        self.redirect(self.hub_auth.environment.prefix)


def make_app(environment: ServiceEnvironment, idle_after: timedelta) -> Application:
    """Return the application; its questions to the hub carry the service's own token."""
    prefix = environment.prefix
    handlers = [(prefix, Page), (f"{prefix}stop", Stop), *sign_in_pages(prefix)]
    auth, hub = HubOAuth(environment), HubClient.of(environment)
    return Application(handlers, hub_auth=auth, hub=hub, idle_after=idle_after)


async def main() -> None:
    """Serve where the hub expects it, and on port 10102 if the hub did not say; the argument is a number of minutes."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else IDLE_MINUTES
    environment = ServiceEnvironment.from_environ()
    bind = environment.bind
    make_app(environment, timedelta(minutes=minutes)).listen(
        bind.port if bind else 10102, bind.ip if bind else "127.0.0.1"
    )
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
