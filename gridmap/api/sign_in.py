"""Signing in and out over HTTP, and the page for it.

Only JSON is taken, which no form of another site's page can send, and the cookie is sent from
pages of this site alone.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from gridmap.api.accounts import Accounts, SignedIn
from gridmap.api.addresses import client_address
from gridmap.api.bodies import body_of
from gridmap.api.errors import Refused, telling_errors
from gridmap.api.media_types import is_utf8, media_type
from gridmap.errors import Invalid, Unauthenticated
from gridmap.store.dates import now

FOLDER = Path(__file__).parent / "static" / "sign_in"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_NO_STORE = {"cache-control": "no-store"}
_MOST_BYTES = 10_000

# Of a path on this server: one slash and then no other, nor what browsers take for one.
_PATH = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")


def routes(accounts: Accounts) -> list[BaseRoute]:
    """`/sign-in`, the page and what it asks; `/sign-in/password`, `/sign-in/refresh` and
    `/sign-out`."""
    page_text = (FOLDER / "index.html").read_text("utf-8")

    async def page(request: Request) -> Response:
        following = html.escape(safe_path(request.query_params.get("next", "")))
        headers = {
            **_NO_STORE,
            "content-security-policy": _POLICY,
            "referrer-policy": "no-referrer",
        }
        return Response(page_text.replace("{next}", following), 200, headers, "text/html")

    async def sign_in(request: Request) -> Response:
        given = await _given(request)
        name, password = (_text(given, field) for field in ("name", "password"))
        signed_in = await accounts.sign_in(name, password, client_address(request))
        return _answer(request, signed_in, in_body=given.get("app") is True)

    async def change_password(request: Request) -> Response:
        given = await _given(request)
        name, old, new = (_text(given, field) for field in ("name", "password", "newPassword"))
        signed_in = await accounts.change_password(name, old, new, client_address(request))
        return _answer(request, signed_in, in_body=given.get("app") is True)

    async def refresh(request: Request) -> Response:
        given = await _given(request)
        in_body = "refreshToken" in given
        token = _text(given, "refreshToken") if in_body else request.cookies.get(_cookie(request))
        if not token:
            raise Unauthenticated("There is no refresh token; sign in.")
        return _answer(request, await accounts.renew(token), in_body=in_body)

    async def sign_out(request: Request) -> Response:
        given = await _given(request)
        in_body = "refreshToken" in given
        token = _text(given, "refreshToken") if in_body else request.cookies.get(_cookie(request))
        if token:
            await accounts.sign_out(token)
        response = Response(None, 204, _NO_STORE)
        if not in_body:
            _set_cookie(request, response, "", 0)
        return response

    return [
        Route("/sign-in", page, methods=["GET"]),
        Route("/sign-in", telling_errors(sign_in), methods=["POST"]),
        Route("/sign-in/password", telling_errors(change_password), methods=["POST"]),
        Route("/sign-in/refresh", telling_errors(refresh), methods=["POST"]),
        Route("/sign-out", telling_errors(sign_out), methods=["POST"]),
        Mount("/sign-in/page", StaticFiles(directory=FOLDER)),
    ]


def routes_elsewhere(issuer: str) -> list[BaseRoute]:
    """`/sign-in` where `issuer` knows the people: not found, and where to go instead.

    What leads pages there is served too, so that their button says it.
    """
    text = (FOLDER / "elsewhere.html").read_text("utf-8").replace("{issuer}", html.escape(issuer))
    headers = {**_NO_STORE, "content-security-policy": _POLICY, "referrer-policy": "no-referrer"}

    def page(_: Request) -> Response:
        return Response(text, 404, headers, "text/html")

    return [
        Route("/sign-in", page, methods=["GET", "POST"]),
        Mount("/sign-in/page", StaticFiles(directory=FOLDER)),
    ]


def safe_path(given: str) -> str:
    """The path of this server that was given; "/" where it leads anywhere else."""
    return given if _PATH.fullmatch(given) else "/"


def _answer(request: Request, signed_in: SignedIn, *, in_body: bool) -> Response:
    user = signed_in.user
    content: dict[str, object] = {
        "accessToken": signed_in.access_token,
        "expiresIn": signed_in.expires_in,
        "viewer": {"role": user.role, "subject": user.subject, "codes": sorted(user.codes)},
    }
    if in_body:
        content["refreshToken"] = signed_in.refresh_token
    response = Response(orjson.dumps(content), 200, _NO_STORE, "application/json")
    if not in_body:
        age = int((signed_in.ends_at - now()).total_seconds())
        _set_cookie(request, response, signed_in.refresh_token, age)
    return response


def _cookie(request: Request) -> str:
    """Its name. Over TLS with a prefix that keeps others below this domain from setting it."""
    return "__Host-gridmap" if request.url.scheme == "https" else "gridmap"


def _set_cookie(request: Request, response: Response, value: str, seconds: int) -> None:
    response.set_cookie(
        _cookie(request),
        value,
        max_age=seconds,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


async def _given(request: Request) -> dict[str, Any]:
    said = request.headers.get("content-type", "")
    kind, parameters = media_type(said)
    if kind != "application/json" or not is_utf8(parameters):
        message = f"The Content-Type is {said!r}; send application/json in UTF-8."
        raise Refused(415, Invalid(message))
    body = await body_of(request, _MOST_BYTES)
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        # Without its cause, which could quote the password.
        raise Invalid("The body is not JSON in UTF-8.") from None
    if not isinstance(given, dict):
        raise Invalid("The body is not an object; send one.")
    return given


def _text(given: dict[str, Any], field: str) -> str:
    value = given.get(field)
    if not isinstance(value, str):
        raise Invalid(f"'{field}' is missing or no string.")
    return value
