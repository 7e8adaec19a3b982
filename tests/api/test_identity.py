"""Who the server takes somebody for: by its own signature, and by nothing else."""

from __future__ import annotations

import base64
import json
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from gridmap.api.identity import Tokens, kept_secret
from gridmap.api.settings import Settings, settings_from_environment
from gridmap.errors import Invalid, Unauthenticated, Unavailable
from gridmap.store.dates import today
from gridmap.store.viewers import ANONYMOUS, Role, Viewer
from tests.api.conftest import Server, gridmap
from tests.command import run
from tests.waiting import PATIENCE_SECONDS

SECRET = "a secret that only tests may know"
REPORT = UUID("0b0e3cf4-6b5e-4a39-8d3b-6a2f2f1d9f00")
WORKER = Viewer(Role.GRID_WORKER, "W001", frozenset({"230402001001003", "230402001001001"}))
AUDITOR = Viewer(Role.AUDITOR, "审计局 王")
HOUR = timedelta(hours=1)

CLAIMS: dict[str, Any] = {
    "iss": "gridmap",
    "aud": "gridmap",
    "sub": "W001",
    "role": "GRID_WORKER",
    "codes": ["230402001001003"],
    "exp": 4_000_000_000,
}


@pytest.fixture(scope="module")
def tokens() -> Tokens:
    return Tokens(SecretStr(SECRET))


def signed(changed: dict[str, Any], *without: str) -> str:
    """A token with claims of any kind that is signed as the server's own are."""
    claims = {name: value for name, value in (CLAIMS | changed).items() if name not in without}
    return jwt.encode(claims, SECRET, "HS256")


def written(*parts: object) -> str:
    """Parts of a token as RFC 7515 writes them; bytes are any signature."""
    raw = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in parts)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in raw)


class TestTokens:
    @pytest.mark.parametrize("viewer", [WORKER, AUDITOR, Viewer(Role.RESIDENT, "report:of mine")])
    def test_who_was_issued_a_token_is_known_by_it(self, tokens: Tokens, viewer: Viewer) -> None:
        assert tokens.viewer(f"Bearer {tokens.issue(viewer, HOUR)}") == viewer
        assert tokens.viewer(f" bearer   {tokens.issue(viewer, HOUR)} ") == viewer

    def test_who_sends_nothing_is_anonymous(self, tokens: Tokens) -> None:
        assert tokens.viewer(None) is ANONYMOUS

    def test_a_token_is_a_plain_jwt_that_ends(self, tokens: Tokens) -> None:
        token = tokens.issue(WORKER, HOUR)
        assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
        claims = jwt.decode(token, options={"verify_signature": False})
        assert claims.pop("exp") - claims.pop("iat") == 3600
        del (expected := CLAIMS | {"codes": sorted(WORKER.codes)})["exp"]
        assert claims == expected

    @pytest.mark.parametrize("valid_for", [timedelta(), -HOUR, timedelta(days=3661)], ids=str)
    def test_no_token_is_valid_for_no_time_or_for_ever(
        self, tokens: Tokens, valid_for: timedelta
    ) -> None:
        with pytest.raises(Invalid, match="valid for"):
            tokens.issue(WORKER, valid_for)

    def test_nobody_is_issued_no_token(self, tokens: Tokens) -> None:
        with pytest.raises(Invalid, match="ANONYMOUS"):
            tokens.issue(ANONYMOUS, HOUR)

    def test_a_token_too_long_for_a_header_is_not_issued(self, tokens: Tokens) -> None:
        def worker(grids: int) -> Viewer:
            return Viewer(Role.GRID_WORKER, "W", frozenset(f"{i:015}" for i in range(grids)))

        assert len(tokens.viewer(f"Bearer {tokens.issue(worker(200), HOUR)}").codes) == 200
        with pytest.raises(Invalid, match="999 codes"):
            tokens.issue(worker(999), HOUR)

    def test_a_receipt_is_always_the_same_and_lasts(self, tokens: Tokens) -> None:
        receipt = tokens.receipt("230402", REPORT)
        assert receipt == Tokens(SecretStr(SECRET)).receipt("230402", REPORT)
        assert receipt != tokens.receipt("230403", REPORT)
        assert not jwt.decode(receipt, options={"verify_signature": False}).keys() & {"iat", "exp"}
        viewer = tokens.viewer(f"Bearer {receipt}")
        assert viewer == Viewer(Role.RESIDENT, f"report:230402/{REPORT}")
        assert viewer.report == ("230402", REPORT)


SENSELESS: list[Any] = [None, {}, [], [[]], float("inf"), float("nan"), -1, False]

