"""What can go wrong, as a small family with stable codes.

The rim turns these into GraphQL errors (`extensions.code`), HTTP statuses and exit codes; nothing
below the rim formats an answer. A message says what was wrong, with the offending value, and what
to do about it.
"""

from __future__ import annotations


class GridmapError(Exception):
    """Base of every error that is meant for the person who asked.

    `details`: what a program may want to know beside the message, as JSON has it.
    """

    code = "INTERNAL"

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class Invalid(GridmapError):
    """The request cannot be understood or makes no sense; asking again unchanged will not help."""

    code = "INVALID"


class TooLarge(Invalid):
    """The request is well formed, but asks for or sends more than a limit allows."""

    code = "TOO_LARGE"


class NotFound(GridmapError):
    """The thing that was named does not exist."""

    code = "NOT_FOUND"


class Conflict(GridmapError):
    """The request contradicts what is kept now; read the current state and decide again."""

    code = "CONFLICT"


class Unauthenticated(GridmapError):
    """Who the viewer claims to be is not proved: the token is not valid."""

    code = "UNAUTHENTICATED"


class Forbidden(GridmapError):
    """The viewer may not do this."""

    code = "FORBIDDEN"


class Untrusted(GridmapError):
    """Only known documents are executed, and this is none of them."""

    code = "DOCUMENT_NOT_TRUSTED"


class TooOften(GridmapError):
    """This was done too often lately; `details` have `retryAfterSeconds`."""

    code = "RATE_LIMITED"


class Unavailable(GridmapError):
    """Something this needs (the database, its time) is not to be had now; later may do."""

    code = "UNAVAILABLE"
