"""The clients in the browser, built from web/ by `make web` and served whole from here.

Nothing on their pages comes from another host, but for a base map where one is set, and no script
or style is written into a page.
Files in assets/ are named for what is in them, and may be kept for ever. Beside each file lie the
same bytes compressed, so that nothing is compressed while somebody waits.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).parent / "static" / "web"


def policy(hosts: str = "") -> str:
    """Of a page: what it may load, and from whom but this server."""
    # MapLibre makes its worker from a blob and draws images from blobs; photos that wait to be sent
    # are shown from blobs too.
    return (
        "default-src 'none'; script-src 'self'; worker-src 'self' blob:; style-src 'self'; "
        f"img-src 'self' blob: data:{hosts}; connect-src 'self'{hosts}; manifest-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


_FOR_EVER = "public, max-age=31536000, immutable"
_TYPES = {".webmanifest": "application/manifest+json"}
# What is compressed beside a file, the smallest first.
_CODINGS = {"br": ".br", "gzip": ".gz"}

_MISSING = (
    "The clients are not built here; all else works. Get Node.js 20.19 or later, run `make web`, "
    "and load this page again. Queries can be tried at /graphql.\n"
)


class _Built(StaticFiles):
    """A folder of built files. `cache_control` is that of all of them; `hosts`: those that its
    pages may ask beside this server, each with a blank before it.
    """

    def __init__(self, folder: Path, cache_control: str, hosts: str = "") -> None:
        super().__init__(directory=folder, html=True, check_dir=False)
        self._cache_control = cache_control
        self._policy = policy(hosts)
        # Some who serve maps want to know which site shows them.
        self._referrer = "strict-origin" if hosts else "no-referrer"

    async def get_response(self, path: str, scope: Scope) -> Response:
        if not FOLDER.exists():
            return PlainTextResponse(_MISSING, 404)
        try:
            return await super().get_response(path, scope)
        except HTTPException as error:
            return PlainTextResponse(f"{error.detail}\n", error.status_code, error.headers)

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        path = Path(full_path)
        accepted = _accepted(Headers(scope=scope))
        coding = next(
            (
                coding
                for coding, ending in _CODINGS.items()
                if coding in accepted and Path(f"{path}{ending}").exists()
            ),
            None,
        )
        if coding:
            sent = Path(f"{path}{_CODINGS[coding]}")
            response = super().file_response(sent, sent.stat(), scope, status_code)
        else:
            response = super().file_response(path, stat_result, scope, status_code)
        headers = response.headers
        headers["cache-control"] = self._cache_control
        headers["vary"] = "accept-encoding"
        headers["x-content-type-options"] = "nosniff"
        if coding:
            headers["content-encoding"] = coding
        if type_ := _TYPES.get(path.suffix):
            headers["content-type"] = type_
        if path.suffix == ".html":
            headers["content-security-policy"] = self._policy
            headers["referrer-policy"] = self._referrer
        return response


def _accepted(headers: Mapping[str, str]) -> set[str]:
    """The codings that the client takes; one with a quality of zero it does not."""
    asked = (each.partition(";") for each in headers.get("accept-encoding", "").split(","))
    return {
        coding.strip().lower()
        for coding, _, terms in asked
        if terms.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    }


def _to_folder(request: Request) -> Response:
    """From /m to /m/, below which the page names its files."""
    query = urlsplit(str(request.url)).query
    name = request.url.path.rsplit("/", 1)[-1]
    return RedirectResponse(f"{name}/{'?' if query else ''}{query}")


def routes(basemap: Sequence[str] = (), attribution: str | None = None) -> list[BaseRoute]:
    """The planners' map, the phone page, and what is named for what is in them.

    `basemap`: addresses of what the planners' map shows below its layers, the lowest first;
    `attribution`: whom it names for that.
    """
    parts = map(urlsplit, basemap)
    hosts = "".join(dict.fromkeys(f" {part.scheme}://{part.netloc}" for part in parts))
    top = _Built(FOLDER, "no-cache", hosts)

    async def desk(request: Request) -> Response:
        return await top.get_response("index.html", request.scope)

    def below(_: Request) -> Response:
        said = {"addresses": list(basemap), "attribution": attribution}
        return JSONResponse(said, headers={"cache-control": "no-cache"})

    return [
        Route("/", desk),
        Route("/basemap.json", below),
        Route("/m", _to_folder),
        Mount("/m", _Built(FOLDER / "m", "no-cache")),
        Mount("/assets", _Built(FOLDER / "assets", _FOR_EVER)),
    ]