# What each is refused for. Hours and signatures are checked before claims.
FORGED: dict[str, tuple[str, str]] = {
    "of another server": (
        jwt.encode(CLAIMS, "another secret of the same length", "HS256"),
        "not signed by this server",
    ),
    "of another algorithm": (jwt.encode(CLAIMS, SECRET * 2, "HS512"), "not signed by this server"),
    "unsigned": (written({"alg": "none", "typ": "JWT"}, CLAIMS, b""), "not signed"),
    "said to be unsigned": (
        written({"alg": "none"}, CLAIMS) + "." + signed({}).rpartition(".")[2],
        "not signed",
    ),
    "of no algorithm": (written({"typ": "JWT"}, CLAIMS, b"x" * 32), "not signed"),
    "of a list of algorithms": (written({"alg": ["HS256"]}, CLAIMS, b"x" * 32), "not signed"),
    "with a signature of nothing": (written({"alg": "HS256"}, CLAIMS, b""), "not signed"),
    "with other claims put in": (
        ".".join(
            [
                signed({}).split(".")[0],
                written(CLAIMS | {"role": "ADMINISTRATOR", "codes": []}),
                signed({}).split(".")[2],
            ]
        ),
        "not signed",
    ),
    "expired": (signed({"exp": int(time.time()) - 60}), "expired"),
    "not yet valid": (signed({"nbf": 4_000_000_000}), "not yet valid"),
    "of another issuer": (signed({"iss": "gridmop"}), "not for this server"),
    "for another server": (signed({"aud": "gridmop"}), "not for this server"),
    "for several servers": (signed({"aud": ["gridmap", "gridmop"]}), "not for this server"),
    "cut short": (signed({})[:-5], "not signed|cannot be read"),
    "nested beyond measure": (written(b"[" * 3000, CLAIMS, b"x"), "cannot be read"),
    "no object": (written([1], CLAIMS, b"x"), "cannot be read"),
    "two parts": ("e30.e30", "cannot be read"),
    "no token": ("😀".encode().decode("latin-1"), "cannot be read"),
    "endless": ("x" * 6001, "6000 are read"),
    "of an unknown role": (signed({"role": "EMPEROR"}), "role"),
    "of a role in small letters": (signed({"role": "auditor", "codes": []}), "role"),
    "of no role": (signed({"role": "ANONYMOUS", "sub": "", "codes": []}), "role"),
    "of a number for a role": (signed({"role": 7}), "role"),
    "of a list for a role": (signed({"role": ["AUDITOR"]}), "role"),
    "with codes in a string": (signed({"codes": "230402001001003"}), "codes"),
    "with numbers for codes": (signed({"codes": [230402001001003]}), "codes"),
    "without a code": (signed({"codes": []}), "contradicts itself"),
    "with codes too many": (signed({"role": "AUDITOR"}), "contradicts itself"),
    "with a blank subject": (signed({"sub": " "}), "contradicts itself"),
    **{
        f"without {claim}": (signed({}, claim), f"no claim '{claim}'")
        for claim in ("iss", "aud", "sub", "role", "codes", "exp")
    },
    **{
        f"with {value} for {claim}": (
            jwt.api_jws.encode(
                json.dumps(CLAIMS | {claim: value}).encode(), SECRET, "HS256", {"typ": "JWT"}
            ),
            "token",
        )
        for claim in ("iss", "aud", "sub", "role", "codes", "exp")
        for value in SENSELESS
    },
    "a receipt's, of another role": (
        signed({"role": "AUDITOR", "sub": f"report:230402/{REPORT}", "codes": []}, "exp"),
        "no claim 'exp'",
    ),
    "a receipt's, of no report": (
        signed({"role": "RESIDENT", "sub": "report:230402/1", "codes": []}, "exp"),
        "no claim 'exp'",
    ),
}


