"""Whoever follows reports hears of each event once, whoever wrote it and whatever breaks."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import ExitStack, aclosing
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmap.errors import Invalid, TooLarge, Unavailable
from gridmap.store import report_changes
from gridmap.store.database import Database, tool_engine
from gridmap.store.dates import now
from gridmap.store.paging import Slice
from gridmap.store.report_changes import (
    Belonging,
    Happened,
    Interest,
    ReportChange,
    ReportNews,
    bring_back,
    changes_between,
    state_now,
)
from gridmap.store.reports import Event, ReportFilter, ReportKey, page_of_reports
from gridmap.store.scopes import EVERYTHING as ALL_REPORTS
from tests.reports import (
    COMMUNITIES,
    DISTRICTS,
    EventKey,
    change_report,
    news_process,
    put_regions,
    put_report,
    seen_events,
)
from tests.waiting import PATIENCE_SECONDS

EVERYTHING = Interest(ALL_REPORTS)


@pytest.fixture(scope="module")
def url(database_url: str) -> str:
    put_regions(database_url)
    return database_url


@pytest.fixture
def writer(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that look by themselves often."""
    monkeypatch.setattr(report_changes, "_POLL_SECONDS", 0.05)


def key_of(event: Event) -> EventKey:
    return event.district_code, str(event.report_id), event.version


def between(url: str, *pairs: tuple[str, str | None]) -> list[list[Happened]]:
    async def ask() -> list[list[Happened]]:
        database = Database(url)
        try:
            async with database.connection() as connection:
                return [(await changes_between(connection, *pair))[0] for pair in pairs]
        finally:
            await database.close()

    return asyncio.run(ask())


async def given_state(url: str) -> str:
    """The state as a page is given it, behind the last event. A snapshot may be ahead of that by
    what PostgreSQL does of itself, and is refused while no event has come since."""
    database = Database(url)
    try:
        async with database.connection() as connection:
            return await state_now(connection)
    finally:
        await database.close()


# Two states


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "change", "saved", "commit", "undo", "look"]),
        st.integers(0, 3),
    ),
    min_size=4,
    max_size=40,
)


@settings(max_examples=15, deadline=None)
@given(steps=STEPS)
def test_what_came_between_two_states_is_what_is_in_one_and_not_in_the_other(
    url: str, steps: list[tuple[str, int]]
) -> None:
    states: list[tuple[str, set[EventKey]]] = []
    with ExitStack() as stack:
        writers = [stack.enter_context(psycopg.connect(url)) for _ in range(4)]
        looking = stack.enter_context(psycopg.connect(url, autocommit=True))
        for writer in writers:
            stack.callback(writer.rollback)
        own: list[list[UUID]] = [[] for _ in writers]
        for what, which in [*steps, ("look", 0)]:
            writer = writers[which]
            if what == "put":
                own[which].append(put_report(writer))
            elif what == "change" and own[which]:
                change_report(writer, own[which][-1])
            elif what == "saved":
                with writer.transaction():  # where there is one already, a savepoint
                    put_report(writer)
            elif what == "commit":
                writer.commit()
            elif what == "undo":
                writer.rollback()
                own[which].clear()
            elif what == "look" and len(states) < 6:
                states.append(seen_events(looking))
        for writer in writers:
            writer.commit()
        states.append(seen_events(looking))
    pairs = [(one, other) for place, one in enumerate(states) for other in states[place:]]
    found = between(url, *((one[0], other[0]) for one, other in pairs))
    for (one, other), changes in zip(pairs, found, strict=True):
        keys = [key_of(each.event) for each in changes]
        assert len(keys) == len(set(keys))
        assert set(keys) == other[1] - one[1]


def test_events_come_in_the_order_of_their_time_and_of_versions_where_clocks_differ(
    url: str, writer: psycopg.Connection
) -> None:
    before, _ = seen_events(writer)
    second = put_report(writer, at="2026-05-04T09:00:02+08:00")
    first = put_report(writer, at="2026-05-04T09:00:01+08:00")
    change_report(writer, second, at="2026-05-04T08:59:00+08:00")
    change_report(writer, first, at="2026-05-04T09:00:03+08:00")
    [changes] = between(url, (before, None))
    assert [(each.event.report_id, each.event.version) for each in changes] == [
        (first, 1),
        (second, 1),
        (second, 2),
        (first, 2),
    ]
    assert all(each.report.version == 2 for each in changes)


