"""Tokens of an OpenID Connect issuer: whose keys they are held against, and whom they name.

The issuer is found by OpenID Connect Discovery 1.0, its keys are a JWK Set (RFC 7517). A token is
checked without asking anybody; only a key that is not known is fetched, in a thread, and however
many tokens name unknown keys, not more often than every few seconds.
"""

from __future__ import annotations

import asyncio
import logging
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from gridmap.errors import GridmapError, Invalid, Unauthenticated, Unavailable
from gridmap.store.viewers import Role, Viewer, check_account

# By the key that each needs. None of them can be made with what is public, as HS256 and "none" can.
_ALGORITHMS = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    "EdDSA": "OKP",
}
_SHORTEST_RSA_BITS = 2048

LEEWAY_SECONDS = 30
"""How much the clocks of issuer and server may differ."""

_PAUSE_SECONDS = 15.0
_FRESH_SECONDS = 3600.0
# Between the attempts before the first that succeeds, which come less and less often.
_LONGEST_PAUSE_SECONDS = 600.0
# An issuer that cannot be reached locks nobody out for so long; one that withdraws a key is heard
# within the hour.
_LONGEST_SECONDS = 24 * 3600.0

_TIMEOUT_SECONDS = 5
# For discovery and keys together, however slowly they come.
_LONGEST_FETCH_SECONDS = 15.0
_MOST_BYTES = 1_000_000

_log = logging.getLogger("gridmap")


class Claimed(NamedTuple):
    """Whom a token names. `ends_at`: in seconds of the epoch. `account`: the issuer's own name for
    them."""

    viewer: Viewer
    ends_at: float
    account: str


@dataclass(frozen=True)
class Claims:
    """Which claims say who somebody is. A claim within another is written `outer.inner`."""

    role: str = "role"
    codes: str = "codes"
    subject: str = "sub"


def check_address(address: str) -> str:
    """An address of an issuer: over TLS, or of this machine. Raises Invalid for another."""
    try:
        parts = urlsplit(address)
        is_near = parts.hostname in ("localhost", "127.0.0.1", "::1")
        is_good = parts.scheme == "https" or (parts.scheme == "http" and is_near)
    except ValueError:
        is_good = False
    if not is_good:
        raise Invalid(f"{address!r} is no address that begins with https://.")
    return address


