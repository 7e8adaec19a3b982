"""Global ids: what names one thing of any kind for ever, with the district that keeps it."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple

import strawberry

from gridmap.errors import Invalid


@strawberry.interface(description="Anything that can be asked for again by its id alone.")
class Node:
    @strawberry.field
    def id(self) -> strawberry.ID:
        return self.global_id().encoded()

    def global_id(self) -> GlobalId:
        """What `id` encodes, for those who ask for it. Each type of node says its own."""
        raise NotImplementedError


class GlobalId(NamedTuple):
    """The type's name, the district (empty for what districts share), and the rest of the key."""

    type: str
    district_code: str
    code: str
    version: str = ""

    def encoded(self) -> strawberry.ID:
        return strawberry.ID(urlsafe_b64encode("\n".join(self).encode()).decode())

    @classmethod
    def decoded(cls, value: str) -> GlobalId:
        """Raises Invalid when no server of ours made this id."""
        try:
            text = urlsafe_b64decode(value.encode()).decode()
            if "\0" in text:
                raise ValueError("None of ours has a null character.")
            return cls(*text.split("\n"))
        except (binascii.Error, UnicodeError, TypeError, ValueError) as error:
            raise Invalid(
                f"{value!r} is not an id of this server; give one back as it came."
            ) from error
