"""What holds on a day: rows carry the first day they hold and the first day they no longer do."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, FromClause, and_, or_

CHINA = ZoneInfo("Asia/Shanghai")


def now() -> datetime.datetime:
    """What time it is where the districts are, whatever the server's clock is set to."""
    return datetime.datetime.now(CHINA)


def today() -> datetime.date:
    """Today where the districts are."""
    return now().date()


def seconds_to_midnight(moment: datetime.datetime) -> float:
    """How long the day of a moment lasts yet."""
    tomorrow = moment.date() + datetime.timedelta(days=1)
    midnight = datetime.datetime.combine(tomorrow, datetime.time(), moment.tzinfo)
    return (midnight - moment).total_seconds()


def holds_on(table: FromClause, on: datetime.date) -> ColumnElement[bool]:
    """Whether the row's dates include the day."""
    valid_to = table.c.valid_to
    return and_(table.c.valid_from <= on, or_(valid_to.is_(None), valid_to > on))
