"""Member cards (党员身份卡): that a party member's card hangs at a building, for a time.

Of each only its end is ever written; one that has not begun is called off, and so is one that was
posted today by mistake.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import NamedTuple

import psycopg
from sqlalchemy import delete, exc, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import Conflict, Forbidden, Invalid, NotFound
from gridmap.store import audit, tables
from gridmap.store.caretakers import building_in_care, look_after
from gridmap.store.dates import holds_on
from gridmap.store.paging import Key, parents_by_key, rows_by_parent
from gridmap.store.viewers import Viewer

_table = tables.member_cards
_NOUN = "member_cards"

LONGEST_NAME = 100


class MemberCard(NamedTuple):
    """It hangs from `valid_from` until before `valid_to`. Whose it is stays in the database."""

    district_code: str
    id: int
    building_code: str
    valid_from: datetime.date
    valid_to: datetime.date | None

    @property
    def card_key(self) -> CardKey:
        return CardKey(self.district_code, self.id)

    @property
    def building_key(self) -> Key:
        return Key(self.building_code, self.district_code)


class CardKey(NamedTuple):
    """Names one card for ever."""

    district_code: str
    id: int


_COLUMNS = tuple(_table.c[name] for name in MemberCard._fields)


async def cards_by_key(
    connection: AsyncConnection, keys: Sequence[CardKey]
) -> list[MemberCard | None]:
    """One for each key, in their order. Served by member_cards_pkey."""
    named = tuple_(_table.c.district_code, _table.c.id).in_([tuple(key) for key in keys])
    rows = await connection.execute(select(*_COLUMNS).where(named))
    found = {(row := MemberCard(*each)).card_key: row for each in rows}
    return [found.get(key) for key in keys]


async def cards_of_buildings(
    connection: AsyncConnection, buildings: Sequence[Key], on: datetime.date
) -> list[list[MemberCard]]:
    """The cards that hang at each building on a day, the oldest first.

    Served by member_cards_building_idx.
    """
    parent = parents_by_key(buildings)
    rows = (
        select(*_COLUMNS)
        .where(
            _table.c.district_code == parent.c.district_code,
            _table.c.building_code == parent.c.code,
            holds_on(_table, on),
        )
        .order_by(_table.c.valid_from, _table.c.id)
    )
    found = await rows_by_parent(connection, parent, rows, len(buildings))
    return [[MemberCard(*row) for row in cards] for cards in found]


async def post(
    connection: AsyncConnection,
    building: str,
    name: str,
    since: datetime.date,
    viewer: Viewer,
    today: datetime.date,
) -> MemberCard:
    """Has the card of a member hang at a building from a day on; the same again finds it.

    `connection` is in a transaction of its own. Raises NotFound where there is no such building,
    Forbidden where the viewer does not look after it today, Conflict where the member's card hangs
    there at another time from that day on, and Invalid for what is no name.
    """
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or name != name.strip():
        raise Invalid(
            f"name is {name[:LONGEST_NAME]!r}; give 1 to {LONGEST_NAME} characters that can be "
            "seen, without blanks around them."
        )
    key = await building_in_care(connection, building, viewer, today)
    known = await _of_member(connection, key, name, since)
    if known is not None:
        return known
    try:
        row = await connection.execute(
            insert(_table)
            .values(
                district_code=key.district_code,
                building_code=key.code,
                name=name,
                valid_from=since,
            )
            .returning(*_COLUMNS)
        )
    except exc.IntegrityError as error:
        if isinstance(error.orig, psycopg.errors.ExclusionViolation):
            raise Conflict(
                f"A card of this member hangs at building {building} at another time from {since} "
                "on. Look at it again and decide anew."
            ) from error
        raise
    card = MemberCard(*row.one())
    await audit.enter(connection, viewer, "POST", _NOUN, [card.card_key], since=since.isoformat())
    return card


async def remove(
    connection: AsyncConnection,
    key: CardKey,
    on: datetime.date,
    viewer: Viewer,
    today: datetime.date,
) -> MemberCard:
    """Takes a card away: `on` is the first day on which it no longer hangs.

    One that begins today or later is called off where `on` is its first day or before: it is
    deleted, and given back with both its days the same. `connection` is in a transaction of its
    own. Raises NotFound where there is no such card, Forbidden where the viewer does not look after
    the building today, Conflict where another end is kept, and Invalid for an end that is not after
    its first day.
    """
    row = (
        await connection.execute(
            select(*_COLUMNS)
            .where(_table.c.district_code == key.district_code, _table.c.id == key.id)
            .with_for_update()
        )
    ).one_or_none()
    if row is None:
        raise NotFound(
            f"There is no member card {key.id} in district {key.district_code}, or no more: one "
            "that was called off is not kept."
        )
    card = MemberCard(*row)
    [is_theirs] = await look_after(connection, [card.building_key], viewer, today)
    if not is_theirs:
        raise Forbidden(
            f"The cards at building {card.building_code} are for the worker of its grid, the "
            "office of its community, street or district, or an ADMINISTRATOR to remove. You are "
            f"{viewer.role}{' elsewhere' if viewer.codes else ''}."
        )
    if card.valid_to == on:
        return card
    if card.valid_to is not None:
        raise Conflict(
            f"It is gone from {card.valid_to} on already. Look at it again and decide anew."
        )
    of_card = (_table.c.district_code == key.district_code) & (_table.c.id == key.id)
    if on > card.valid_from:
        await connection.execute(update(_table).where(of_card).values(valid_to=on))
        await audit.enter(connection, viewer, "REMOVE", _NOUN, [key], to=on.isoformat())
        return card._replace(valid_to=on)
    if card.valid_from < today:
        raise Invalid(f"It hangs since {card.valid_from}, and so cannot end on {on}.")
    await connection.execute(delete(_table).where(of_card))
    await audit.enter(connection, viewer, "CALL_OFF", _NOUN, [key])
    return card._replace(valid_to=card.valid_from)


async def _of_member(
    connection: AsyncConnection, building: Key, name: str, since: datetime.date
) -> MemberCard | None:
    """The card of the member that hangs there from that day on, without an end."""
    rows = await connection.execute(
        select(*_COLUMNS).where(
            _table.c.district_code == building.district_code,
            _table.c.building_code == building.code,
            _table.c.name == name,
            _table.c.valid_from == since,
            _table.c.valid_to.is_(None),
        )
    )
    row = rows.one_or_none()
    return MemberCard(*row) if row else None