class TestForgeries:
    @pytest.mark.parametrize("kind", FORGED)
    def test_a_token_that_is_not_the_servers_is_refused(self, tokens: Tokens, kind: str) -> None:
        token, why = FORGED[kind]
        with pytest.raises(Unauthenticated, match=why) as refused:
            tokens.viewer(f"Bearer {token}")
        assert token not in refused.value.message

    @pytest.mark.parametrize(
        "header", ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", signed({}), f"Token {signed({})}"]
    )
    def test_another_kind_of_header_is_refused(self, tokens: Tokens, header: str) -> None:
        with pytest.raises(Unauthenticated, match="Bearer TOKEN") as refused:
            tokens.viewer(header)
        assert header == "" or header.strip() == "Bearer" or header not in refused.value.message

    @given(st.text(st.characters(max_codepoint=255)) | st.binary().map(lambda b: written(b, b, b)))
    def test_garbage_is_refused(self, garbage: str) -> None:
        with pytest.raises(Unauthenticated):
            Tokens(SecretStr(SECRET)).viewer(f"Bearer {garbage}")

    @given(st.data())
    def test_a_token_with_one_character_changed_is_refused(self, data: st.DataObject) -> None:
        token = signed({})
        at = data.draw(st.integers(0, len(token) - 1))
        other = data.draw(st.characters(min_codepoint=33, max_codepoint=126).filter(
            lambda character: character != token[at]
        ))  # fmt: skip
        with pytest.raises(Unauthenticated):
            Tokens(SecretStr(SECRET)).viewer(f"Bearer {token[:at]}{other}{token[at + 1 :]}")

    def test_clocks_may_differ_by_a_little(self, tokens: Tokens) -> None:
        assert tokens.viewer(f"Bearer {signed({'exp': int(time.time()) - 5})}").subject == "W001"


class TestWithoutSecret:
    def test_no_token_is_taken_or_issued(self) -> None:
        tokens = Tokens(None)
        assert not tokens.can_sign
        assert tokens.viewer(None) is ANONYMOUS
        with pytest.raises(Unauthenticated, match="GRIDMAP_SECRET"):
            tokens.viewer(f"Bearer {signed({})}")
        with pytest.raises(Unavailable, match="GRIDMAP_SECRET"):
            tokens.issue(WORKER, HOUR)
        with pytest.raises(Unavailable, match="GRIDMAP_SECRET"):
            tokens.receipt("230402", REPORT)

    def test_an_empty_key_signs_nothing(self) -> None:
        with pytest.raises(Unauthenticated):
            Tokens(None).viewer(f"Bearer {written({'alg': 'none'}, CLAIMS, b'')}")


class TestSecret:
    def test_one_of_the_environment_is_kept_to_itself(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GRIDMAP_SECRET", SECRET)
        settings = settings_from_environment()
        assert settings.secret == SecretStr(SECRET)
        assert SECRET not in f"{settings} {settings!r}"

    @pytest.mark.parametrize("short", ["", "x", "a secret that is a little shor"])
    def test_a_short_one_is_refused_and_not_shown(
        self, monkeypatch: pytest.MonkeyPatch, short: str
    ) -> None:
        monkeypatch.setenv("GRIDMAP_SECRET", short)
        with pytest.raises(Invalid, match=f"GRIDMAP_SECRET has {len(short)} characters") as refused:
            settings_from_environment()
        assert len(short) < 2 or short not in refused.value.message

    def test_a_key_of_another_kind_is_refused(self) -> None:
        key = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0C\n-----END PUBLIC KEY-----"
        with pytest.raises(Invalid, match="another kind"):
            Tokens(SecretStr(key))

    def test_there_is_no_default(self) -> None:
        assert Settings.model_fields["secret"].default is None

    def test_one_is_made_once_for_its_owner_alone(self, tmp_path: Path) -> None:
        folder = tmp_path / "new"
        secret = kept_secret(folder)
        assert len(secret.get_secret_value()) >= 32
        assert kept_secret(folder) == secret
        assert kept_secret(tmp_path / "another") != secret
        [file] = folder.iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.stat().st_nlink == 1

    def test_processes_that_come_at_once_make_one(self, tmp_path: Path) -> None:
        program = (
            "import sys; from pathlib import Path; from gridmap.api.identity import kept_secret\n"
            "sys.stdin.readline()\n"
            "for folder in sys.argv[1:]:\n"
            "    print(kept_secret(Path(folder)).get_secret_value())\n"
        )
        folders = [str(tmp_path / f"{number}") for number in range(200)]
        started = [
            subprocess.Popen(
                [sys.executable, "-c", program, *folders],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(3)
        ]
        with ThreadPoolExecutor(3) as pool:
            said = list(pool.map(lambda process: process.communicate("go\n", 60)[0], started))
        assert said[0] == said[1] == said[2]
        assert len(set(said[0].split())) == len(folders)
        assert {file.name for folder in folders for file in Path(folder).iterdir()} == {"secret"}

    def test_one_that_others_can_read_is_not_used(self, tmp_path: Path) -> None:
        kept_secret(tmp_path)
        (tmp_path / "secret").chmod(0o640)
        with pytest.raises(Unavailable, match="Others can read"):
            kept_secret(tmp_path)

    @pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 40], ids=repr)
    def test_one_that_was_spoilt_is_not_used(self, tmp_path: Path, content: bytes) -> None:
        file = tmp_path / "secret"
        file.touch(0o600)
        file.write_bytes(content)
        with pytest.raises(Unavailable, match=str(file)):
            kept_secret(tmp_path)

    def test_a_folder_that_cannot_be_used_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(Unavailable, match="GRIDMAP_DATA"):
            kept_secret(tmp_path / "file")