def test_too_many_changes_are_refused_and_just_so_many_are_told(
    url: str, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_changes, "MOST_MISSED", 5)
    before, _ = seen_events(writer)
    for _ in range(5):
        put_report(writer)
    assert len(between(url, (before, None))[0]) == 5
    put_report(writer)
    with pytest.raises(TooLarge, match="Read the list again"):
        between(url, (before, None))


def test_reports_that_were_written_in_one_transaction_come_together(
    url: str, writer: psycopg.Connection
) -> None:
    before = asyncio.run(given_state(url))
    with writer.transaction():
        ids = {put_report(writer, district) for district in DISTRICTS for _ in range(3)}
        assert between(url, (before, None)) == [[]]
    [changes] = between(url, (before, None))
    assert {each.report.id for each in changes} == ids


@pytest.mark.parametrize(
    "given",
    [
        "",
        "x",
        "1:2",
        "1:2:3:4",
        "10:5:",
        "5:10:7,6",
        "1:99999999999999999999:",
        "-1:2:",
        "1:2:٣",
        "0:2:",
    ],
)
def test_what_is_no_state_is_refused(url: str, given: str) -> None:
    with pytest.raises(Invalid, match="no state"):
        asyncio.run(first_of(url, EVERYTHING, given))


def test_a_state_of_another_server_is_refused(url: str) -> None:
    with pytest.raises(Invalid, match="is no state of this server"):
        asyncio.run(first_of(url, EVERYTHING, "4000000000:4000000000:"))


async def first_of(url: str, interest: Interest, after: str | None) -> ReportChange:
    async with (
        news_process(url) as news,
        aclosing(await news.changes(interest, after)) as changes,
    ):
        return await anext(changes)


# After a dump is restored elsewhere


def test_restored_events_of_a_server_that_was_ahead_are_of_the_past_after_a_migration(
    url: str, writer: psycopg.Connection
) -> None:
    old = put_report(writer)
    with writer.transaction():
        writer.execute("ALTER TABLE report_events DISABLE TRIGGER USER")
        writer.execute(
            "UPDATE report_events SET transaction = '4000000000' WHERE report_id = %s", [old]
        )
        writer.execute("ALTER TABLE report_events ENABLE TRIGGER USER")
    before, _ = seen_events(writer)
    fresh = put_report(writer)
    for _ in range(2):  # a second time there is nothing to do
        engine = tool_engine(url)
        with engine.begin() as connection:
            bring_back(connection)
        engine.dispose()
    assert [each.report.id for each in between(url, (before, None))[0]] == [fresh]
    behind = writer.execute(
        "SELECT transaction = '0' FROM report_events WHERE report_id = ANY(%s) ORDER BY 1",
        [[old, fresh]],
    ).fetchall()
    assert behind == [(False,), (True,)]
    with pytest.raises(psycopg.errors.RestrictViolation):
        writer.execute("UPDATE report_events SET note = 'x' WHERE report_id = %s", [old])


# The stream


