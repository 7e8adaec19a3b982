"""GraphiQL, the page in which a person tries queries, served whole from here.

Nothing on it comes from another host: web/graphiql pins what it is made of and copies it to
static/graphiql. It loads scripts of this server only, and refers to everything relatively, so
that it works behind any prefix.
"""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

FOLDER = Path(__file__).parent / "static" / "graphiql"

# Styles in the page are React's, which sets them as it draws; fonts are within the style sheet.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self' data:; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page(_: Request) -> Response:
    """The page itself, for the path of the GraphQL endpoint, which it asks."""
    return FileResponse(
        FOLDER / "index.html",
        headers={
            "content-security-policy": _POLICY,
            "cache-control": "no-cache",
            "vary": "accept",
        },
    )


routes: list[BaseRoute] = [Mount("/graphiql", StaticFiles(directory=FOLDER))]
"""What the page loads; beside the endpoint, as in /graphql and /graphiql."""
