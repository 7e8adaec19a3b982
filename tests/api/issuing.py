"""A small OpenID Connect issuer on a port of its own, whose keys can be changed."""

from __future__ import annotations

import asyncio
import threading
import time
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.api.serving import served

AUDIENCE = "gridmap.example"


class Issuing:
    """Signs tokens, and tells its keys."""

    def __init__(self) -> None:
        self.address = ""
        self.keys: dict[str, Any] = {}
        self.published: list[dict[str, Any]] = []
        self.fetched = 0
        self.calls_itself: str | None = None
        self.is_endless = False
        self.answers = threading.Event()
        self.answers.set()

    def add_key(self, name: str, algorithm: str = "RS256", bits: int = 2048, **said: Any) -> None:
        """Makes a key and publishes it."""
        key: Any
        if algorithm == "EdDSA":
            key = ed25519.Ed25519PrivateKey.generate()
            public = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
        elif algorithm == "ES256":
            key = ec.generate_private_key(ec.SECP256R1())
            public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
        else:
            key = rsa.generate_private_key(65537, bits)
            public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        public.pop("key_ops", None)
        self.keys[name] = key
        self.published.append({**public, "kid": name, "alg": algorithm, "use": "sig", **said})

    def withdraw(self, name: str) -> None:
        """Tells the key no more; it can still sign."""
        self.published = [key for key in self.published if key["kid"] != name]

    def token(
        self,
        key: str,
        algorithm: str = "RS256",
        *without: str,
        headers: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        all_claims = {
            "iss": self.address,
            "aud": AUDIENCE,
            "sub": "W001",
            "role": "GRID_WORKER",
            "codes": ["230402001001003"],
            "exp": int(time.time()) + 300,
            **claims,
        }
        for name in without:
            del all_claims[name]
        said = {"kid": key, **(headers or {})}
        said = {name: value for name, value in said.items() if value is not None}
        with warnings.catch_warnings():
            # An issuer may do what the library warns of.
            warnings.simplefilter("ignore")
            return jwt.encode(all_claims, self.keys[key], algorithm, headers=said)

    def application(self) -> Starlette:
        async def blanks() -> AsyncIterator[bytes]:
            while True:
                yield b" "
                await asyncio.sleep(0)

        def discovery(_: Request) -> Response:
            self.fetched += 1
            self.answers.wait(20)
            if self.is_endless:
                return StreamingResponse(blanks())
            return JSONResponse(
                {
                    "issuer": self.calls_itself or self.address,
                    "jwks_uri": f"{self.address}/keys",
                }
            )

        def keys(_: Request) -> Response:
            return JSONResponse({"keys": self.published})

        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", discovery),
                Route("/keys", keys),
            ]
        )


@contextmanager
def issuing() -> Iterator[Issuing]:
    """An issuer that answers until the block ends."""
    issuer = Issuing()
    with served(issuer.application()) as address:
        issuer.address = address
        yield issuer
