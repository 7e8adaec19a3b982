"""Whom an OpenID Connect issuer's tokens name, asked of a real one on localhost."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import SecretStr
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from gridmap.api.app import application
from gridmap.api.identity import Tokens
from gridmap.api.oidc import Claims, Issuer
from gridmap.api.settings import Settings, settings_from_environment
from gridmap.errors import GridmapError, Invalid, Unauthenticated, Unavailable
from gridmap.store.viewers import Role, Viewer
from tests.api.issuing import AUDIENCE, Issuing, issuing
from tests.api.serving import served
from tests.waiting import PATIENCE_SECONDS, wait_until

WORKER = Viewer(Role.GRID_WORKER, "W001", frozenset({"230402001001003"}))


@pytest.fixture(scope="module")
def theirs() -> Iterator[Issuing]:
    """An issuer with a key of each kind, and some that are not to be used."""
    with issuing() as issuer:
        issuer.add_key("rsa")
        issuer.add_key("ec", "ES256")
        issuer.add_key("ed", "EdDSA")
        issuer.add_key("short", bits=1024)
        issuer.add_key("encrypts", use="enc")
        issuer.add_key("shown", d="private")
        issuer.add_key("never published")
        issuer.withdraw("never published")
        yield issuer


@pytest.fixture(scope="module")
def address(theirs: Issuing, database_url: str) -> Iterator[str]:
    """A server that believes the issuer."""
    settings = Settings(
        secret=SecretStr("a secret that only tests may know"),
        oidc_issuer=theirs.address,
        oidc_audience=AUDIENCE,
    )
    app = application(settings, database_url)
    with served(app, app.state.streams, lifespan="on") as address:
        yield address


def asked(issuer: Issuer, *tokens: str) -> list[Viewer | GridmapError]:
    """What each token says, asked at the same time."""

    async def one(token: str) -> Viewer | GridmapError:
        await issuer.prepare(token)
        try:
            return issuer.claimed(token).viewer
        except GridmapError as error:
            return error

    async def all_() -> list[Viewer | GridmapError]:
        return await asyncio.gather(*map(one, tokens))

    return asyncio.run(all_())


def got(address: str, token: str) -> httpx.Response:
    query = "{ viewer { role subject codes expiresAt } }"
    headers = {"authorization": f"Bearer {token}"}
    return httpx.get(f"{address}/graphql", params={"query": query}, headers=headers)


class TestServer:
    @pytest.mark.parametrize(
        ("key", "algorithm"), [("rsa", "RS256"), ("ec", "ES256"), ("ed", "EdDSA")]
    )
    def test_whom_the_issuer_names_is_who_asks(
        self, address: str, theirs: Issuing, key: str, algorithm: str
    ) -> None:
        said = got(address, theirs.token(key, algorithm)).json()["data"]["viewer"]
        assert said.pop("expiresAt") is not None
        assert said == {"role": "GRID_WORKER", "subject": "W001", "codes": ["230402001001003"]}

    def test_a_socket_opens_with_the_issuers_token(self, database_url: str) -> None:
        # A server that has seen no token before, and so has no key.
        with issuing() as theirs:
            theirs.add_key("rsa")
            settings = Settings(oidc_issuer=theirs.address, oidc_audience=AUDIENCE)
            app = application(settings, database_url)
            with (
                served(app, app.state.streams, lifespan="on") as address,
                connect(
                    address.replace("http", "ws") + "/graphql",
                    subprotocols=[Subprotocol("graphql-transport-ws")],
                ) as socket,
            ):
                payload = {"authorization": f"Bearer {theirs.token('rsa')}"}
                socket.send(json.dumps({"type": "connection_init", "payload": payload}))
                assert socket.recv(timeout=PATIENCE_SECONDS) == '{"type":"connection_ack"}'

    def test_people_do_not_sign_in_here_as_well_and_are_told_where(
        self, address: str, theirs: Issuing
    ) -> None:
        page = httpx.get(f"{address}/sign-in", params={"next": "/"})
        assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert page.text.count(theirs.address) == 2  # in two languages
        assert httpx.post(f"{address}/sign-in", json={}).status_code == 404
        assert httpx.post(f"{address}/sign-in/refresh", json={}).status_code == 404
        # By this the pages' buttons lead there.
        assert httpx.get(f"{address}/sign-in/page/session.js").status_code == 200

    def test_what_is_no_token_at_all_is_not_blamed_on_a_secret_that_is_not_needed(
        self, theirs: Issuing
    ) -> None:
        tokens = Tokens(None, Issuer(theirs.address, AUDIENCE))
        with pytest.raises(Unauthenticated, match="none of the issuer's"):
            tokens.recognised("Bearer nonsense")
        with pytest.raises(Unauthenticated, match="6000 are read"):
            tokens.recognised(f"Bearer {theirs.token('rsa', groups=['g' * 100] * 60)}")

    def test_an_issuer_that_does_not_answer_holds_up_nobody_else(
        self, theirs: Issuing, database_url: str
    ) -> None:
        settings = Settings(oidc_issuer=theirs.address, oidc_audience=AUDIENCE)
        app = application(settings, database_url)
        theirs.answers.clear()
        before = theirs.fetched
        with served(app, app.state.streams, lifespan="on") as address, httpx.Client() as client:
            try:
                request = client.build_request("GET", f"{address}/graphql?query={{viewer{{role}}}}")
                request.headers["authorization"] = f"Bearer {theirs.token('rsa')}"
                with ThreadPoolExecutor(1) as pool:
                    waiting = pool.submit(client.send, request)
                    while theirs.fetched == before:
                        time.sleep(0.01)
                    anybody = httpx.get(f"{address}/graphql?query={{viewer{{role}}}}")
                    assert anybody.json()["data"]["viewer"]["role"] == "ANONYMOUS"
                    assert not waiting.done()
                    theirs.answers.set()
                    said = waiting.result(timeout=PATIENCE_SECONDS).json()
                assert said["data"]["viewer"]["role"] == "GRID_WORKER"
            finally:
                theirs.answers.set()

    def test_a_wrong_issuer_is_told_before_the_first_token_and_once(
        self, database_url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        def ready(address: str) -> Any:
            answer = httpx.get(f"{address}/readyz")
            assert answer.status_code == 200
            return answer.json().get("warning", "")

        with issuing() as theirs:
            theirs.add_key("rsa")
            theirs.calls_itself = "https://elsewhere.example"
            settings = Settings(oidc_issuer=theirs.address, oidc_audience=AUDIENCE)
            app = application(settings, database_url)
            with served(app, app.state.streams, lifespan="on") as address:
                wait_until(lambda: "GRIDMAP_OIDC_ISSUER" in ready(address))

            caplog.clear()
            issuer = Issuer(theirs.address, AUDIENCE, pause_seconds=0.001)

            async def comes_up_later() -> None:
                trying = asyncio.create_task(issuer.run())
                before = theirs.fetched
                while theirs.fetched < before + 4:
                    await asyncio.sleep(0.001)
                theirs.calls_itself = None
                await asyncio.wait_for(trying, PATIENCE_SECONDS)

            asyncio.run(comes_up_later())
            told = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
            assert len(told) == 1
            assert "'https://elsewhere.example'. Until then nobody is let in." in told[0]
            assert issuer.complaint is None
            assert issuer.claimed(theirs.token("rsa")).viewer == WORKER


def segment(part: object) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forged(theirs: Issuing) -> dict[str, tuple[str, str]]:
    """Tokens that are no good, each with the reason."""
    now = int(time.time())
    public = theirs.keys["rsa"].public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    good = theirs.token("rsa")
    head, body, signature = good.split(".")
    claims = jwt.decode(good, options={"verify_signature": False})
    # By hand, since the library refuses to sign with a public key.
    confused = f"{segment({'alg': 'HS256', 'kid': 'rsa'})}.{body}"
    digest = jwt.get_algorithm_by_name("HS256").sign(confused.encode(), pem)
    other_role = segment({**claims, "role": "ADMINISTRATOR", "codes": []})
    return {
        "signed with the public key": (f"{confused}.{segment(digest)}", "not signed by this"),
        "unsigned": (f"{segment({'alg': 'none', 'kid': 'rsa'})}.{body}.", "algorithm"),
        "with other claims put in": (f"{head}.{other_role}.{signature}", "not signed|changed"),
        "of another key by the same name": (
            theirs.token("never published", headers={"kid": "rsa"}),
            "not signed",
        ),
        "of another kind of key": (
            theirs.token("ec", "ES256", headers={"kid": "rsa"}),
            "a key that its issuer does not have",
        ),
        "of an unknown key": (theirs.token("never published"), "a key that its issuer"),
        "of a key that is too short": (theirs.token("short"), "a key that its issuer"),
        "of a key that is for something else": (theirs.token("encrypts"), "a key that its"),
        "of a key whose private part is shown": (theirs.token("shown"), "a key that its issuer"),
        "of no key, where there are several": (
            theirs.token("rsa", headers={"kid": None}),
            "a key that its issuer",
        ),
        "expired": (theirs.token("rsa", exp=now - 40), "expired"),
        "not yet valid": (theirs.token("rsa", nbf=now + 40), "not valid yet"),
        "for another server": (theirs.token("rsa", aud="elsewhere"), "somebody else"),
        "of another issuer": (theirs.token("rsa", iss="https://evil.example"), "does not know"),
        "that never ends": (theirs.token("rsa", "RS256", "exp"), "no claim 'exp'"),
        "of nobody": (theirs.token("rsa", "RS256", "sub"), "names nobody"),
        "of no role": (theirs.token("rsa", "RS256", "role"), "none of the roles"),
        "of an unknown role": (theirs.token("rsa", role="emperor"), "none of the roles"),
        "of two roles": (theirs.token("rsa", role=["auditor", "STREET"]), "several roles"),
        "of codes that are numbers": (theirs.token("rsa", codes=[7]), "list of strings"),
        "of a role without its codes": (theirs.token("rsa", codes=[]), "needs a code"),
        "of anonymous": (theirs.token("rsa", role="ANONYMOUS", codes=[]), "contradicts"),
        "in the name of a receipt": (
            theirs.token(
                "rsa",
                role="RESIDENT",
                codes=[],
                sub="report:230402/0b0e3cf4-6b5e-4a39-8d3b-6a2f2f1d9f00",
            ),
            "receipt",
        ),
    }


KINDS = 23


class TestTokens:
    def test_none_that_is_forged_or_not_for_us_is_believed(
        self, address: str, theirs: Issuing
    ) -> None:
        kinds = forged(theirs)
        assert len(kinds) == KINDS
        for kind, (token, why) in kinds.items():
            answer = got(address, token)
            [error] = answer.json()["errors"]
            assert (answer.status_code, error["extensions"]["code"]) == (401, "UNAUTHENTICATED"), (
                kind
            )
            assert re.search(why, error["message"]), (kind, error)
            assert token not in answer.text

    def test_clocks_may_differ_by_a_little(self, theirs: Issuing) -> None:
        issuer, now = Issuer(theirs.address, AUDIENCE), int(time.time())
        tokens = theirs.token("rsa", exp=now - 20), theirs.token("rsa", nbf=now + 20, iat=now + 20)
        assert asked(issuer, *tokens) == [WORKER, WORKER]

    def test_claims_are_read_where_the_settings_say(self, theirs: Issuing) -> None:
        issuer = Issuer(
            theirs.address, AUDIENCE, Claims("realm_access.roles", "https://x.cn/codes", "worker")
        )
        token = theirs.token(
            "rsa",
            aud=["another", AUDIENCE],
            worker="W001",
            sub="f3b1",
            realm_access={"roles": ["offline_access", "grid-worker"]},
            **{"https://x.cn/codes": "230402001001003"},  # type: ignore[arg-type]
        )
        assert asked(issuer, token) == [WORKER]


class TestKeys:
    def test_a_new_key_is_heard_of_and_an_old_one_forgotten(self) -> None:
        with issuing() as theirs:
            theirs.add_key("first")
            issuer = Issuer(theirs.address, AUDIENCE, pause_seconds=0)
            first = theirs.token("first")
            # 1. However many come at once, the keys are fetched once, and kept.
            assert asked(issuer, *[first] * 20) == [WORKER] * 20
            assert asked(issuer, first) == [WORKER]
            assert theirs.fetched == 1
            # 2. The issuer signs with another one.
            theirs.add_key("second", "ES256")
            theirs.withdraw("first")
            second = theirs.token("second", "ES256")
            assert asked(issuer, second) == [WORKER]
            assert theirs.fetched == 2
            # 3. What the old one signed is not believed any more.
            [refused] = asked(issuer, first)
            assert isinstance(refused, Unauthenticated)

    def test_unknown_keys_do_not_make_us_ask_again_and_again(self, theirs: Issuing) -> None:
        issuer = Issuer(theirs.address, AUDIENCE)
        assert asked(issuer, theirs.token("rsa")) == [WORKER]
        before = theirs.fetched
        tokens = [theirs.token("ed", "EdDSA", headers={"kid": f"{i}"}) for i in range(50)]
        refused = asked(issuer, *tokens)
        assert {type(each) for each in refused} == {Unauthenticated}
        assert theirs.fetched == before
        assert asked(issuer, theirs.token("rsa")) == [WORKER]

    def test_known_keys_hold_while_the_issuer_is_away(self) -> None:
        with issuing() as theirs:
            theirs.add_key("rsa")
            # Each use finds them stale.
            issuer = Issuer(theirs.address, AUDIENCE, pause_seconds=0, fresh_seconds=0)
            token = theirs.token("rsa")
            assert asked(issuer, token) == [WORKER]
        assert asked(issuer, token) == [WORKER]
        fresh = Issuer(theirs.address, AUDIENCE)
        [refused] = asked(fresh, token)
        assert isinstance(refused, Unavailable)

    def test_an_issuer_that_never_comes_to_an_end_is_not_waited_for(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        with issuing() as theirs:
            theirs.add_key("rsa")
            theirs.is_endless = True
            issuer = Issuer(theirs.address, AUDIENCE, longest_fetch_seconds=0)
            [refused] = asked(issuer, theirs.token("rsa"))
        assert isinstance(refused, Unavailable)
        assert "too slowly" in caplog.text

    def test_an_issuer_of_another_name_is_not_believed(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        with issuing() as theirs:
            theirs.add_key("rsa")
            theirs.calls_itself = "https://evil.example"
            [refused] = asked(Issuer(theirs.address, AUDIENCE), theirs.token("rsa"))
        assert isinstance(refused, Unavailable)
        assert "evil.example" in caplog.text


class TestSettings:
    @pytest.mark.parametrize(
        ("given", "why"),
        [
            ({"ISSUER": "http://issuer.example", "AUDIENCE": "x"}, "https://"),
            ({"ISSUER": "issuer.example", "AUDIENCE": "x"}, "https://"),
            ({"ISSUER": "https://issuer.example"}, "GRIDMAP_OIDC_AUDIENCE"),
        ],
        ids=str,
    )
    def test_an_issuer_is_asked_safely_and_for_us_or_not_at_all(
        self, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], why: str
    ) -> None:
        for name, value in given.items():
            monkeypatch.setenv(f"GRIDMAP_OIDC_{name}", value)
        with pytest.raises(Invalid, match=why):
            settings_from_environment()
