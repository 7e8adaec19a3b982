"""Passwords: which are too weak, and what is kept of the others.

Kept is an argon2id hash (RFC 9106) with its own salt and costs, which are those that OWASP's
Password Storage Cheat Sheet asks for: 19 MiB, passed over twice. One takes 30 ms of CPU, where the
library's own costs take 200 ms, with which a crowd at the sign-in could hold up all others. The
functions that hash take that long and let other threads run.
"""

from __future__ import annotations

import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gridmap.errors import Invalid

SHORTEST = 10
LONGEST = 128

# Of zxcvbn's 0 to 4: withstands 10^8 guesses. Sign-in lets some thousands a day through at most.
_LEAST_SCORE = 3

# What zxcvbn measures; it takes long for long ones, and more than this is strong or a repetition.
_MEASURED = 72

_hasher = PasswordHasher(memory_cost=19 * 1024, time_cost=2, parallelism=1)


def check_password(password: str, *known: str) -> None:
    """Refuses a password that is guessed too easily. `known`: what everybody knows of its owner.

    Raises Invalid, with what is wrong with it and without a word of it.
    """
    from zxcvbn import zxcvbn  # brings word lists, which a server does not need

    password = _normal(password)
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid(
            f"The password has {len(password)} characters; take {SHORTEST} to {LONGEST}, as in "
            "four words that have nothing to do with each other."
        )
    words = ["gridmap", "网格", *filter(None, known)]
    # Any part of the owner's name in it counts for nothing.
    found = zxcvbn(password[:_MEASURED], user_inputs=words)
    if found["score"] < _LEAST_SCORE:
        why = found["feedback"]["warning"] or "It follows a pattern"
        raise Invalid(
            f"The password is guessed too easily. {why.rstrip('.')}. Take four words that have "
            "nothing to do with each other, or let a password manager make one."
        )


def hashed(password: str) -> str:
    """What to keep of a password."""
    return _hasher.hash(_normal(password))


def is_password(password: str, kept: str | None) -> bool:
    """Whether it is the password of which `kept` is kept.

    None is nobody's; it takes as long as any other, so that nobody learns which names there are.
    """
    try:
        is_right = _hasher.verify(kept or _nobodys(), _normal(password))
    except (VerificationError, InvalidHashError):
        return False
    return is_right and kept is not None


def is_outdated(kept: str) -> bool:
    """Whether it was hashed at other costs than those of today."""
    return _hasher.check_needs_rehash(kept)


@cache
def _nobodys() -> str:
    return _hasher.hash("nobody's")


def _normal(password: str) -> str:
    # The same characters in whichever way a keyboard composes them.
    return unicodedata.normalize("NFKC", password)
