"""What residents and grid workers of the demo have reported, and what became of each report.

Everything is drawn by key, and so alike on every machine and day; only the times follow the moment
of loading, so that the demo is always of these weeks. What has ended lies on days before it; what
is still to be done lies so many minutes before it, so that it is as urgent as it is meant to be.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

from gridmap.demo.complaints import COMPLAINTS, Complaint
from gridmap.demo.draws import noise
from gridmap.demo.plan import DISTRICTS, DONGSHAN, XIANGYANG, XINGAN, District
from gridmap.demo.territory import Building, buildings_of, grids_of


class DemoDeed(NamedTuple):
    """Something done with a report. `by`: REPORTER, WORKER, HANDLER or OFFICE.

    `into`: the place in the list of the report to merge into. `until`: when a suspension or the
    new deadline ends. `is_to_worker`: whether it is dispatched to the grid's worker, not to the
    sponsor.
    """

    at: datetime.datetime
    action: str
    by: str
    note: str = ""
    rating: int | None = None
    until: datetime.datetime | None = None
    is_to_worker: bool = False
    into: int | None = None


@dataclass(frozen=True, slots=True)
class DemoReport:
    """`longitude`, `latitude`: WGS 84 degrees; `accuracy`: metres, None for a true position.

    `name` and `phone` are the reporter's, None where nobody is named. `deeds` are in order.
    """

    longitude: float
    latitude: float
    accuracy: float | None
    category: str
    urgency: str
    source: str
    description: str
    received_at: datetime.datetime
    name: str | None
    phone: str | None
    deeds: tuple[DemoDeed, ...]


def reports(now: datetime.datetime) -> list[DemoReport]:
    """All of them, for a demo that is loaded at `now`, a moment on a clock of the districts.

    In 向阳区 whatever is due is closed, and in time. 兴安区 and 东山区 are late with some.
    """
    drawn = [
        *(_closed(now, XIANGYANG, key) for key in range(_CLOSED_IN_XIANGYANG)),
        *(_closed(now, XINGAN, key, is_late=key % 5 == 4) for key in range(12)),
        *(_closed(now, DONGSHAN, key, is_late=key % 6 == 5) for key in range(12)),
        *(_rejected(now, key) for key in range(4)),
        *(_open(now, XIANGYANG, key, state) for key, state in enumerate(_OPEN_IN_XIANGYANG)),
        *(_open(now, XINGAN, key, state) for key, state in enumerate(_OPEN_ELSEWHERE)),
        *(_open(now, DONGSHAN, key, state) for key, state in enumerate(_OPEN_ELSEWHERE)),
        *(_uncertain(now, key) for key in range(2)),
    ]
    return drawn + [_repeated(now, drawn, into) for into in _REPEATED]


_CLOSED_IN_XIANGYANG = 124

_OPEN_IN_XIANGYANG = (
    *("SUBMITTED",) * 4,
    *("REGISTERED",) * 3,
    *("DISPATCHED",) * 6,
    *("RETURNED",) * 2,
    *("ACCEPTED",) * 4,
    *("IN_PROGRESS",) * 8,
    *("SUSPENDED",) * 2,
    *("DONE",) * 4,
    *("REWORK",) * 2,
    *("VERIFIED",) * 2,
)
_OPEN_ELSEWHERE = ("SUBMITTED", "DISPATCHED", "LATE", "LATE", "IN_PROGRESS", "DONE")

# The ways to each state that is not an end.
_WAYS = {
    "SUBMITTED": "",
    "REGISTERED": "REGISTER",
    "DISPATCHED": "REGISTER DISPATCH",
    "RETURNED": "REGISTER DISPATCH RETURN",
    "ACCEPTED": "REGISTER DISPATCH ACCEPT",
    "IN_PROGRESS": "REGISTER DISPATCH ACCEPT START",
    "LATE": "REGISTER DISPATCH ACCEPT START",
    "SUSPENDED": "REGISTER DISPATCH ACCEPT START SUSPEND",
    "DONE": "REGISTER DISPATCH ACCEPT START DONE",
    "REWORK": "REGISTER DISPATCH ACCEPT START DONE REWORK",
    "VERIFIED": "REGISTER DISPATCH ACCEPT START DONE VERIFY",
}
# How many hours ago they came, from and to. Nothing here is due in 向阳区 before seven days are
# over, so that nothing is late there but a step.
_AGES = {
    "SUBMITTED": (0.1, 3),
    "REGISTERED": (0.4, 5),
    "DISPATCHED": (1, 30),
    "RETURNED": (5, 30),
    "ACCEPTED": (4, 50),
    "IN_PROGRESS": (12, 110),
    "SUSPENDED": (60, 120),
    "DONE": (40, 120),
    "REWORK": (70, 130),
    "VERIFIED": (60, 130),
    # Over three weeks: seven working days have passed then, whatever holidays there were.
    "LATE": (24 * 24, 33 * 24),
}
# Which reports others have told of as well, by their place in the list.
_REPEATED = (3, 17, 40, 141, 160, 165)


def _closed(
    now: datetime.datetime, district: District, key: int, *, is_late: bool = False
) -> DemoReport:
    """Closed, and where the district rates, most often rated."""
    drawn = _Draw(1, int(district.code), key)
    complaint = drawn.complaint()
    is_urgent = complaint.urgency != "ROUTINE" or complaint.is_soon
    # What is not urgent may take a week, and what is late three.
    days_ago = (28 if is_late else 4 if is_urgent else 8) + int(60 * drawn(1) ** 1.3)
    morning = datetime.datetime.combine(now.date(), datetime.time(7), now.tzinfo)
    received = morning - datetime.timedelta(days=days_ago) + _minutes(12.5 * 60 * drawn(2))
    report = drawn.report(district, complaint, received)
    way = ["REGISTER", "DISPATCH", "ACCEPT", "START", "DONE", "VERIFY", "CLOSE"]
    variant = 0 if is_urgent else key % 20
    if variant == 7:
        way[2:2] = ["RETURN", "DISPATCH"]
    elif variant == 11:
        way[2:2] = ["ESCALATE", "DISPATCH"]
    elif variant == 15:
        way[5:5] = ["REWORK", "START", "DONE"]
    elif variant == 19:
        way += ["REOPEN", "DISPATCH", "ACCEPT", "START", "DONE", "VERIFY", "CLOSE"]
    if district is not DONGSHAN and report.source != "WALK" and drawn(3) < 0.85:
        way.append("RATE")
    at, deeds = received, list[DemoDeed]()
    for place, action in enumerate(way):
        least, most = _SPANS[action]
        if action == "DONE":
            # Eighteen days are more than seven working days, whatever holidays there are.
            least = 18 * 600 if is_late else least
            most = least + (300 if is_urgent or variant else 1400)
        span = least + (most - least) * drawn(4, place)
        at = at + _minutes(span / 3) if complaint.urgency == "EMERGENCY" else _in_the_day(at, span)
        is_to_worker = action == "DISPATCH" and way[place - 1] in ("RETURN", "ESCALATE")
        deeds.append(_deed(at, action, complaint, drawn)._replace(is_to_worker=is_to_worker))
    return replace(report, deeds=tuple(deeds))


# Minutes by day that each action waits for. All are within the limits that every district has.
_SPANS = {
    "REGISTER": (4, 40),
    "DISPATCH": (4, 40),
    "RETURN": (10, 60),
    "ESCALATE": (10, 60),
    "ACCEPT": (10, 60),
    "START": (10, 40),
    "DONE": (40, 340),
    "REWORK": (30, 120),
    "VERIFY": (20, 180),
    "CLOSE": (10, 120),
    "REOPEN": (60, 300),
    "RATE": (30, 600),
}


def _open(now: datetime.datetime, district: District, key: int, state: str) -> DemoReport:
    drawn = _Draw(2, int(district.code), key)
    least, most = _AGES[state]
    age = datetime.timedelta(hours=least + (most - least) * drawn(1))
    complaint = drawn.complaint(is_routine=district is XIANGYANG or state == "LATE")
    received = now - age
    way = _WAYS[state].split()
    deeds = []
    for place, action in enumerate(way, start=1):
        # The first steps are done soon, the last ones take their time.
        share = 0.9 * (place / len(way)) ** 3
        deed = _deed(received + share * age, action, complaint, drawn)
        if action == "SUSPEND":
            deed = deed._replace(until=now + datetime.timedelta(days=10 + int(10 * drawn(2))))
        deeds.append(deed)
    if state == "IN_PROGRESS" and key % 4 == 1:
        deeds.append(
            _deed(received + 0.95 * age, "EXTEND", complaint, drawn)._replace(
                until=now + datetime.timedelta(days=20)
            )
        )
    return replace(drawn.report(district, complaint, received), deeds=tuple(deeds))


def _rejected(now: datetime.datetime, key: int) -> DemoReport:
    drawn = _Draw(3, 0, key)
    complaint = drawn.complaint(is_routine=True)
    received = now - datetime.timedelta(days=2 + 9 * key, minutes=300 * drawn(1))
    deed = _deed(received + _minutes(10 + 40 * drawn(2)), "REJECT", complaint, drawn)
    return replace(drawn.report(XIANGYANG, complaint, received), deeds=(deed,))


def _uncertain(now: datetime.datetime, key: int) -> DemoReport:
    """On a street between grids, by a phone that knows no better than 45 m."""
    drawn = _Draw(4, 0, key)
    grid = grids_of(XIANGYANG)[31 + 20 * key]
    (west, south), (east, north) = grid.ring[0], grid.ring[1]
    report = drawn.report(
        XIANGYANG, drawn.complaint(is_routine=True), now - _minutes(15 + 40 * drawn(1))
    )
    return replace(
        report,
        source="PHONE",
        longitude=round((west + east) / 2, 7),
        latitude=round((south + north) / 2, 7),
        accuracy=45.0,
    )


def _repeated(now: datetime.datetime, told: Sequence[DemoReport], into: int) -> DemoReport:
    """The same by somebody else, a little later and a few metres off; merged into the first."""
    drawn, first = _Draw(5, 0, into), told[into]
    waited = _minutes(2 + 5 * drawn(1))
    received = min(first.received_at + waited, now - _minutes(2))
    deed = DemoDeed(
        min(received + _minutes(1 + 20 * drawn(2)), now - _minutes(1)),
        "MERGE",
        "OFFICE",
        "同一件事已有人反映，合并办理",
        into=into,
    )
    name, phone = drawn.person()
    return replace(
        first,
        longitude=round(first.longitude + 0.00004, 7),
        source="CHAT_GROUP",
        accuracy=None,
        description=f"{first.description}（群里又有居民反映）",
        received_at=received,
        name=name,
        phone=phone,
        deeds=(deed,),
    )


class _Draw:
    """Numbers for one report: `drawn(5)` is the fifth, the same whenever it is asked for."""

    def __init__(self, *keys: int) -> None:
        self.keys = keys

    def __call__(self, *which: int) -> float:
        return noise(20, *self.keys, *which)

    def complaint(self, *, is_routine: bool = False) -> Complaint:
        among = [
            each
            for each in COMPLAINTS
            if not is_routine or (each.urgency == "ROUTINE" and not each.is_soon)
        ]
        return among[int(self(30) * len(among))]

    def person(self) -> tuple[str, str]:
        number = int(self(31) * 1_000_000)
        return f"示例居民{number % 1000:03}", f"000{number:08}"

    def report(
        self, district: District, complaint: Complaint, received: datetime.datetime
    ) -> DemoReport:
        """Without deeds. Some buildings have many a report, and most have few."""
        buildings = _buildings(district.code)
        # 61 has no factor in common with how many there are, and spreads the busy ones.
        place = int(self(32) ** 2.6 * len(buildings)) * 61 % len(buildings)
        building = buildings[place]
        longitude, latitude = _beside(building, self(33), self(34), is_far=complaint.is_outdoors)
        source = _SOURCES[int(self(35) * len(_SOURCES))]
        is_named = source != "WALK" and self(36) < 0.8
        name, phone = self.person() if is_named else (None, None)
        text = complaint.texts[int(self(37) * len(complaint.texts))]
        return DemoReport(
            longitude=longitude,
            latitude=latitude,
            accuracy=round(4 + 3 * self(38), 1) if source == "PHONE" else None,
            category=complaint.category,
            urgency=complaint.urgency,
            source=source,
            description=text.format(place=building.name, number=1 + int(3 * self(39))),
            received_at=received.replace(microsecond=0),
            name=name,
            phone=phone,
            deeds=(),
        )


_SOURCES = (
    *("PHONE",) * 9,
    *("CHAT_GROUP",) * 5,
    *("HOTLINE_12345",) * 3,
    *("WALK",) * 3,
)


_TO_YARD = 0.35


@cache
def _buildings(district: str) -> tuple[Building, ...]:
    (found,) = (each for each in DISTRICTS if each.code == district)
    return buildings_of(found)


def _beside(building: Building, along: float, aside: float, *, is_far: bool) -> tuple[float, float]:
    """A point at the building, or in its yard: part of the way to the middle of the grid."""
    longitude, latitude = building.location
    if is_far:
        corners = building.grid.ring
        longitude += _TO_YARD * (math.fsum(x for x, _ in corners) / len(corners) - longitude)
        latitude += _TO_YARD * (math.fsum(y for _, y in corners) / len(corners) - latitude)
    # Up to 3 m each way.
    return (
        round(longitude + 0.00008 * (along - 0.5), 7),
        round(latitude + 0.00005 * (aside - 0.5), 7),
    )


def _deed(at: datetime.datetime, action: str, complaint: Complaint, drawn: _Draw) -> DemoDeed:
    by, note = _DEEDS[action]
    rating = _RATINGS[int(drawn(40) * len(_RATINGS))] if action == "RATE" else None
    if action == "DONE":
        note = complaint.done
    elif rating is not None and rating < 4:
        note = "处理得慢了一些"
    return DemoDeed(at.replace(microsecond=0), action, by, note, rating)


_RATINGS = (5,) * 14 + (4,) * 4 + (3, 2)

# By whom, and what is said.
_DEEDS = {
    "REGISTER": ("OFFICE", ""),
    "REJECT": ("OFFICE", "经核实不属于受理范围，已电话告知"),
    "DISPATCH": ("OFFICE", "请到现场处理"),
    "RETURN": ("HANDLER", "本单位没有相应的人员和设备，请另派"),
    "ESCALATE": ("HANDLER", "楼栋内解决不了，请网格协调"),
    "ACCEPT": ("HANDLER", ""),
    "START": ("HANDLER", ""),
    "SUSPEND": ("OFFICE", "材料已订，到货后施工"),
    "EXTEND": ("OFFICE", "需要多户居民同意，延长时限"),
    "DONE": ("HANDLER", ""),
    "VERIFY": ("WORKER", "现场看过，已经解决"),
    "REWORK": ("WORKER", "现场看过，还有一部分没处理完"),
    "CLOSE": ("OFFICE", ""),
    "RATE": ("REPORTER", ""),
    "REOPEN": ("OFFICE", "居民反映问题又出现了"),
}


def _in_the_day(at: datetime.datetime, minutes: float) -> datetime.datetime:
    """So many minutes later, of which only those between 8 and 18 o'clock count."""
    opening = at.replace(hour=8, minute=0, second=0)
    closing = at.replace(hour=18, minute=0, second=0)
    at = max(at, opening)
    left = max((closing - at).total_seconds() / 60, 0)
    if minutes <= left:
        return at + _minutes(minutes)
    return _in_the_day(opening + datetime.timedelta(days=1), minutes - left)


def _minutes(minutes: float) -> datetime.timedelta:
    return datetime.timedelta(minutes=minutes)
