"""What grid workers of the demo did at buildings, and whose member cards hang there.

Everything is drawn by key; only the days of visits follow the moment of loading, so that the demo
is always of these weeks.
"""

from __future__ import annotations

import datetime
from collections import Counter
from dataclasses import dataclass

from gridmap.demo.draws import noise
from gridmap.demo.people import workers
from gridmap.demo.plan import DONGSHAN, XINGAN
from gridmap.demo.territory import Building, all_buildings


@dataclass(frozen=True, slots=True)
class Visit:
    """A worker's visit; `at` is an ISO time with its zone, `note` None where nothing is said."""

    building: str
    worker: str
    kind: str
    at: str
    note: str | None


@dataclass(frozen=True, slots=True)
class MemberCard:
    """A card at a building, of an invented member; dates are ISO."""

    building: str
    name: str
    valid_from: str
    valid_to: str | None


def visits(at: datetime.datetime) -> tuple[Visit, ...]:
    """Those of the ten weeks before a moment. Every eighth building or so was last seen more than
    thirty days ago.
    """
    worker_of = {worker.grid: worker.code for worker in workers()}
    found = []
    for number, building in enumerate(all_buildings()):
        is_late = noise(31, number) < _LATE
        age = 1 + int(noise(32, number) * 28) + (31 if is_late else 0)
        while age < _OLDEST_DAYS:
            day = at.replace(hour=0, minute=0, second=0, microsecond=0)
            moment = day - datetime.timedelta(days=age) + _hour(number, age)
            kind = _KINDS[int(noise(34, number, age) * len(_KINDS))]
            notes = _NOTES[kind]
            note = notes[int(noise(35, number, age) * len(notes))]
            found.append(
                Visit(building.code, worker_of[building.grid.code], kind, moment.isoformat(), note)
            )
            age += 9 + int(noise(36, number, age) * 21)
    return tuple(found)


def member_cards() -> tuple[MemberCard, ...]:
    """One at each building of 东山区, as there, and at most of the others."""
    numbers: Counter[str] = Counter()
    cards = []
    for number, building in enumerate(all_buildings()):
        district = building.code[:6]
        if noise(37, number) >= _share_with_card(building):
            continue
        numbers[district] += 1
        cards.append(
            MemberCard(
                building.code, f"示例党员{district[-2:]}{numbers[district]:03}", "2024-05-01", None
            )
        )
    return tuple(cards)


_LATE = 0.12
_OLDEST_DAYS = 70
_KINDS = ("VISIT", "VISIT", "VISIT", "OPINIONS", "POLICY", "ERRAND")
_NOTES: dict[str, tuple[str | None, ...]] = {
    "VISIT": (None, "一切正常", "楼道已清理", "提醒不要飞线充电"),
    "OPINIONS": ("希望增设长椅", "希望修好门灯", None),
    "POLICY": ("发放医保宣传单", "讲解供热政策", None),
    "ERRAND": ("代缴水费", "代取药品", None),
}


def _share_with_card(building: Building) -> float:
    district = building.code[:6]
    if district == DONGSHAN.code:
        return 1
    return 0.9 if district == XINGAN.code else 0.8


def _hour(number: int, age: int) -> datetime.timedelta:
    """A time of the working day, in whole minutes."""
    return datetime.timedelta(minutes=8 * 60 + int(noise(33, number, age) * 9 * 60))