class Issuer:
    """Believes the tokens that `issuer` made for `audience`.

    Call `prepare` with a token before `claimed`, from one event loop.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        claims: Claims | None = None,
        *,
        pause_seconds: float = _PAUSE_SECONDS,
        fresh_seconds: float = _FRESH_SECONDS,
        longest_fetch_seconds: float = _LONGEST_FETCH_SECONDS,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._claims = claims or Claims()
        self._pause_seconds = pause_seconds
        self._fresh_seconds = fresh_seconds
        self._longest_fetch_seconds = longest_fetch_seconds
        self._keys: list[dict[str, Any]] = []
        self._loaded: dict[tuple[str, str], jwt.PyJWK] = {}
        self._fetched_at = self._tried_at = -_LONGEST_SECONDS * 2
        self._fetching: asyncio.Task[None] | None = None
        self.complaint: str | None = None
        """Why the keys could not be had when that was tried last; None where they could, or where
        it was not tried yet."""

    async def run(self) -> None:
        """Fetches the keys until that succeeds for the first time, so that a wrong setting is seen
        before the first token comes. The issuer may come up later than this server.
        """
        pause = self._pause_seconds
        while True:
            await self._fetch()
            if self.complaint is None:
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def prepare(self, token: str) -> None:
        """Has the key by which the token is checked, as far as the issuer gives it. Raises nothing:
        what is wrong is said by `claimed`.
        """
        try:
            algorithm, key_id = _header(token)
        except Unauthenticated:
            return
        if self._key(algorithm, key_id) is None:
            await self._fetch()
        elif time.monotonic() - self._fetched_at > self._fresh_seconds:
            self._start_fetching()

    def claimed(self, token: str) -> Claimed:
        """Whom the token names.

        Raises Unauthenticated for one that is not the issuer's, not for us, or not valid now, and
        Unavailable while the issuer's keys cannot be had.
        """
        algorithm, key_id = _header(token)
        if time.monotonic() - self._fetched_at > _LONGEST_SECONDS:
            raise Unavailable("The keys of who issues tokens cannot be had now; try again later.")
        key = self._key(algorithm, key_id)
        if key is None:
            raise Unauthenticated("The token was signed with a key that its issuer does not have.")
        claims = self._checked(token, key, algorithm)
        return Claimed(self._viewer(claims), float(claims["exp"]), str(claims.get("sub", "")))

    # Keys

    def _key(self, algorithm: str, key_id: str | None) -> jwt.PyJWK | None:
        found = self._loaded.get((algorithm, key_id or ""))
        if found is None and (found := self._load(algorithm, key_id)):
            self._loaded[algorithm, key_id or ""] = found
        return found

    def _load(self, algorithm: str, key_id: str | None) -> jwt.PyJWK | None:
        fitting = [
            key
            for key in self._keys
            if key.get("kty") == _ALGORITHMS[algorithm]
            and key.get("use", "sig") == "sig"
            and key.get("alg", algorithm) == algorithm
            and (key_id is None or key.get("kid") == key_id)
        ]
        # A token that names no key is only held against the one that there is.
        if not fitting or (key_id is None and len(fitting) > 1):
            return None
        try:
            key = jwt.PyJWK(fitting[0], algorithm)
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            _log.warning("A key of %s cannot be used: %s", self._issuer, error)
            return None
        if isinstance(key.key, RSAPublicKey) and key.key.key_size < _SHORTEST_RSA_BITS:
            _log.warning("A key of %s has %d bits only.", self._issuer, key.key.key_size)
            return None
        return key

    async def _fetch(self) -> None:
        """Fetches the keys, unless that was tried just now. Whoever comes meanwhile waits too."""
        self._start_fetching()
        if self._fetching is not None:
            await asyncio.shield(self._fetching)

    def _start_fetching(self) -> None:
        if self._fetching is not None:
            return
        now = time.monotonic()
        if now - self._tried_at < self._pause_seconds:
            return
        self._tried_at = now
        self._fetching = asyncio.create_task(self._fetch_now())

    async def _fetch_now(self) -> None:
        try:
            keys = await asyncio.to_thread(_keys_of, self._issuer, self._longest_fetch_seconds)
        except (GridmapError, OSError, HTTPException, ValueError) as error:
            # Once for each reason, and not with each attempt.
            if str(error) != self.complaint:
                _log.warning(
                    "The keys of %s (GRIDMAP_OIDC_ISSUER) cannot be had: %s. %s.",
                    self._issuer,
                    error,
                    "Known keys hold for a day" if self._keys else "Until then nobody is let in",
                )
            self.complaint = str(error)
        else:
            if self.complaint is not None:
                _log.info("The keys of %s can be had.", self._issuer)
            self.complaint = None
            self._keys = keys
            self._loaded.clear()
            self._fetched_at = time.monotonic()
        finally:
            self._fetching = None

    # Claims

    def _checked(self, token: str, key: jwt.PyJWK, algorithm: str) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["iss", "aud", "exp"]},
            )
        except jwt.ExpiredSignatureError:
            message = "The token has expired; get a new one."
        except jwt.ImmatureSignatureError:
            message = "The token is not valid yet; are the clocks right?"
        except jwt.InvalidAudienceError:
            message = "The token was issued for somebody else than this server."
        except jwt.InvalidIssuerError:
            message = "The token was issued by somebody whom this server does not know."
        except jwt.MissingRequiredClaimError as error:
            message = f"The token has no claim {error.claim!r}; get a new one."
        except (jwt.PyJWTError, TypeError, ValueError, OverflowError):
            message = "The token was not signed by its issuer, or was changed."
        # Without its cause, which could quote the token.
        raise Unauthenticated(message)

    def _viewer(self, claims: dict[str, Any]) -> Viewer:
        subject = _claim(claims, self._claims.subject)
        if not isinstance(subject, str):
            raise Unauthenticated(f"The token's claim {self._claims.subject!r} names nobody.")
        roles = [
            Role[word]
            for each in _listed(_claim(claims, self._claims.role), self._claims.role)
            if (word := each.upper().replace("-", "_")) in Role.__members__
        ]
        if len(roles) != 1:
            have = f"several roles ({', '.join(roles)})" if roles else "none of the roles here"
            raise Unauthenticated(
                f"The token's claim {self._claims.role!r} names {have}; have the issuer name one."
            )
        codes = _listed(_claim(claims, self._claims.codes), self._claims.codes)
        try:
            viewer = Viewer(roles[0], subject, frozenset(codes))
            check_account(viewer)
        except GridmapError as error:
            raise Unauthenticated(f"The token contradicts itself. {error}") from error
        return viewer


def _header(token: str) -> tuple[str, str | None]:
    """Algorithm and name of the key."""
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise Unauthenticated("The token cannot be read; send it whole, as it was given.") from None
    algorithm, key_id = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS:
        raise Unauthenticated("The token is not signed by an algorithm that is taken here.")
    return algorithm, key_id if isinstance(key_id, str) else None


def _claim(claims: dict[str, Any], name: str) -> Any:
    """The claim of that name, or else the one within others."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _listed(value: object, name: str) -> list[str]:
    """A list of strings, however it is written."""
    if value is None:
        return []
    if isinstance(value, str):
        return value.replace(",", " ").split()
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return value
    raise Unauthenticated(f"The token's claim {name!r} is neither a string nor a list of strings.")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Nobody is sent elsewhere for keys."""

    def redirect_request(self, *_: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirects)


def _keys_of(issuer: str, longest_seconds: float) -> list[dict[str, Any]]:
    """The issuer's keys, over the network. Raises Invalid where what it says makes no sense, or
    comes too slowly.
    """
    ends_at = time.monotonic() + longest_seconds
    found = _json(f"{issuer.rstrip('/')}/.well-known/openid-configuration", ends_at)
    if found.get("issuer") != issuer:
        raise Invalid(f"it calls itself {found.get('issuer')!r}")
    address = found.get("jwks_uri")
    if not isinstance(address, str):
        raise Invalid("it names no jwks_uri")
    keys = _json(check_address(address), ends_at).get("keys")
    if not isinstance(keys, list):
        raise Invalid("its JWK Set has no keys")
    return list(_public(keys))


def _public(keys: list[Any]) -> Iterator[dict[str, Any]]:
    for key in keys:
        # One whose private part is shown is anybody's.
        if isinstance(key, dict) and "d" not in key:
            yield key


def _json(address: str, ends_at: float) -> dict[str, Any]:
    text = b""
    with _opener.open(address, timeout=_TIMEOUT_SECONDS) as answer:
        # The timeout is each piece's alone; who waits for a key waits for all of them.
        while piece := answer.read1(_MOST_BYTES + 1 - len(text)):
            text += piece
            if time.monotonic() > ends_at:
                raise Invalid(f"{address} answers too slowly")
    if len(text) > _MOST_BYTES:
        raise Invalid(f"{address} answers with more than {_MOST_BYTES} bytes")
    said = orjson.loads(text)
    if not isinstance(said, dict):
        raise Invalid(f"{address} answers with no object")
    return said
