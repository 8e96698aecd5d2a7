"""Notification services, by URLs of apprise. These hold secrets, and are never shown or logged."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from jobauto.errors import UserError


@dataclass(frozen=True, slots=True)
class Service:
    """A service, by the scheme of its URL. `send` takes a title and a text; whether that worked."""

    scheme: str
    send: Callable[[str, str], bool]


def scheme(url: str) -> str:
    """All of a URL that may be shown: `json://`, or nothing if it has no scheme."""
    found = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", url)
    return found[0] if found else ""


def opened(url: str) -> Service:
    """The service behind a URL; nobody is asked yet. ValueError for a URL that apprise does not
    understand, UserError if apprise is not installed.
    """
    try:
        from apprise import Apprise, AppriseAsset  # an extra, and an import that takes a moment
    except ImportError:
        raise UserError(
            "--notify: apprise is not installed", hint="pip install 'jobauto[notify]'"
        ) from None
    # With a timeout apprise sends in threads that keep this process from ending. Its own log
    # of what it did stays in memory, as it may hold secrets.
    asset = AppriseAsset(
        app_id="jobauto", service_timeout=0, result_log_disk_size=0, storage_mode="memory"
    )
    plugin = Apprise.instantiate(url, asset=asset)
    if plugin is None:
        raise ValueError(f"apprise does not understand this URL ({scheme(url) or 'no scheme'})")
    services = Apprise(asset=asset)
    services.add(plugin)

    def send(title: str, text: str) -> bool:
        return bool(services.notify(text, title, body_format="text"))

    return Service(scheme(url), send)
