"""Sponsorships: who answers for a building or a grid, from which day until which.

None that has begun is ever deleted, and of each only its end is ever written: what held on a day
that is over stays known. Until its first day is over its sponsor may be corrected, in its own row.
The building or the grid is locked meanwhile, so that of two who act at the same moment one comes
first, and the other is told what holds by now. What was sent again because its answer was lost gets
that answer.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import ColumnElement, any_, delete, exc, literal, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import Conflict, Forbidden, Invalid, NotFound, TooLarge
from gridmap.store import audit, tables
from gridmap.store.paging import Key, among, parents_by_key, rows_by_parent
from gridmap.store.permissions import Extent, Permission, extent
from gridmap.store.regions import regions_around
from gridmap.store.viewers import Viewer, is_office_of

_table = tables.sponsorships
_NOUN = "sponsorships"

MOST_AT_ONCE = 1_000
"""Sponsorships that one request may begin."""


class Sponsorship(NamedTuple):
    """It holds from `valid_from` until before `valid_to`; of a building or of a grid."""

    district_code: str
    id: int
    sponsor_code: str
    building_code: str | None
    grid_code: str | None
    valid_from: datetime.date
    valid_to: datetime.date | None

    @property
    def sponsorship_key(self) -> SponsorshipKey:
        return SponsorshipKey(self.district_code, self.id)


class SponsorshipKey(NamedTuple):
    """Names one sponsorship for ever."""

    district_code: str
    id: int


class Wanted(NamedTuple):
    """Who is to answer for what. `building` or `grid` is a code, and the other None.

    `replaces`: the one that holds on the first day, as it was seen; None where none was.
    """

    building: str | None
    grid: str | None
    sponsor: str
    replaces: SponsorshipKey | None = None


_COLUMNS = tuple(_table.c[name] for name in Sponsorship._fields)


async def sponsorships_by_key(
    connection: AsyncConnection, keys: Sequence[SponsorshipKey]
) -> list[Sponsorship | None]:
    """One for each key, in their order. Served by sponsorships_pkey."""
    ids = literal([key.id for key in keys], postgresql.ARRAY(postgresql.BIGINT))
    districts = [key.district_code for key in keys]
    rows = await connection.execute(
        select(*_COLUMNS).where(among(_table.c.district_code, districts), _table.c.id == any_(ids))
    )
    found = {(row := Sponsorship(*each)).sponsorship_key: row for each in rows}
    return [found.get(key) for key in keys]


async def sponsorships_of_buildings(
    connection: AsyncConnection, keys: Sequence[Key]
) -> list[list[Sponsorship]]:
    """All that each building ever had or is to have, the latest first.

    Served by sponsorships_building_idx.
    """
    return await _history(connection, keys, _table.c.building_code)


async def sponsorships_of_grids(
    connection: AsyncConnection, keys: Sequence[Key]
) -> list[list[Sponsorship]]:
    """The same of each grid. Served by sponsorships_grid_idx."""
    return await _history(connection, keys, _table.c.grid_code)


async def assign(
    connection: AsyncConnection,
    wanted: Sequence[Wanted],
    since: datetime.date,
    viewer: Viewer,
    today: datetime.date,
) -> list[Sponsorship]:
    """Begins these sponsorships on a day, all or none, and ends what holds then for the same.

    What begins on that very day, today or later, is corrected instead: it keeps its id.
    `connection` is in a transaction of its own. The number of statements does not grow with their
    number.

    Raises NotFound where there is no such building, grid or sponsor, Forbidden where the viewer is
    no office of its region, Conflict where another holds on that day than was seen or is planned
    for later, Invalid for what makes no sense, and TooLarge for more than MOST_AT_ONCE.
    """
    if len(wanted) > MOST_AT_ONCE:
        raise TooLarge(
            f"There are {len(wanted)} sponsorships; at most {MOST_AT_ONCE} begin at once."
        )
    if not wanted:
        return []
    targets = await _targets(connection, wanted, since)
    await _check_viewer(connection, targets, viewer)
    await _check_sponsors(connection, {each.sponsor for each in wanted})
    kept = await _kept_from(connection, targets, since)
    begun: dict[int, Sponsorship] = {}
    ended: list[Sponsorship] = []
    corrected: dict[int, Sponsorship] = {}
    for place, (each, target) in enumerate(zip(wanted, targets, strict=True)):
        there = kept.get(target.name, [])
        same = _already(each, there, since)
        if same is not None:
            begun[place] = same
        elif (held := _held(each, target, there, since, today)) is not None:
            if held.valid_from == since:
                corrected[place] = held
            else:
                ended.append(held)
    await _end(connection, ended, since)
    begun.update(await _correct(connection, corrected, wanted))
    new = [place for place in range(len(wanted)) if place not in begun]
    rows = await _begin(
        connection, [targets[i] for i in new], [wanted[i].sponsor for i in new], since
    )
    begun.update(zip(new, rows, strict=True))
    begun_now = [begun[place].sponsorship_key for place in (*corrected, *new)]
    await audit.enter(connection, viewer, "ASSIGN", _NOUN, begun_now, since=since.isoformat())
    await audit.enter(
        connection,
        viewer,
        "END",
        _NOUN,
        [row.sponsorship_key for row in ended],
        to=since.isoformat(),
    )
    return [begun[place] for place in range(len(wanted))]


async def end(
    connection: AsyncConnection,
    key: SponsorshipKey,
    on: datetime.date,
    viewer: Viewer,
    today: datetime.date,
) -> Sponsorship:
    """Ends a sponsorship: `on` is the first day on which it no longer holds.

    One that has not begun by `today` is called off where `on` is its first day or before: it is
    deleted, and given back with both its days the same. The one that was to end for it goes on in
    its place, so that nobody is left without.

    `connection` is in a transaction of its own. Raises NotFound where there is no such sponsorship,
    Forbidden where the viewer is no office of its region, Conflict where it has ended already or
    another one begins before the day, and Invalid for an end that is not after its first day.
    """
    row = await _kept(connection, key)
    kind, code = ("building", row.building_code) if row.building_code else ("grid", row.grid_code)
    targets = await _locked(connection, kind, [code or ""], None)
    target = next(each for each in targets if each.district_code == key.district_code)
    await _check_viewer(connection, [target], viewer)
    of_target = _table.c.building_code if row.building_code else _table.c.grid_code
    # Again, for it may have ended before the lock was had.
    row = await _kept(connection, key)
    if row.valid_to == on:
        return row
    if row.valid_to is not None and row.valid_to <= today:
        raise Conflict(
            f"It ended on {row.valid_to} already. Look at it again and decide anew.", **_told(row)
        )
    if on > row.valid_from:
        if row.valid_to is not None and on > row.valid_to:
            await _refuse_if_followed(connection, row, of_target == code)
        [ended] = await _end(connection, [row], on)
        await audit.enter(connection, viewer, "END", _NOUN, [key], to=on.isoformat())
        return ended
    if row.valid_from <= today:
        raise Invalid(f"It began on {row.valid_from}, and so cannot end on {on}; say a later day.")
    await connection.execute(
        delete(_table).where(_table.c.district_code == row.district_code, _table.c.id == row.id)
    )
    await connection.execute(
        update(_table)
        .where(
            _table.c.district_code == row.district_code,
            of_target == code,
            _table.c.valid_to == row.valid_from,
        )
        .values(valid_to=row.valid_to)
    )
    await audit.enter(connection, viewer, "CALL_OFF", _NOUN, [key])
    return row._replace(valid_to=row.valid_from)


async def _refuse_if_followed(
    connection: AsyncConnection, row: Sponsorship, is_of_target: ColumnElement[bool]
) -> None:
    """Raises Conflict where another begins as this one ends: it is to be called off first."""
    follower = await connection.scalar(
        select(_table.c.sponsor_code).where(
            _table.c.district_code == row.district_code,
            is_of_target,
            _table.c.valid_from >= row.valid_to,
        )
    )
    if follower is not None:
        raise Conflict(
            f"It ends on {row.valid_to}, and sponsor {follower} follows. Call that one off, and "
            "this one goes on.",
            **_told(row),
        )


async def _kept(connection: AsyncConnection, key: SponsorshipKey) -> Sponsorship:
    [row] = await sponsorships_by_key(connection, [key])
    if row is None:
        raise NotFound(
            f"There is no sponsorship {key.id} in district {key.district_code}, or no more: one "
            "that was called off is not kept."
        )
    return row


class _Target(NamedTuple):
    """A building or grid that is locked."""

    kind: str
    district_code: str
    code: str
    community_code: str

    @property
    def name(self) -> tuple[str, str, str]:
        return self.kind, self.district_code, self.code

    def __str__(self) -> str:
        return f"{self.kind} {self.code}"


async def _targets(
    connection: AsyncConnection, wanted: Sequence[Wanted], on: datetime.date
) -> list[_Target]:
    """The building or grid of each, in their order, locked."""
    named: list[tuple[str, str]] = []
    for each in wanted:
        match each.building, each.grid:
            case str() as code, None:
                named.append(("building", code))
            case None, str() as code:
                named.append(("grid", code))
            case _:
                raise Invalid("Say a building or a grid, and not both.")
    for name, count in Counter(named).items():
        if count > 1:
            raise Invalid(f"{' '.join(name)} is named twice; it has one sponsor at a time.")
    found: dict[tuple[str, str], _Target] = {}
    for kind in _LOCKED:
        codes = [code for of, code in named if of == kind]
        for target in await _locked(connection, kind, codes, on) if codes else []:
            # As everywhere, of districts that share a code the first is meant.
            found.setdefault((kind, target.code), target)
    for kind, code in named:
        if (kind, code) not in found:
            raise NotFound(f"There is no {kind} {code!r}{f' on {on}' if kind == 'grid' else ''}.")
    return [found[name] for name in named]


async def _locked(
    connection: AsyncConnection, kind: str, codes: Sequence[str], on: datetime.date | None
) -> list[_Target]:
    """The buildings or grids of these codes, those of a day or of any, locked in one order for all.

    Served by buildings_code_idx and grids_code_idx.
    """
    rows = await connection.execute(_LOCKED[kind], {"codes": list(codes), "on": on})
    return [_Target(kind, *target) for *target, is_there in rows if is_there]


# Not FOR UPDATE: who writes a sponsorship by another way need not wait for the rows it refers to.
_LOCKED = {
    "building": text(
        """
        SELECT district_code, code, community_code, true
        FROM buildings
        WHERE code = ANY(CAST(:codes AS text[]))
        ORDER BY code, district_code
        FOR NO KEY UPDATE
        """
    ),
    "grid": text(
        """
        SELECT
            district_code,
            code,
            community_code,
            CAST(:on AS date) IS NULL
                OR valid_from <= :on AND (valid_to IS NULL OR valid_to > :on)
        FROM grids
        WHERE code = ANY(CAST(:codes AS text[]))
        ORDER BY code, district_code, valid_from
        FOR NO KEY UPDATE
        """
    ),
}


async def _check_viewer(
    connection: AsyncConnection, targets: Sequence[_Target], viewer: Viewer
) -> None:
    may = extent(viewer, Permission.ASSIGN_SPONSORS)
    if may is Extent.ALL:
        return
    communities = sorted({target.community_code for target in targets})
    around = dict(zip(communities, await regions_around(connection, communities), strict=True))
    for target in targets:
        if may is None or not is_office_of(viewer, around[target.community_code]):
            raise Forbidden(
                f"Who answers for {target} is for the office of its community, street or district "
                f"to say, or for an ADMINISTRATOR. You are {viewer.role}"
                f"{' elsewhere' if viewer.codes else ''}."
            )


async def _check_sponsors(connection: AsyncConnection, codes: set[str]) -> None:
    sponsor = tables.sponsors
    known = set(
        (
            await connection.scalars(
                select(sponsor.c.code).where(among(sponsor.c.code, sorted(codes)))
            )
        ).all()
    )
    if missing := sorted(codes - known):
        raise NotFound(f"There is no sponsor {missing[0]!r}.")


async def _kept_from(
    connection: AsyncConnection, targets: Sequence[_Target], since: datetime.date
) -> dict[tuple[str, str, str], list[Sponsorship]]:
    """What holds for each on the day or later, the earliest first."""
    found: dict[tuple[str, str, str], list[Sponsorship]] = {}
    for kind, code in (("building", _table.c.building_code), ("grid", _table.c.grid_code)):
        of_kind = [target for target in targets if target.kind == kind]
        if not of_kind:
            continue
        keys = [Key(target.code, target.district_code) for target in of_kind]
        for target, rows in zip(of_kind, await _history(connection, keys, code), strict=True):
            found[target.name] = [
                row for row in reversed(rows) if row.valid_to is None or row.valid_to > since
            ]
    return found


def _already(
    wanted: Wanted, there: Sequence[Sponsorship], since: datetime.date
) -> Sponsorship | None:
    """The sponsorship that the same wish has begun before, where it still stands so."""
    return next(
        (
            row
            for row in there
            if (row.sponsor_code, row.valid_from, row.valid_to) == (wanted.sponsor, since, None)
        ),
        None,
    )


def _held(
    wanted: Wanted,
    target: _Target,
    there: Sequence[Sponsorship],
    since: datetime.date,
    today: datetime.date,
) -> Sponsorship | None:
    """The one to be ended, or corrected where it begins on that day.

    Raises Conflict where things are not as they were seen.
    """
    held = next((row for row in there if row.valid_from <= since), None)
    later = next((row for row in there if row.valid_from > since), None)
    if later is not None:
        raise Conflict(
            f"Sponsor {later.sponsor_code} answers for {target} from {later.valid_from} on, which "
            f"is after {since}. Call that off first, or begin on a day after it.",
            **_told(later),
        )
    if (held.sponsorship_key if held else None) != wanted.replaces:
        stands = (
            f"is answered for by sponsor {held.sponsor_code} since {held.valid_from}"
            if held
            else "has no sponsor"
        )
        raise Conflict(
            f"The {target} {stands} on {since}, which is not what you saw. Look at it again, and "
            "say in replaces which sponsorship is to end.",
            **(_told(held) if held else {}),
        )
    if held is None:
        return None
    if held.sponsor_code == wanted.sponsor and held.valid_to is None:
        raise Conflict(
            f"Sponsor {held.sponsor_code} answers for {target} already, since {held.valid_from}.",
            **_told(held),
        )
    if held.valid_from == since < today:
        raise Conflict(
            f"Sponsor {held.sponsor_code} answers for {target} from {since} itself, a day that is "
            "over; begin on a later day.",
            **_told(held),
        )
    return held


def _told(row: Sponsorship) -> dict[str, object]:
    return {
        "sponsor": row.sponsor_code,
        "validFrom": row.valid_from.isoformat(),
        "validTo": row.valid_to.isoformat() if row.valid_to else None,
    }


async def _end(
    connection: AsyncConnection, ended: Sequence[Sponsorship], on: datetime.date
) -> list[Sponsorship]:
    """Served by sponsorships_pkey."""
    if not ended:
        return []
    ids = literal([row.id for row in ended], postgresql.ARRAY(postgresql.BIGINT))
    rows = await connection.execute(
        update(_table)
        .where(
            among(_table.c.district_code, sorted({row.district_code for row in ended})),
            _table.c.id == any_(ids),
        )
        .values(valid_to=on)
        .returning(*_COLUMNS)
    )
    return [Sponsorship(*row) for row in rows]


async def _correct(
    connection: AsyncConnection, corrected: Mapping[int, Sponsorship], wanted: Sequence[Wanted]
) -> dict[int, Sponsorship]:
    """Has others answer in their place, without an end. Served by sponsorships_pkey."""
    if not corrected:
        return {}
    rows = await connection.execute(
        _CORRECTED,
        {
            "districts": [row.district_code for row in corrected.values()],
            "ids": [row.id for row in corrected.values()],
            "sponsors": [wanted[place].sponsor for place in corrected],
        },
    )
    found = {(row := Sponsorship(*each)).sponsorship_key: row for each in rows}
    return {place: found[row.sponsorship_key] for place, row in corrected.items()}


_CORRECTED = text(
    f"""
    UPDATE sponsorships AS kept
    SET sponsor_code = wanted.sponsor_code, valid_to = NULL
    FROM unnest(
        CAST(:districts AS text[]), CAST(:ids AS bigint[]), CAST(:sponsors AS text[])
    ) AS wanted (district_code, id, sponsor_code)
    WHERE kept.district_code = wanted.district_code AND kept.id = wanted.id
    RETURNING {", ".join(f"kept.{name}" for name in Sponsorship._fields)}
    """
)


async def _begin(
    connection: AsyncConnection,
    targets: Sequence[_Target],
    sponsors: Sequence[str],
    since: datetime.date,
) -> list[Sponsorship]:
    if not targets:
        return []
    try:
        rows = await connection.execute(
            _BEGUN,
            {
                "districts": [target.district_code for target in targets],
                "sponsors": list(sponsors),
                "kinds": [target.kind for target in targets],
                "codes": [target.code for target in targets],
                "since": since,
            },
        )
    except exc.IntegrityError as error:
        if isinstance(error.orig, psycopg.errors.ExclusionViolation):
            raise Conflict(
                "Somebody else has said meanwhile who answers there; look again and decide anew."
            ) from error
        raise
    begun = {
        (row.district_code, row.building_code or "", row.grid_code or ""): row
        for row in (Sponsorship(*each) for each in rows)
    }
    return [
        begun[
            target.district_code,
            target.code if target.kind == "building" else "",
            target.code if target.kind == "grid" else "",
        ]
        for target in targets
    ]


_BEGUN = text(
    f"""
    INSERT INTO sponsorships (district_code, sponsor_code, building_code, grid_code, valid_from)
    SELECT
        district_code,
        sponsor_code,
        CASE kind WHEN 'building' THEN code END,
        CASE kind WHEN 'grid' THEN code END,
        CAST(:since AS date)
    FROM unnest(
        CAST(:districts AS text[]), CAST(:sponsors AS text[]), CAST(:kinds AS text[]),
        CAST(:codes AS text[])
    ) AS wanted (district_code, sponsor_code, kind, code)
    RETURNING {", ".join(Sponsorship._fields)}
    """
)


async def _history(
    connection: AsyncConnection, keys: Sequence[Key], code: ColumnElement[Any]
) -> list[list[Sponsorship]]:
    parent = parents_by_key(keys)
    rows = (
        select(*_COLUMNS)
        .where(_table.c.district_code == parent.c.district_code, code == parent.c.code)
        .order_by(_table.c.valid_from.desc())
    )
    found = await rows_by_parent(connection, parent, rows, len(keys))
    return [[Sponsorship(*row) for row in rows] for rows in found]
