"""A subscription goes on where a page or another subscription ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from gridmap.api.operations import Asked, Documents, Failed, Operations
from gridmap.schema.context import Context
from gridmap.schema.limits import Limits
from gridmap.schema.nodes import GlobalId
from gridmap.schema.root import schema
from gridmap.store.database import Database
from gridmap.store.report_changes import ReportNews
from gridmap.store.viewers import ANONYMOUS, Role, Viewer
from tests.asking import AUDITOR
from tests.reports import (
    COMMUNITIES,
    DISTRICTS,
    change_report,
    news_process,
    put_regions,
    put_report,
)
from tests.waiting import PATIENCE_SECONDS

PAGE = "query ($region: String) { reports(filter: {region: $region}) { asOf nodes { number } } }"
CHANGES = """
    subscription (
        $region: String, $grid: String, $sponsor: String, $id: ID, $after: Cursor
    ) {
        reportChanged(region: $region, grid: $grid, sponsor: $sponsor, id: $id, after: $after) {
            id report { number version grid { code } } event { version action } cursor
        }
    }
"""


@pytest.fixture(scope="module")
def url(database_url: str) -> str:
    put_regions(database_url)
    return database_url


class Client:
    """Asks and subscribes as clients do."""

    def __init__(self, url: str, database: Database, news: ReportNews | None) -> None:
        self.writer = psycopg.connect(url, autocommit=True)
        self.news = news
        self._database = database

    def context(self) -> Context:
        return Context(self._database, 30, viewer=AUDITOR, news=self.news)

    async def page(self, **variables: object) -> Any:
        result = await schema.execute(PAGE, variables, context_value=self.context())
        assert result.errors is None
        assert result.data is not None
        return result.data["reports"]

    async def told(
        self, how_many: int, viewer: Viewer = AUDITOR, /, **variables: object
    ) -> list[Any]:
        """The first changes; then it is left. An error is its message."""
        context = Context(self._database, 30, viewer=viewer, news=self.news)
        stream: Any = await schema.subscribe(CHANGES, variables, context_value=context)
        if not hasattr(stream, "__aiter__"):
            return [error.message for error in stream.errors]
        found: list[Any] = []
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                async for result in stream:
                    if result.errors:
                        return [*found, result.errors[0].message]
                    found.append(result.data["reportChanged"])
                    if len(found) == how_many:
                        return found
        finally:
            await stream.aclose()
        return found


@asynccontextmanager
async def client_of(url: str, *, has_news: bool = True) -> AsyncIterator[Client]:
    database = Database(url)
    async with news_process(url) as news:
        client = Client(url, database, news if has_news else None)
        with client.writer:
            yield client
    await database.close()


def test_a_page_and_its_stream_and_the_stream_after_it_leave_nothing_out(url: str) -> None:
    async def main() -> None:
        async with client_of(url) as client:
            others = (await client.page(region=DISTRICTS[0]))["nodes"]
            put_report(client.writer)
            page = await client.page(region=DISTRICTS[0])
            assert len(page["nodes"]) == len(others) + 1
            id_ = put_report(client.writer)
            put_report(client.writer, DISTRICTS[1])
            change_report(client.writer, id_)
            told = await client.told(2, region=DISTRICTS[0], after=page["asOf"])
            assert [each["event"] for each in told] == [
                {"version": 1, "action": "SUBMIT"},
                {"version": 2, "action": "REGISTER"},
            ]
            assert [each["report"]["version"] for each in told] == [2, 2]
            last = put_report(client.writer, region=COMMUNITIES[1])
            [again] = await client.told(1, region=DISTRICTS[0], after=told[-1]["cursor"])
            named = client.writer.execute(
                "SELECT district_code || '-' || serial FROM reports WHERE id = %s", [last]
            ).fetchone()
            assert (again["report"]["number"],) == named

            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(
                    client.told(1, id=GlobalId("Report", DISTRICTS[0], str(id_)).encoded())
                )
                assert client.news is not None
                while not client.news._listeners:
                    await asyncio.sleep(0.005)
                change_report(client.writer, last)
                change_report(client.writer, id_, action="DISPATCH", state="DISPATCHED")
            assert [each["event"]["action"] for each in task.result()] == ["DISPATCH"]
            assert not client.news._listeners

    asyncio.run(main())


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"after": "yesterday"}, "'yesterday' is no state of this server"),
        ({"id": GlobalId("Sponsor", "", "S1").encoded()}, "is not the id of a report"),
        ({"id": "x"}, "x"),
        ({"after": "5:1:"}, "'5:1:' is no state of this server"),
        ({"region": "9"}, "There is no region '9'"),
        ({"grid": "9"}, "There is no grid '9'"),
        ({"sponsor": "9"}, "There is no sponsor '9'"),
    ],
)
def test_what_cannot_be_followed_is_refused(
    url: str, variables: dict[str, object], said: str
) -> None:
    async def main() -> None:
        async with client_of(url) as client:
            operations = Operations(schema, Documents(schema, Limits(), 1, 1_000), 20)
            operation = operations.prepared(Asked(CHANGES, variables, None, None))
            # Before there are events, so that it is an ordinary answer with its status.
            with pytest.raises(Failed) as refused:
                await operation.events(client.context)
            [error] = refused.value.errors
            assert said in str(error["message"])
            assert refused.value.status == (404 if "There is no" in said else 400)
            assert client.news is not None
            assert not client.news._listeners

    asyncio.run(main())


def test_each_is_told_of_reports_that_they_may_see_and_when_one_leaves_that(url: str) -> None:
    office = Viewer(Role.COMMUNITY, "office", frozenset(COMMUNITIES[1:2]))
    sender = Viewer(Role.RESIDENT, "sender")
    sponsor = Viewer(Role.SPONSOR, "clerk", frozenset({"S7"}))

    async def main() -> None:
        async with client_of(url) as client:
            begin = (await client.page())["asOf"]
            # 1. It comes to the office, is dispatched to a sponsor, and goes to another community.
            id_ = put_report(client.writer, region=COMMUNITIES[0])
            client.writer.execute(
                "INSERT INTO reporters (district_code, report_id, subject) "
                "VALUES (%s, %s, 'RESIDENT/sender')",
                [DISTRICTS[0], id_],
            )
            put_report(client.writer, region=COMMUNITIES[0])
            here, there = ({"region_code": code} for code in COMMUNITIES[:2])
            change_report(client.writer, id_, before=here, **there)
            handler: dict[str, Any] = {"handler_kind": "SPONSOR", "handler_code": "S7"}
            unhandled: dict[str, Any] = dict.fromkeys(handler)
            change_report(client.writer, id_, before=unhandled, **handler)
            key = GlobalId("Report", DISTRICTS[0], str(id_)).encoded()

            def told(changes: list[Any]) -> list[tuple[str, int | None, int | None]]:
                return [
                    (
                        each["id"],
                        each["report"] and each["report"]["version"],
                        each["event"] and each["event"]["version"],
                    )
                    for each in changes
                ]

            # 2. While it is theirs, they are told all of it, and its sender from the beginning.
            assert told(await client.told(2, office, after=begin)) == [(key, 3, 2), (key, 3, 3)]
            assert told(await client.told(1, sponsor, after=begin)) == [(key, 3, 3)]
            whole = [(key, 3, 1), (key, 3, 2), (key, 3, 3)]
            assert told(await client.told(3, sender, after=begin)) == whole
            # 3. Once it is not, they are told of its leaving, and of nothing that it says.
            change_report(client.writer, id_, before=there, **here)
            change_report(client.writer, id_, before=handler, **unhandled)
            left = [(key, None, None)] * 3
            assert told(await client.told(3, office, after=begin)) == left
            assert told(await client.told(2, sponsor, after=begin)) == left[:2]
            # 4. Nobody is told nothing at all.
            [refusal] = await client.told(1, ANONYMOUS)
            assert "sign in" in refusal

    asyncio.run(main())


def test_a_server_that_tells_no_changes_says_so(url: str) -> None:
    async def main() -> None:
        async with client_of(url, has_news=False) as client:
            assert await client.told(1) == ["This server tells nothing of changes."]

    asyncio.run(main())
