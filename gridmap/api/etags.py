"""Whether a client has the answer already, by the tag that it gives back."""

from __future__ import annotations

import re

_ENTITY_TAGS = re.compile(r'(?:W/)?("[^"]*")')


def is_known(etag: str, if_none_match: list[str]) -> bool:
    """Whether the client has this answer, by RFC 9110, 13.1.2; comparison is weak there."""
    said = ",".join(if_none_match).strip()
    return said == "*" or etag in _ENTITY_TAGS.findall(said)
