"""What holds on a day: rows carry the first day they hold and the first day they no longer do."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, FromClause, and_, or_

_CHINA = ZoneInfo("Asia/Shanghai")


def today() -> datetime.date:
    """Today where the districts are, whatever the server's clock is set to."""
    return datetime.datetime.now(_CHINA).date()


def seconds_to_midnight() -> float:
    """How long today lasts yet, there."""
    now = datetime.datetime.now(_CHINA)
    midnight = datetime.datetime.combine(now.date() + datetime.timedelta(days=1), datetime.time())
    return (midnight.replace(tzinfo=_CHINA) - now).total_seconds()


def holds_on(table: FromClause, on: datetime.date) -> ColumnElement[bool]:
    """Whether the row's dates include the day."""
    valid_to = table.c.valid_to
    return and_(table.c.valid_from <= on, or_(valid_to.is_(None), valid_to > on))
