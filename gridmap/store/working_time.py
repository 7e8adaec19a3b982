"""When a time limit ends, in hours or days that are natural or an office's own.

Working days are those of China's calendar as the State Council arranges it, with the Saturdays and
Sundays that are worked in exchange for days off. They come from the package `holidays`, which
knows the years that were announced when it was released. For a later year, announced each
November before, it has the holidays that the law fixes and none of the exchanges: a limit that
reaches into such a year may be a few days off until the package is brought up to date. What was
computed before stays as it was told.
"""

from __future__ import annotations

import datetime
from bisect import bisect_left, bisect_right
from enum import StrEnum
from functools import cache

from gridmap.errors import Invalid
from gridmap.store.dates import CHINA

# The hours that offices keep in the north-east. Lunch is not taken out: a counter is staffed
# through it, and a limit of two hours is to mean the same before it and after.
OPENING = datetime.time(8, 30)
CLOSING = datetime.time(17, 30)
WORKING_DAY = datetime.timedelta(hours=9)

# Longer than any rule asks for (10 000 hours are over a year), and soon computed.
LARGEST_AMOUNT = 10_000

# Spring Festival and its like are known for these years; beyond there would be weekends alone.
_FIRST_YEAR, _LAST_YEAR = 1950, 2100

_ONE_DAY = datetime.timedelta(days=1)


class Unit(StrEnum):
    """What a time limit is counted in."""

    HOURS = "HOURS"
    """Natural hours: nights, weekends and holidays count."""

    DAYS = "DAYS"
    """Natural days of 24 hours, from moment to moment."""

    WORKING_HOURS = "WORKING_HOURS"
    """Hours between 08:30 and 17:30 on working days, lunch included; nine a day."""

    WORKING_DAYS = "WORKING_DAYS"
    """Working days after that of the start, to the end of the last one's office hours."""


def ends(start: datetime.datetime, amount: int, unit: Unit) -> datetime.datetime:
    """The last moment within a limit that begins at `start`, in Asia/Shanghai.

    `start`: aware, of any zone, in the years 1950 to 2100. `amount`: 1 to 10 000.

    Hours run at once, and days are counted without that of the start and end with office hours on
    the last (Civil Code, articles 201 and 203). Working hours that are used up at closing time end
    there, not at the next opening.

    The first call of a process loads the calendar, which takes about 0.1 s; it may be made from
    any thread. Raises Invalid for a start without a zone, and for what is out of these ranges.
    """
    if start.tzinfo is None:
        raise Invalid(f"The start {start.isoformat()} has no time zone; say which one it is in.")
    if not 1 <= amount <= LARGEST_AMOUNT:
        raise Invalid(f"A time limit of {amount} {unit} makes no sense; 1 to {LARGEST_AMOUNT} do.")
    if not _FIRST_YEAR <= start.year <= _LAST_YEAR:
        raise Invalid(
            f"The start {start.isoformat()} is not in the years {_FIRST_YEAR} to {_LAST_YEAR}, of "
            "which the calendar is known."
        )
    match unit:
        case Unit.HOURS:
            return _after(start, datetime.timedelta(hours=amount))
        case Unit.DAYS:
            return _after(start, datetime.timedelta(days=amount))
        case Unit.WORKING_HOURS:
            return _after_working(start.astimezone(CHINA), datetime.timedelta(hours=amount))
        case Unit.WORKING_DAYS:
            last = _working_day_after(start.astimezone(CHINA).date(), amount)
            return datetime.datetime.combine(last, CLOSING, CHINA)


def resumed(
    due: datetime.datetime, suspended_at: datetime.datetime, resumed_at: datetime.datetime
) -> datetime.datetime:
    """The limit after a suspension, in Asia/Shanghai; all three are aware.

    It moves by the natural time that passed meanwhile, whatever it is counted in: two days of
    suspension give two days of 24 hours, over a holiday too, and so the new limit may lie outside
    of office hours. What was late already is late by as much as before.

    Raises Invalid where the work is resumed before it was suspended.
    """
    if resumed_at < suspended_at:
        raise Invalid(
            f"Work cannot be resumed at {resumed_at.isoformat()}, before it was suspended at "
            f"{suspended_at.isoformat()}."
        )
    # Differences within one zone are of its clock, and a zone may have changed its clock.
    return _after(due, resumed_at.astimezone(datetime.UTC) - suspended_at.astimezone(datetime.UTC))


def is_working_day(day: datetime.date) -> bool:
    """Whether offices work on the day."""
    days, ordinal = _working_days(day.year), day.toordinal()
    at = bisect_left(days, ordinal)
    return at < len(days) and days[at] == ordinal


def _after(moment: datetime.datetime, passed: datetime.timedelta) -> datetime.datetime:
    return (moment.astimezone(datetime.UTC) + passed).astimezone(CHINA)


def _after_working(start: datetime.datetime, needed: datetime.timedelta) -> datetime.datetime:
    day = start.date()
    if is_working_day(day):
        begun = max(start, datetime.datetime.combine(day, OPENING, CHINA))
        left = datetime.datetime.combine(day, CLOSING, CHINA) - begun
        if needed <= left:
            return begun + needed
        needed -= max(left, datetime.timedelta())
    # The last day is worked for more than nothing, so that a limit ends at closing time.
    days = -(-needed // WORKING_DAY)
    last = datetime.datetime.combine(_working_day_after(day, days), OPENING, CHINA)
    return last + needed - (days - 1) * WORKING_DAY


def _working_day_after(day: datetime.date, number: int) -> datetime.date:
    """The first, second, third … working day after a day."""
    year = day.year
    days = _working_days(year)
    at = bisect_right(days, day.toordinal()) + number - 1
    while at >= len(days):
        at -= len(days)
        year += 1
        days = _working_days(year)
    return datetime.date.fromordinal(days[at])


@cache
def _working_days(year: int) -> tuple[int, ...]:
    """The ordinals of a year's working days."""
    from holidays import country_holidays  # 0.1 s, which a server can spare when it starts

    # One of its own for each year: filling a calendar is not safe among threads, reading is.
    calendar = country_holidays("CN", years=year, expand=False)
    first, next_first = datetime.date(year, 1, 1), datetime.date(year + 1, 1, 1)
    days = (first + _ONE_DAY * number for number in range((next_first - first).days))
    return tuple(day.toordinal() for day in days if calendar.is_working_day(day))
