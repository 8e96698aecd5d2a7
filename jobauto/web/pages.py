"""The pages, and how a person comes in. All files are read at the start; a request names none."""

from __future__ import annotations

from importlib import resources

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from jobauto.web.door import Door
from jobauto.web.guards import ASSETS, Entrance, refusal
from jobauto.web.sessions import LONGEST

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# Without a referrer a browser would send the login's form without its Origin.
_HEADERS = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "same-origin"}
_KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


def _read() -> dict[str, str]:
    folder = resources.files("jobauto.web") / "page"
    return {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}


_FILES = _read()


def door(request: Request) -> Door:
    """The door of the run that a request is about; 404 if there is no such run."""
    found: Door | None = request.app.state.find(request.path_params.get("run", ""))
    if found is None:
        raise HTTPException(404, "no such run")
    return found


def page(name: str, status: int = 200) -> Response:
    """One of our HTML files."""
    return Response(_FILES[name], status, _HEADERS, media_type="text/html")


def run(request: Request) -> Response:
    """The page of a run."""
    door(request)
    return page("run.html")


def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    kind = _KINDS.get(name.rpartition(".")[2])
    if kind is None or name not in _FILES:
        return refusal(404, "Not Found")
    return Response(_FILES[name], media_type=kind)


async def _login(request: Request) -> Response:
    if request.method != "POST":
        return page("login.html")
    entrance: Entrance = request.app.state.entrance
    async with request.form(max_files=0, max_fields=5) as form:
        secret, to = form.get("secret"), form.get("to")
    session = entrance.sessions.enter(secret.strip()) if isinstance(secret, str) else None
    if session is None:
        return page("refused.html", 403)
    # a place on this server, and none that a browser takes for another one (//host)
    place = to if isinstance(to, str) and to.startswith("/runs/") else "/"
    response = RedirectResponse(place, 303)
    response.set_cookie(
        entrance.cookie,
        session,
        max_age=int(LONGEST),
        httponly=True,
        samesite="strict",
        secure=entrance.tls,
    )
    return response


async def _logout(request: Request) -> Response:
    entrance: Entrance = request.app.state.entrance
    entrance.sessions.leave(request.cookies.get(entrance.cookie, ""))
    response = Response(status_code=204)
    response.delete_cookie(entrance.cookie, httponly=True, samesite="strict")
    return response


ROUTES = [
    Route("/login", _login, methods=["GET", "POST"]),
    Route("/logout", _logout, methods=["POST"]),
    Route(ASSETS + "{name}", _asset),
]