VIEWER = "{ viewer { role subject codes } }"


@pytest.fixture(scope="module")
def guarded(demo_url: str) -> Iterator[Server]:
    """A server that takes tokens."""
    with gridmap("serve", DATABASE_URL=demo_url, GRIDMAP_SECRET=SECRET) as server:
        yield server


def got(server: Server, token: str | None = None, **headers: str) -> httpx.Response:
    """What a GET of the viewer gives to whoever has the token."""
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    return httpx.get(f"{server.address}/graphql", params={"query": VIEWER}, headers=headers)


class TestServer:
    def test_it_tells_everybody_who_they_are(self, guarded: Server, tokens: Tokens) -> None:
        assert got(guarded).json()["data"]["viewer"] == {
            "role": "ANONYMOUS",
            "subject": None,
            "codes": [],
        }
        assert got(guarded, tokens.issue(WORKER, HOUR)).json()["data"]["viewer"] == {
            "role": "GRID_WORKER",
            "subject": "W001",
            "codes": ["230402001001001", "230402001001003"],
        }
        receipt = tokens.receipt("230402", REPORT)
        assert got(guarded, receipt).json()["data"]["viewer"] == {
            "role": "RESIDENT",
            "subject": f"report:230402/{REPORT}",
            "codes": [],
        }

    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
    @pytest.mark.parametrize("query", [VIEWER, '{ region(code: "230402") { name } }'])
    def test_a_bad_token_refuses_the_whole_request(
        self, guarded: Server, method: str, accept: str, query: str
    ) -> None:
        token = FORGED["of another server"][0]
        asked: dict[str, Any] = (
            {"params": {"query": query}} if method == "GET" else {"json": {"query": query}}
        )
        headers = {"accept": accept, "authorization": f"Bearer {token}"}
        answer = httpx.request(method, f"{guarded.address}/graphql", headers=headers, **asked)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == f"{accept}; charset=utf-8"
        assert "etag" not in answer.headers
        assert answer.json().keys() == {"errors"}
        [error] = answer.json()["errors"]
        assert error["extensions"] == {"code": "UNAUTHENTICATED"}
        assert "not signed by this server" in error["message"]
        assert token not in answer.text

    def test_a_subscription_ends_with_its_token(self, guarded: Server) -> None:
        token = signed({"exp": int(time.time()) + 1})
        query = {"query": "subscription { reportChanged { report { id } } }"}
        headers = {"accept": "text/event-stream", "authorization": f"Bearer {token}"}
        answer = httpx.post(f"{guarded.address}/graphql", json=query, headers=headers, timeout=30)
        assert "UNAUTHENTICATED" in answer.text
        assert answer.text.endswith("event: complete\ndata: \n\n")

    def test_no_cache_gives_one_viewers_answer_to_another(
        self, guarded: Server, tokens: Tokens
    ) -> None:
        # 1. Caches are told that the answer is one person's and goes by the token.
        worker, auditor = (tokens.issue(viewer, HOUR) for viewer in (WORKER, AUDITOR))
        answers = [got(guarded), got(guarded, worker), got(guarded, auditor)]
        for answer in answers:
            assert answer.headers["vary"] == "accept, authorization"
            assert answer.headers["cache-control"] == "private, no-cache"
        # 2. The tag of one viewer's answer is unknown to the next.
        tags = [answer.headers["etag"] for answer in answers]
        assert len(set(tags)) == 3
        again = got(guarded, worker, **{"if-none-match": f"{tags[0]}, {tags[2]}"})
        assert (again.status_code, again.content) == (200, answers[1].content)
        same = got(guarded, worker, **{"if-none-match": tags[1]})
        assert (same.status_code, same.headers["vary"]) == (304, "accept, authorization")
        # 3. A token that has run out since gets no "unchanged".
        gone = got(guarded, FORGED["expired"][0], **{"if-none-match": tags[1]})
        assert gone.status_code == 401

    def test_one_that_has_no_secret_takes_no_token(self, demo_url: str) -> None:
        with gridmap("serve", DATABASE_URL=demo_url, GRIDMAP_SECRET="") as server:
            assert got(server).json()["data"]["viewer"]["role"] == "ANONYMOUS"
            refused = got(server, signed({}))
        assert refused.status_code == 401
        assert "GRIDMAP_SECRET" in refused.text

    def test_whether_it_is_well_takes_no_token(self, guarded: Server) -> None:
        for path in ("healthz", "readyz"):
            answer = httpx.get(
                f"{guarded.address}/{path}", headers={"authorization": "Bearer nonsense"}
            )
            assert answer.status_code == 200

    def test_neither_secret_nor_token_is_logged(self) -> None:
        token = Tokens(SecretStr(SECRET)).issue(AUDITOR, HOUR)
        # Without a database, so that there is something to log.
        nowhere = "postgresql:///x?host=/nowhere"
        with gridmap("serve", DATABASE_URL=nowhere, GRIDMAP_SECRET=SECRET) as server:
            headers = {"authorization": f"Bearer {token}"}
            query = {"query": '{ region(code: "23") { name } viewer { role } }'}
            answer = httpx.post(f"{server.address}/graphql", json=query, headers=headers)
            assert answer.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
            assert got(server, token + "x").status_code == 401
            server.process.terminate()
            logged, _ = server.process.communicate(timeout=PATIENCE_SECONDS)
        assert "nowhere" in logged
        for hidden in (SECRET, token, token.split(".")[2]):
            assert hidden not in logged