class Heard:
    """Listens until it is stopped; comes back with its last cursor when it is given up."""

    def __init__(self, news: ReportNews, interest: Interest, after: str | None) -> None:
        self.keys: list[EventKey] = []
        self.reports: list[UUID] = []
        self.cursor = after
        self.losses = 0
        self._news = news
        self._interest = interest
        self.task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        while True:
            try:
                changes = await self._news.changes(self._interest, self.cursor)
                async with aclosing(changes):
                    async for report, event, self.cursor, _ in changes:
                        self.keys.append(key_of(event))
                        self.reports.append(report.id)
            except Unavailable:
                self.losses += 1
                await asyncio.sleep(0.02)

    async def until(self, is_enough: Callable[[set[EventKey]], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not is_enough(set(self.keys)):
                assert not self.task.done(), self.task.result()
                await asyncio.sleep(0.005)

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


def write_for_a_while(
    url: str, seed: int, done: Callable[[], object], transactions: int = 25
) -> None:
    """Transactions of several events, some held open while others commit, some undone."""
    chance = random.Random(seed)
    pause = threading.Event()
    with psycopg.connect(url) as connection:
        for _ in range(transactions):
            for _ in range(chance.randint(1, 3)):
                id_ = put_report(connection)
                if chance.random() < 0.5:
                    change_report(connection, id_)
            pause.wait(chance.choice([0, 0, 0.01, 0.03]))
            if chance.random() < 0.1:
                connection.rollback()
            else:
                connection.commit()
                done()


def test_between_a_page_and_its_stream_nothing_is_lost_and_nothing_told_twice(url: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        database = Database(url)
        async with news_process(url) as here, news_process(url) as there:

            def done() -> None:
                loop.call_soon_threadsafe(here.announce)

            writing = [
                asyncio.create_task(asyncio.to_thread(write_for_a_while, url, seed, done))
                for seed in range(3)
            ]
            listeners: list[tuple[Heard, set[EventKey]]] = []
            with psycopg.connect(url, autocommit=True) as looking:
                while len(listeners) < 3 or not all(task.done() for task in writing):
                    async with database.connection() as connection:
                        _, as_of = await page_of_reports(
                            connection, ReportFilter(now(), ALL_REPORTS), Slice(5, None)
                        )
                    seen = in_state(looking, as_of)
                    news = here if len(listeners) % 2 else there
                    listeners.append((Heard(news, EVERYTHING, as_of), seen))
                    await asyncio.sleep(0.03)
                await asyncio.gather(*writing)
                _, everything = seen_events(looking)
            for heard, seen in listeners:
                await heard.until(lambda keys, seen=seen: keys >= everything - seen)  # type: ignore[misc]
                await heard.stop()
                assert len(heard.keys) == len(everything - seen)
                assert set(heard.keys) == everything - seen
        await database.close()

    asyncio.run(main())


def in_state(looking: psycopg.Connection, as_of: str) -> set[EventKey]:
    """The events of transactions that a state knows, whoever asks."""
    rows = looking.execute(
        """
        SELECT district_code, CAST(report_id AS text), version
        FROM report_events
        WHERE pg_visible_in_snapshot(transaction, %s)
        """,
        [as_of],
    )
    return set(rows.fetchall())


def test_what_a_process_writes_is_heard_in_another_also_when_it_dies_before_it_says_so(
    url: str, writer: psycopg.Connection
) -> None:
    async def main() -> None:
        async with news_process(url) as here, news_process(url) as there:
            heard = [Heard(news, EVERYTHING, None) for news in (here, there)]
            for news in (here, there):
                await until_listening(news, 1)
            told, untold = put_report(writer), None
            here.announce()
            for each in heard:
                await each.until(lambda keys: (DISTRICTS[0], str(told), 1) in keys)
            untold = put_report(writer)  # and nobody announces it
            for each in heard:
                await each.until(lambda keys: (DISTRICTS[0], str(untold), 1) in keys)
                await each.stop()
                assert each.reports == [told, untold]

    asyncio.run(main())


@pytest.mark.usefixtures("quick")
def test_each_hears_what_interests_them_and_of_what_leaves_it(
    url: str, writer: psycopg.Connection
) -> None:
    wanted = uuid4()
    interests = {
        "community": Interest(ALL_REPORTS, regions=frozenset(COMMUNITIES[:1])),
        "districts": Interest(ALL_REPORTS, regions=frozenset(COMMUNITIES)),
        "nowhere": Interest(ALL_REPORTS, regions=frozenset()),
        "grid": Interest(ALL_REPORTS, grid="G1"),
        "sponsor": Interest(ALL_REPORTS, sponsor="S1"),
        "both": Interest(ALL_REPORTS, grid="G1", sponsor="S1"),
        "one": Interest(ALL_REPORTS, key=ReportKey(DISTRICTS[1], wanted)),
    }

    async def main() -> None:
        async with news_process(url) as news:
            heard = {name: Heard(news, interest, None) for name, interest in interests.items()}
            end = Heard(news, EVERYTHING, None)
            await until_listening(news, 8)
            plain = put_report(writer)
            other = put_report(writer, DISTRICTS[1], id=wanted)
            put_report(writer, region=COMMUNITIES[1])
            held = put_report(writer, region=COMMUNITIES[1], grid="G1", sponsor="S1")
            change_report(writer, held, grid_code="G2", before={"grid_code": "G1"})
            change_report(writer, held, sponsor_code="S2", before={"sponsor_code": "S1"})
            change_report(
                writer, plain, region_code=COMMUNITIES[1], before={"region_code": COMMUNITIES[0]}
            )
            change_report(writer, plain, state="DISPATCHED")
            news.announce()
            await end.until(lambda keys: len(keys) == 8)
            for each in (end, *heard.values()):
                await each.stop()
            assert [heard["community"].keys, heard["nowhere"].keys] == [
                [(DISTRICTS[0], str(plain), 1), (DISTRICTS[0], str(plain), 2)],
                [],
            ]
            assert heard["one"].keys == [(DISTRICTS[1], str(other), 1)]
            assert len(heard["districts"].keys) == 8
            versions = {name: sorted(key[2] for key in each.keys) for name, each in heard.items()}
            assert versions["grid"] == [1, 2]
            assert versions["sponsor"] == [1, 2, 3]
            assert versions["both"] == [1, 2]

    asyncio.run(main())


def whose(at: Belonging) -> tuple[str, str | None, str | None]:
    return at.region_code, at.grid_code, at.sponsor_code


def test_whose_a_report_was_is_known_of_each_event_though_many_came_at_once(
    url: str, writer: psycopg.Connection
) -> None:
    begin, _ = seen_events(writer)
    id_ = put_report(writer, region=COMMUNITIES[0], grid="G1", sponsor="S1")
    change_report(writer, id_)
    change_report(writer, id_, grid_code="G2", before={"grid_code": "G1"})
    change_report(writer, id_, sponsor_code="S2", before={"sponsor_code": "S1"})
    middle, _ = seen_events(writer)
    change_report(
        writer,
        id_,
        grid_code=None,
        region_code=COMMUNITIES[1],
        before={"grid_code": "G2", "region_code": COMMUNITIES[0]},
    )
    end, _ = seen_events(writer)
    parts = between(url, (begin, middle), (middle, end))
    whole = between(url, (begin, end))
    assert parts[0] + parts[1] == whole[0]
    belonged = [tuple(map(whose, (each.before, each.after))) for each in whole[0]]
    assert belonged == [
        ((COMMUNITIES[0], "G1", "S1"), (COMMUNITIES[0], "G1", "S1")),
        ((COMMUNITIES[0], "G1", "S1"), (COMMUNITIES[0], "G1", "S1")),
        ((COMMUNITIES[0], "G1", "S1"), (COMMUNITIES[0], "G2", "S1")),
        ((COMMUNITIES[0], "G2", "S1"), (COMMUNITIES[0], "G2", "S2")),
        ((COMMUNITIES[0], "G2", "S2"), (COMMUNITIES[1], None, "S2")),
    ]
    for interest, versions in (
        (Interest(ALL_REPORTS, grid="G1", sponsor="S1"), [1, 2, 3]),
        (Interest(ALL_REPORTS, grid="G2", sponsor="S2"), [4, 5]),
        (Interest(ALL_REPORTS, grid="G1", sponsor="S2"), []),
        (Interest(ALL_REPORTS, regions=frozenset(COMMUNITIES[1:2])), [5]),
    ):
        told = [each.event.version for each in whole[0] if interest.meets(each)]
        assert told == versions


@pytest.mark.usefixtures("quick")
def test_who_does_not_read_is_given_up_and_loses_nothing_by_coming_back(
    url: str, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_changes, "_MOST_WAITING", 4)

    async def main() -> None:
        async with news_process(url) as news:
            slow = await news.changes(EVERYTHING)
            before, _ = seen_events(writer)
            waiting = asyncio.ensure_future(anext(slow))
            await until_listening(news, 1)
            ids = [put_report(writer) for _ in range(2)]
            news.announce()
            told = [(await waiting)]
            waker = Heard(news, EVERYTHING, before)
            for _ in range(8):
                ids.append(put_report(writer))
                news.announce()
                await waker.until(lambda keys: len(keys) == len(ids))
            with pytest.raises(Unavailable, match="Subscribe again with the last cursor"):
                await to_the_end(slow, told)
            assert len(told) < len(ids)
            assert listening_to(news) == 1
            again = Heard(news, EVERYTHING, told[-1].as_of)
            await again.until(lambda keys: len(keys | keys_of(told)) == len(ids))
            for each in (waker, again):
                await each.stop()
            assert waker.losses == 0
            assert [*dict.fromkeys([c.report.id for c in told] + again.reports)] == ids

    asyncio.run(main())


async def to_the_end(changes: AsyncGenerator[ReportChange], told: list[ReportChange]) -> None:
    async for change in changes:
        told.append(change)  # noqa: PERF401 - what was told counts when it ends with an error


def keys_of(told: list[ReportChange]) -> set[EventKey]:
    return {key_of(change.event) for change in told}


def listening_to(news: ReportNews) -> int:
    return len(news._listeners)


async def until_listening(news: ReportNews, how_many: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while listening_to(news) != how_many:
            await asyncio.sleep(0.002)


@pytest.mark.usefixtures("quick")
def test_a_burst_that_is_too_large_to_follow_is_read_by_coming_back(
    url: str, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_changes, "MOST_MISSED", 6)

    async def main() -> None:
        async with news_process(url) as news:
            heard = Heard(news, EVERYTHING, None)
            await until_listening(news, 1)
            first = put_report(writer)
            news.announce()
            await heard.until(lambda keys: len(keys) == 1)
            with writer.transaction():
                burst = {put_report(writer) for _ in range(7)}
            with pytest.raises(TooLarge, match="subscribe with its asOf"):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await heard.task
            heard = Heard(news, EVERYTHING, await given_state(url))
            await until_listening(news, 1)
            assert first not in burst
            last = put_report(writer)
            await heard.until(lambda keys: len(keys) == 1)
            await heard.stop()
            assert heard.reports == [last]

    asyncio.run(main())


@pytest.mark.usefixtures("quick")
def test_the_stream_goes_on_without_loss_when_the_database_comes_back(url: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with psycopg.connect(url, autocommit=True) as looking:
            before, (_, seen) = await given_state(url), seen_events(looking)
            async with news_process(url) as here, news_process(url) as there:
                heard = [Heard(news, EVERYTHING, before) for news in (here, there)]

                def done() -> None:
                    loop.call_soon_threadsafe(there.announce)

                writing = asyncio.create_task(asyncio.to_thread(write_for_a_while, url, 7, done))
                while not writing.done():
                    looking.execute(
                        """
                        SELECT pg_terminate_backend(pid)
                        FROM pg_stat_activity
                        WHERE datname = current_database() AND application_name = 'gridmap'
                            AND query NOT LIKE 'INSERT%'
                        """
                    )
                    await asyncio.sleep(0.02)
                await writing
                _, everything = seen_events(looking)
                for each in heard:
                    await each.until(lambda keys: keys >= everything - seen)
                    await each.stop()
                    assert set(each.keys) == everything - seen

    asyncio.run(main())


def test_what_is_being_read_when_somebody_leaves_is_told_to_the_others(
    url: str, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes has all read what there is; if they leave again it must not be lost."""
    monkeypatch.setattr(report_changes, "_POLL_SECONDS", 0.5)

    async def main() -> None:
        chance = random.Random(1)
        async with news_process(url) as news:
            stays = Heard(news, EVERYTHING, None)
            await until_listening(news, 1)
            ids = []
            for _ in range(60):
                ids.append(put_report(writer))
                leaving = Heard(news, EVERYTHING, None)
                for _ in range(chance.randint(1, 30)):
                    await asyncio.sleep(0)
                await asyncio.sleep(chance.choice([0, 0.001, 0.002]))
                await leaving.stop()
            await stays.until(lambda keys: len(keys) >= len(ids))
            await stays.stop()
            assert stays.reports == ids

    asyncio.run(main())


def test_nobody_is_told_who_has_left(url: str) -> None:
    async def main() -> None:
        async with news_process(url) as news:
            generators = [await news.changes(EVERYTHING, None) for _ in range(5)]
            waiting = [asyncio.ensure_future(anext(each)) for each in generators]
            await until_listening(news, 5)
            assert listening_to(news) == 5
            await asyncio.sleep(0)  # they begin
            for each in waiting:
                each.cancel()
            await asyncio.wait(waiting)
            for generator in generators:
                await generator.aclose()
            assert listening_to(news) == 0
            for after in ("x", "4000000000:4000000000:"):
                with pytest.raises(Invalid):
                    await news.changes(EVERYTHING, after)
            assert listening_to(news) == 0
            # Nor who never began to listen.
            await news.changes(EVERYTHING, None)
            assert listening_to(news) == 0

    asyncio.run(main())
