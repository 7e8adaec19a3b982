"""Who asks, by a token that this server has signed, or the issuer that it was told to believe.

A token of this server's own is a JWT of algorithm HS256 with the claims iss and aud ("gridmap"),
sub, role and codes, and exp but for receipts. Whoever knows the secret can make tokens, so it is as
good as any role.
"""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import jwt
from pydantic import SecretStr

from gridmap.api.oidc import Issuer
from gridmap.api.settings import SHORTEST_SECRET, Settings
from gridmap.errors import GridmapError, Invalid, Unauthenticated, Unavailable
from gridmap.store.viewers import ANONYMOUS, Role, Viewer, holder_of_receipt

_ALGORITHM = "HS256"
_PARTY = "gridmap"  # both who issues a token and whom it is for

# Clocks of several servers differ by so much at most.
_LEEWAY_SECONDS = 30

LONGEST_VALIDITY = timedelta(days=3660)

# Proxies pass headers of 8 kB in all; what is longer is read no further.
_LONGEST_TOKEN = 6_000

_SECRET_FILE = "secret"


class Recognised(NamedTuple):
    """Who asks. `ends_at`: when that is over, in seconds of the epoch; None where it never is.

    `account`: what the person signed in with; empty where nobody did.
    """

    viewer: Viewer
    ends_at: float | None = None
    account: str = ""


NOBODY = Recognised(ANONYMOUS)


class Tokens:
    """Issues tokens, and believes those that it has issued.

    `secret`: None for a server that has none; it knows nobody, and refuses all tokens but those of
    `issuer`, who issues those of people where there is one.

    Raises Invalid for a secret that cannot sign.
    """

    def __init__(self, secret: SecretStr | None, issuer: Issuer | None = None) -> None:
        self._secret = secret
        self._issuer = issuer
        if secret is not None:
            try:
                jwt.encode({}, secret.get_secret_value(), _ALGORITHM)
            except jwt.PyJWTError:
                raise Invalid(
                    "The secret that signs tokens is a key of another kind; give random "
                    "characters, as `openssl rand -hex 32` makes them."
                ) from None

    @property
    def can_sign(self) -> bool:
        return self._secret is not None

    def issue(self, viewer: Viewer, valid_for: timedelta, account: str = "") -> str:
        """A token that says who the viewer is, for a time of at most ten years.

        Raises Invalid for ANONYMOUS, for a time that makes no sense, and for more codes than a
        token can carry; Unavailable where this server has no secret.
        """
        if viewer.role is Role.ANONYMOUS:
            raise Invalid("ANONYMOUS is who sends no token; choose another role.")
        if not timedelta() < valid_for <= LONGEST_VALIDITY:
            raise Invalid(
                f"A token cannot be valid for {valid_for}; give more than nothing and at most "
                f"{LONGEST_VALIDITY.days} days."
            )
        now = int(time.time())
        times = {"iat": now, "exp": now + int(valid_for.total_seconds())}
        token = self._signed(viewer, **times, **({"account": account} if account else {}))
        if len(token) > _LONGEST_TOKEN:
            raise Invalid(
                f"{len(viewer.codes)} codes make a token of {len(token)} characters, which is more "
                f"than the {_LONGEST_TOKEN} that a header carries; give fewer."
            )
        return token

    def receipt(self, district_code: str, report_id: UUID) -> str:
        """The token of whoever sent in a report without an account, always the same for it.

        It does not expire. Raises Unavailable where this server has no secret.
        """
        return self._signed(holder_of_receipt(district_code, report_id))

    def viewer(self, authorization: str | None) -> Viewer:
        """Who asks, as `recognised` says."""
        return self.recognised(authorization).viewer

    def recognised(self, authorization: str | None) -> Recognised:
        """Who asks, by the Authorization header; ANONYMOUS where there is none.

        Raises Unauthenticated for whatever is no token of this server's that is valid now.
        """
        if authorization is None:
            return NOBODY
        token = _token(authorization)
        if token is None:
            raise Unauthenticated(
                "The Authorization header is not of the form 'Bearer TOKEN'. Send it so, or not "
                "at all."
            )
        if len(token) > _LONGEST_TOKEN:
            raise Unauthenticated(
                f"The token has {len(token)} characters, and {_LONGEST_TOKEN} are read at most; "
                "have whoever issues it put less into it."
            )
        if self._issuer is not None and not _is_our_kind(token):
            return Recognised(*self._issuer.claimed(token))
        if self._secret is None and self._issuer is not None:
            raise Unauthenticated(
                "The token cannot be read, or is none of the issuer's, the only ones that this "
                "server takes; send it whole, as it was given."
            )
        if self._secret is None:
            raise Unauthenticated(
                "This server takes no tokens, because it has no GRIDMAP_SECRET. Ask without the "
                "Authorization header, or have the secret set."
            )
        claims = _claims(token, self._secret)
        account = claims.get("account", "")
        return Recognised(_viewer(claims), claims.get("exp"), account)

    async def prepare(self, authorization: str | None) -> None:
        """Gets what it takes to check this header, from elsewhere and beside the event loop. To be
        awaited before `recognised`; raises nothing.
        """
        if self._issuer is not None and authorization is not None:
            token = _token(authorization)
            if token is not None and not _is_our_kind(token):
                await self._issuer.prepare(token)

    def _signed(self, viewer: Viewer, **more: int | str) -> str:
        if self._secret is None:
            raise Unavailable("Tokens cannot be issued, because GRIDMAP_SECRET is not set; set it.")
        claims = {
            "iss": _PARTY,
            "aud": _PARTY,
            "sub": viewer.subject,
            "role": viewer.role.value,
            "codes": sorted(viewer.codes),
            **more,
        }
        return jwt.encode(claims, self._secret.get_secret_value(), _ALGORITHM)