class TestCommand:
    def test_it_prints_a_token_and_nothing_else(self, guarded: Server, demo_url: str) -> None:
        asked = ("grid_worker", "--subject", "W001")
        codes = ("--code", "230402001001003", "--code", "230402001001001")
        done = run(
            "token", *asked, *codes, "--days", 2, DATABASE_URL=demo_url, GRIDMAP_SECRET=SECRET
        )
        assert (done.returncode, done.stderr) == (0, "")
        token = done.stdout.removesuffix("\n")
        claims = jwt.decode(token, options={"verify_signature": False})
        assert claims["exp"] - claims["iat"] == 2 * 24 * 3600
        assert got(guarded, token).json()["data"]["viewer"]["subject"] == "W001"
        # Who made it, and for whom, is in the audit log; the token is not.
        listed = run("audit", "list", "--from", f"{today()}", DATABASE_URL=demo_url).stdout
        [entry] = [json.loads(line) for line in listed.splitlines() if '"tokens"' in line]
        assert (entry["role"], entry["action"], entry["ids"]) == ("OPERATOR", "ISSUE", ["W001"])
        assert entry["details"] == {"to": "GRID_WORKER", "codes": sorted(codes[1::2]), "days": 2}
        assert token not in listed

    def test_without_a_database_of_others_the_secret_is_made_and_kept(self) -> None:
        with TemporaryDirectory(prefix="gridmap-test-") as name:
            folder = Path(name)
            folder.chmod(0o755)  # the cluster's user must enter it where this user is root
            printed = run("token", "AUDITOR", "--subject", "审计局", GRIDMAP_DATA=name)
            viewer = Tokens(kept_secret(folder)).viewer(f"Bearer {printed.stdout.strip()}")
            assert viewer == Viewer(Role.AUDITOR, "审计局")
            # Its log is that database's, which is made too.
            assert {"secret", "postgres"} <= {file.name for file in folder.iterdir()}

    def test_with_a_database_of_others_the_secret_must_be_given(self, tmp_path: Path) -> None:
        environment = {"DATABASE_URL": "postgresql:///x", "GRIDMAP_DATA": str(tmp_path)}
        refused = run("token", "AUDITOR", "--subject", "x", **environment)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "GRIDMAP_SECRET" in refused.stderr
        assert list(tmp_path.iterdir()) == []

    def test_a_short_secret_is_refused_without_a_word_of_it(self) -> None:
        refused = run("token", "AUDITOR", "--subject", "x", GRIDMAP_SECRET="sesame")
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "GRIDMAP_SECRET has 6 characters" in refused.stderr
        assert "sesame" not in refused.stderr

    @pytest.mark.parametrize(
        ("asked", "said"),
        [
            (["GRID_WORKER", "--subject", "W1"], "needs a code: the grids"),
            (["DISTRICT", "--subject", "x", "--code", "2304"], "2304 has 4 digits"),
            (["ADMINISTRATOR", "--subject", "x", "--code", "230402"], "takes no codes"),
            (["ANONYMOUS", "--subject", ""], "choose another role"),
            (["EMPEROR", "--subject", "x"], "EMPEROR"),
            (["AUDITOR", "--subject", "x", "--days", "99999999999"], "--days"),
        ],
        ids=str,
    )
    def test_what_makes_no_sense_is_refused_with_a_reason(
        self, asked: list[str], said: str
    ) -> None:
        refused = run("token", *asked, GRIDMAP_SECRET=SECRET)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert said in refused.stderr
        assert "Traceback" not in refused.stderr
