"""Tools that look for weak places, run against the real server.

graphql-cop is in no package registry that Python's tools ask, so its checks are told here, as its
list of detections has them, each with the severity that it gives; schemathesis is run itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from gridmap.api.identity import Tokens
from gridmap.store.viewers import Role, Viewer
from tests.api.conftest import Server, gridmap
from tests.api.test_fuzzing import SECRET

HERE = Path(__file__).parent / "audits"

EXAMPLES = os.environ.get("GRIDMAP_FUZZ_EXAMPLES", "1")
"""Of each field for schemathesis. `make audit` takes more."""


@pytest.fixture(scope="module")
def server(demo_url: str) -> Iterator[Server]:
    with gridmap("serve", DATABASE_URL=demo_url, GRIDMAP_SECRET=SECRET) as server:
        yield server


@pytest.fixture(scope="module")
def closed_server(demo_url: str) -> Iterator[Server]:
    """One that does not tell of its schema, as for the open Internet."""
    with gridmap("serve", DATABASE_URL=demo_url, GRIDMAP_INTROSPECTION="false") as server:
        yield server


Ask = Callable[..., Any]


def _has(answer: Any, *path: str) -> bool:
    for step in path:
        answer = answer.get(step) if isinstance(answer, dict) else None
    return bool(answer)


def _introspection(ask: Ask) -> bool:
    return _has(ask("query { __schema { types { name } } }"), "data", "__schema", "types")


def _circular_introspection(ask: Ask) -> bool:
    query = "name"
    for _ in range(5):
        query = f"fields {{ type {{ {query} }} }}"
    return _has(ask(f"query {{ __schema {{ types {{ {query} }} }} }}"), "data", "__schema")


def _circular_fragment(ask: Ask) -> bool:
    a = "fragment A on Query { __typename ...B }"
    b = "fragment B on Query { ...A }"
    return "errors" not in ask(f"query {{ ...A }} {a} {b}")


def _aliases(ask: Ask) -> bool:
    aliases = " ".join(f"alias{number}: __typename" for number in range(101))
    return _has(ask(f"query {{ {aliases} }}"), "data", "alias100")


def _repeated_field(ask: Ask) -> bool:
    return _has(ask(f"query {{ {'__typename ' * 500} }}"), "data", "__typename")


def _directives(ask: Ask) -> bool:
    return len(ask(f"query {{ __typename {'@aa' * 10} }}").get("errors", [])) >= 10


def _batch(ask: Ask) -> bool:
    return isinstance(ask(json=[{"query": "query { __typename }"}] * 10), list)


def _suggestions(ask: Ask) -> bool:
    asked = ("{ __schema { directive } }", "{ grid { cod } }", '{ locat(point: "") }')
    return any("Did you mean" in str(ask(query)) for query in asked)


def _by_get(ask: Ask) -> bool:
    return _has(ask(method="GET", params={"query": "query { __typename }"}), "data")


def _mutation_by_get(ask: Ask) -> bool:
    return _has(ask(method="GET", params={"query": "mutation { __typename }"}), "data")


def _by_form(ask: Ask) -> bool:
    return _has(ask(data={"query": "query { __typename }"}), "data") or _has(
        ask(params={"query": "query { __typename }"}), "data"
    )


def _page(ask: Ask) -> bool:
    return "<html" in str(ask(method="GET", headers={"accept": "text/html"}))


def _trace(ask: Ask) -> bool:
    told = str([ask("query { __typename }"), ask("qwerty cop { abc }"), ask("{ nothing }")]).lower()
    return any(word in told for word in ("tracing", "exception", "stacktrace", "traceback"))


COP = {
    "Introspection": ("HIGH", _introspection),
    "Circular query by introspection": ("HIGH", _circular_introspection),
    "Circular fragment": ("HIGH", _circular_fragment),
    "Alias overloading": ("HIGH", _aliases),
    "Field duplication": ("HIGH", _repeated_field),
    "Directive overloading": ("HIGH", _directives),
    "Batch queries": ("HIGH", _batch),
    "Mutation by GET": ("MEDIUM", _mutation_by_get),
    "Query by a form": ("MEDIUM", _by_form),
    "Query by GET": ("MEDIUM", _by_get),
    "Field suggestions": ("LOW", _suggestions),
    "GraphiQL": ("LOW", _page),
    "Trace mode and unhandled errors": ("INFO", _trace),
}


@pytest.mark.parametrize("check", COP)
def test_graphql_cop_finds_nothing_but_what_is_meant(
    server: Server, closed_server: Server, check: str
) -> None:
    _, finds = COP[check]
    # A query by GET is GraphQL over HTTP, and changes nothing.
    always = {"Query by GET"}
    until_closed = {"Introspection", "Field suggestions", "GraphiQL"}
    assert finds(_asking(closed_server)) == (check in always)
    assert finds(_asking(server)) == (check in always | until_closed)


def _asking(server: Server) -> Ask:
    def ask(query: str | None = None, method: str = "POST", **more: Any) -> Any:
        if query is not None:
            more["json"] = {"query": query}
        answer = httpx.request(method, f"{server.address}/graphql", timeout=60, **more)
        is_json = "json" in answer.headers["content-type"]
        return answer.json() if is_json else {"text": answer.text}

    return ask


# The administrator comes furthest; the audit asks as nobody too.
@pytest.mark.parametrize(
    "role", [Role.ADMINISTRATOR, *([None] if "GRIDMAP_FUZZ_EXAMPLES" in os.environ else [])]
)
def test_schemathesis_finds_no_fault(server: Server, tmp_path: Path, role: Role | None) -> None:
    tool = Path(sys.executable).with_name("st")
    options = ["--checks", "no_fault", "--max-examples", EXAMPLES, "--warnings", "off"]
    if role is not None:
        token = Tokens(SecretStr(SECRET)).issue(Viewer(role, "auditing"), timedelta(hours=2))
        options += ["--header", f"Authorization: Bearer {token}"]
    if "CI" in os.environ:
        options += ["--generation-deterministic"]
    process = subprocess.run(
        [str(tool), "run", f"{server.address}/graphql", "--no-color", *options],
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": "schemathesis_checks",
            "PYTHONPATH": str(HERE),
        },
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout
    assert "no_fault" not in process.stdout, process.stdout