def with_secret(settings: Settings) -> Settings:
    """The settings, with a secret where there is none and the private cluster is used.

    That one is made once and kept in the data folder. A database that others keep may be served
    by several servers, which must be told of one secret. Raises Unavailable where the folder
    cannot be used.
    """
    if settings.secret is not None or settings.database_url is not None:
        return settings
    return settings.model_copy(update={"secret": kept_secret(settings.data)})


def kept_secret(folder: Path) -> SecretStr:
    """The secret in the folder, made when there is none; only its owner can read the file.

    Processes that come at the same time get the same one. Raises Unavailable where the file
    cannot be read or made, is open to others, or is too short.
    """
    file = folder / _SECRET_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            _make_secret(file)
        is_open = file.stat().st_mode & 0o077
        secret = file.read_text("utf-8").strip()
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise Unavailable(
            f"The secret that signs tokens cannot be kept in {file}: {reason}. Give one in "
            "GRIDMAP_SECRET, or name another folder with GRIDMAP_DATA."
        ) from error
    if is_open:
        raise Unavailable(
            f"Others can read {file}, which signs tokens. Remove it, and a new one is made; "
            "or close it with chmod 600, if nobody has read it."
        )
    if len(secret) < SHORTEST_SECRET:
        raise Unavailable(
            f"The secret in {file} has {len(secret)} characters, and needs {SHORTEST_SECRET}. "
            "Remove the file, and a new one is made."
        )
    return SecretStr(secret)


def _make_secret(file: Path) -> None:
    """Puts a new secret there whole, unless another process was first."""
    descriptor, name = tempfile.mkstemp(prefix=f"{_SECRET_FILE}.", dir=file.parent)  # mode 0600
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "w") as written:
            written.write(f"{secrets.token_urlsafe(48)}\n")
            written.flush()
            os.fsync(descriptor)  # a receipt must outlive a power cut
        try:
            os.link(unfinished, file)  # unlike a renaming, this replaces nothing
        except FileExistsError:
            return
    finally:
        unfinished.unlink()


def _token(authorization: str) -> str | None:
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _is_our_kind(token: str) -> bool:
    """Whether it is of the algorithm by which this server signs and no issuer does."""
    if len(token) > _LONGEST_TOKEN:
        return True
    try:
        return jwt.get_unverified_header(token).get("alg") == _ALGORITHM
    except jwt.PyJWTError:
        return True


def _claims(token: str, secret: SecretStr) -> dict[str, Any]:
    try:
        return jwt.decode(
            token,
            secret.get_secret_value(),
            algorithms=[_ALGORITHM],
            audience=_PARTY,
            issuer=_PARTY,
            leeway=_LEEWAY_SECONDS,
            options={"require": ["iss", "aud", "sub", "role", "codes"], "strict_aud": True},
        )
    except jwt.ExpiredSignatureError:
        message = "The token has expired; get a new one."
    except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError):
        message = "The token was not signed by this server; get one of its own."
    except jwt.MissingRequiredClaimError as error:
        message = f"The token has no claim {error.claim!r}; get a new one."
    except jwt.DecodeError:
        message = "The token cannot be read; send it whole, as it was given."
    except (jwt.PyJWTError, TypeError, OverflowError):
        # The library lets the last two through, for times that are no numbers or infinite.
        message = "The token is not for this server, or not yet valid; get one of its own."
    # Without its cause, which could quote the token.
    raise Unauthenticated(message)


def _viewer(claims: dict[str, Any]) -> Viewer:
    role, codes = claims["role"], claims["codes"]
    if not isinstance(role, str) or role not in Role.__members__ or role == Role.ANONYMOUS:
        raise Unauthenticated("The token names a role that there is not; get a new one.")
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        raise Unauthenticated("The token's codes are no list of strings; get a new one.")
    try:
        viewer = Viewer(Role(role), claims["sub"], frozenset(codes))
    except GridmapError as error:
        raise Unauthenticated(f"The token contradicts itself; get a new one. {error}") from error
    if "exp" not in claims and viewer.report is None:
        raise Unauthenticated("The token has no claim 'exp'; get a new one.")
    return viewer
