"""What schemathesis is to hold against an answer: a fault of ours, and an error without its code.

Its own check takes every GraphQL error for a fault, those too that say what a client did wrong.
"""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.check
def no_fault(_: Any, response: Any, __: Any) -> None:
    assert response.status_code < 500 or response.status_code == 503, response.text
    for error in response.json().get("errors", []):
        code = error.get("extensions", {}).get("code")
        assert code not in (None, "", "INTERNAL"), error
