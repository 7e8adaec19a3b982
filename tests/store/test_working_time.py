"""When time limits end, held against the State Council's calendars and a slow way of counting."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from datetime import UTC, date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.errors import Invalid
from gridmap.store.working_time import CLOSING, OPENING, Unit, ends, is_working_day, resumed

CHINA = datetime.timezone(timedelta(hours=8))
"""Since 1992 the same as Asia/Shanghai."""


def days(first: str, last: str) -> set[date]:
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return {start + timedelta(days=number) for number in range((end - start).days + 1)}


# General Office of the State Council, 国办发明电〔2024〕12号 and 〔2025〕7号.
OFF = {
    *days("2025-01-01", "2025-01-01"),
    *days("2025-01-28", "2025-02-04"),
    *days("2025-04-04", "2025-04-06"),
    *days("2025-05-01", "2025-05-05"),
    *days("2025-05-31", "2025-06-02"),
    *days("2025-10-01", "2025-10-08"),
    *days("2026-01-01", "2026-01-03"),
    *days("2026-02-15", "2026-02-23"),
    *days("2026-04-04", "2026-04-06"),
    *days("2026-05-01", "2026-05-05"),
    *days("2026-06-19", "2026-06-21"),
    *days("2026-09-25", "2026-09-27"),
    *days("2026-10-01", "2026-10-07"),
}
WORKED_WEEKENDS = set(
    map(
        date.fromisoformat,
        [
            *("2025-01-26", "2025-02-08", "2025-04-27", "2025-09-28", "2025-10-11"),
            *("2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10"),
        ],
    )
)


def works(day: date) -> bool:
    return day in WORKED_WEEKENDS or (day.weekday() < 5 and day not in OFF)


def at(text: str) -> datetime.datetime:
    """A moment in China, as in "2026-02-13 16:00"."""
    return datetime.datetime.fromisoformat(text).replace(tzinfo=CHINA)


def worked_between(start: datetime.datetime, end: datetime.datetime) -> timedelta:
    """Working time from one moment to another, summed up day by day."""
    worked, day = timedelta(), start.date()
    while day <= end.date():
        if works(day):
            opening, closing = (
                datetime.datetime.combine(day, time, CHINA) for time in (OPENING, CLOSING)
            )
            worked += max(min(closing, end) - max(opening, start), timedelta())
        day += timedelta(days=1)
    return worked


# Far enough from the end of 2026 for the amounts below.
MOMENTS = st.datetimes(
    datetime.datetime(2025, 1, 1), datetime.datetime(2026, 6, 30), timezones=st.just(CHINA)
)
AMOUNTS = st.integers(1, 60)
UNITS = st.sampled_from(Unit)


class TestTheCalendar:
    def test_it_is_the_state_councils_of_2025_and_2026(self) -> None:
        both = days("2025-01-01", "2026-12-31")
        assert {day for day in both if is_working_day(day)} == {day for day in both if works(day)}

    def test_a_year_not_announced_yet_has_what_the_law_fixes(self) -> None:
        assert not is_working_day(date(2060, 10, 1))
        assert is_working_day(date(2060, 10, 13))


class TestNaturalTime:
    def test_hours_and_days_pass_over_nights_and_holidays(self) -> None:
        assert ends(at("2026-09-30 20:15"), 5, Unit.HOURS) == at("2026-10-01 01:15")
        assert ends(at("2026-09-30 20:15"), 3, Unit.DAYS) == at("2026-10-03 20:15")

    @given(MOMENTS, AMOUNTS)
    def test_it_is_what_a_clock_measures(self, start: datetime.datetime, amount: int) -> None:
        assert ends(start, amount, Unit.HOURS) - start == timedelta(hours=amount)
        assert ends(start, amount, Unit.DAYS) - start == timedelta(hours=24 * amount)

    def test_a_clock_that_was_put_forward_gives_no_hour_away(self) -> None:
        # China had summer time from 1986 to 1991, in 1986 from the 4th of May.
        start = datetime.datetime(1986, 5, 3, 12, tzinfo=UTC)
        assert ends(start, 24, Unit.HOURS) == start + timedelta(hours=24)


class TestWorkingHours:
    @pytest.mark.parametrize(
        ("start", "hours", "end"),
        [
            ("2026-03-03 09:00", 2, "2026-03-03 11:00"),
            ("2026-03-03 11:00", 3, "2026-03-03 14:00"),  # over lunch
            ("2026-03-03 16:00", 2, "2026-03-04 09:00"),  # over the night
            ("2026-03-03 06:00", 1, "2026-03-03 09:30"),  # before the office opens
            ("2026-03-03 17:30", 1, "2026-03-04 09:30"),  # as it closes
            ("2026-03-03 08:30", 9, "2026-03-03 17:30"),  # a whole day, which ends there
            ("2026-03-03 23:00", 18, "2026-03-05 17:30"),
            ("2026-03-06 17:00", 1, "2026-03-09 09:00"),  # over a weekend
            ("2026-02-14 17:00", 1, "2026-02-24 09:00"),  # over Spring Festival
            ("2026-02-13 17:00", 1, "2026-02-14 09:00"),  # into a Saturday that is worked
            ("2025-09-30 16:30", 2, "2025-10-09 09:30"),  # over National Day and Mid-Autumn
            ("2025-12-31 17:00", 1, "2026-01-04 09:00"),  # into another year, on a Sunday
        ],
    )
    def test_they_pass_in_the_office_alone(self, start: str, hours: int, end: str) -> None:
        assert ends(at(start), hours, Unit.WORKING_HOURS) == at(end)

    @given(MOMENTS, AMOUNTS)
    def test_so_much_was_worked_at_the_end_and_less_just_before(
        self, start: datetime.datetime, amount: int
    ) -> None:
        end = ends(start, amount, Unit.WORKING_HOURS)
        assert worked_between(start, end) == timedelta(hours=amount)
        just_before = end - timedelta(microseconds=1)
        assert worked_between(start, just_before) < timedelta(hours=amount)


class TestWorkingDays:
    @pytest.mark.parametrize(
        ("start", "number", "last"),
        [
            ("2026-03-03 00:00", 1, "2026-03-04"),  # the day of the start is not counted
            ("2026-03-03 23:59", 1, "2026-03-04"),
            ("2026-03-06 10:00", 3, "2026-03-11"),
            ("2026-02-13 10:00", 1, "2026-02-14"),  # a Saturday that is worked
            ("2026-02-13 10:00", 3, "2026-02-25"),  # over Spring Festival
            ("2026-02-18 10:00", 5, "2026-02-28"),  # from within it
            ("2026-09-18 10:00", 11, "2026-10-10"),  # over Mid-Autumn and National Day
            ("2025-09-28 10:00", 4, "2025-10-10"),
            ("2025-10-09 10:00", 2, "2025-10-11"),
            ("2025-12-31 10:00", 2, "2026-01-05"),
        ],
    )
    def test_they_end_with_the_office_hours_of_the_last(
        self, start: str, number: int, last: str
    ) -> None:
        assert ends(at(start), number, Unit.WORKING_DAYS) == at(f"{last} 17:30")

    @given(MOMENTS, AMOUNTS)
    def test_so_many_lie_after_the_day_of_the_start(
        self, start: datetime.datetime, amount: int
    ) -> None:
        end = ends(start, amount, Unit.WORKING_DAYS)
        after = days(str(start.date() + timedelta(days=1)), str(end.date()))
        assert sum(map(works, after)) == amount
        assert works(end.date())
        assert end.time() == CLOSING


class TestEveryUnit:
    @given(MOMENTS, AMOUNTS, AMOUNTS, UNITS)
    def test_more_ends_later(
        self, start: datetime.datetime, one: int, another: int, unit: Unit
    ) -> None:
        less, more = sorted((one, another))
        assert start < ends(start, less, unit) <= ends(start, more, unit)
        assert less == more or ends(start, less, unit) < ends(start, more, unit)

    @given(MOMENTS, MOMENTS, AMOUNTS, UNITS)
    def test_what_begins_later_ends_no_earlier(
        self, one: datetime.datetime, another: datetime.datetime, amount: int, unit: Unit
    ) -> None:
        first, second = sorted((one, another))
        assert ends(first, amount, unit) <= ends(second, amount, unit)

    @given(MOMENTS, AMOUNTS, AMOUNTS, UNITS)
    def test_one_limit_after_another_is_their_sum(
        self, start: datetime.datetime, first: int, second: int, unit: Unit
    ) -> None:
        assert ends(ends(start, first, unit), second, unit) == ends(start, first + second, unit)

    @given(MOMENTS, AMOUNTS, st.sampled_from([Unit.WORKING_HOURS, Unit.WORKING_DAYS]))
    def test_a_limit_in_working_time_ends_in_it(
        self, start: datetime.datetime, amount: int, unit: Unit
    ) -> None:
        end = ends(start, amount, unit)
        assert works(end.date())
        assert OPENING < end.time() <= CLOSING

    @given(MOMENTS, AMOUNTS, UNITS, st.integers(-23 * 60, 23 * 60))
    def test_the_zone_of_the_start_does_not_matter(
        self, start: datetime.datetime, amount: int, unit: Unit, minutes: int
    ) -> None:
        elsewhere = start.astimezone(datetime.timezone(timedelta(minutes=minutes)))
        end = ends(elsewhere, amount, unit)
        assert end == ends(start, amount, unit)
        assert str(end.tzinfo) == "Asia/Shanghai"

    @pytest.mark.parametrize("unit", Unit)
    def test_what_makes_no_sense_is_refused(self, unit: Unit) -> None:
        start = at("2026-03-03 09:00")
        for amount in (0, -1, 10_001):
            with pytest.raises(Invalid, match=str(amount)):
                ends(start, amount, unit)
        with pytest.raises(Invalid, match="time zone"):
            ends(start.replace(tzinfo=None), 1, unit)
        for year in (1, 1949, 2101, 9999):
            with pytest.raises(Invalid, match=f"{year:04}"):
                ends(start.replace(year=year), 1, unit)

    @pytest.mark.parametrize("unit", Unit)
    def test_the_longest_limit_of_the_last_year_is_found(self, unit: Unit) -> None:
        assert ends(at("2100-12-31 23:59"), 10_000, unit) > at("2101-12-31 00:00")


class TestSuspension:
    def test_the_limit_moves_by_the_natural_time_that_passed(self) -> None:
        due = at("2026-03-06 17:30")
        moved = resumed(due, at("2026-03-05 10:00"), at("2026-03-07 11:15"))
        assert moved == at("2026-03-08 18:45")  # a Sunday evening

    @given(MOMENTS, MOMENTS, st.timedeltas(timedelta(), timedelta(days=99)))
    def test_as_much_is_left_as_before(
        self, due: datetime.datetime, suspended_at: datetime.datetime, passed: timedelta
    ) -> None:
        resumed_at = suspended_at + passed
        left = resumed(due, suspended_at, resumed_at) - resumed_at
        assert left == due - suspended_at

    def test_work_is_not_resumed_before_it_was_suspended(self) -> None:
        with pytest.raises(Invalid, match="resumed"):
            resumed(at("2026-03-06 17:30"), at("2026-03-05 10:00"), at("2026-03-05 09:59"))


PRINT_ENDS = """
import datetime
from gridmap.store.working_time import Unit, ends
start = datetime.datetime(2026, 2, 14, 20, 0, tzinfo=datetime.UTC)
print([ends(start, 3, unit).isoformat() for unit in Unit])
"""


def printed_in(zone: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", PRINT_ENDS],
        env={**os.environ, "TZ": zone},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_the_servers_own_zone_does_not_matter() -> None:
    assert printed_in("America/New_York") == printed_in("Pacific/Auckland")
    # 04:00 on the Sunday in China, when it is still Saturday, a day of work, in London.
    assert "2026-02-24T11:30:00+08:00" in printed_in("America/New_York")


def test_threads_that_all_ask_first_get_the_same() -> None:
    program = PRINT_ENDS.rpartition("print")[0] + (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(16) as pool:\n"
        "    found = list(pool.map(lambda _: ends(start, 999, Unit.WORKING_DAYS), range(64)))\n"
        "print(len(set(found)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_a_server_that_has_no_limits_to_count_loads_no_calendar() -> None:
    program = "import sys, gridmap.store.working_time; print('holidays' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False\n", "")
