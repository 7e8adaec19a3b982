"""Which units could answer for the buildings of a region that nobody answers for."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import Invalid, TooLarge
from gridmap.geo.sharing import Places, shared_out
from gridmap.store.buildings import grids_of_buildings
from gridmap.store.paging import Key, Slice
from gridmap.store.sponsors import (
    Load,
    Sponsor,
    loads_of_sponsors,
    page_of_sponsors,
    sponsors_of_grids,
)

MOST_BUILDINGS = 100_000
MOST_UNCOVERED = 1_000
MOST_SPONSORS = 1_000
_MOST_EVENNESS = 1e6


class Proposal(NamedTuple):
    """`metres`: to the unit's nearest building, planned ones included; None where it has none."""

    building: Key
    sponsor: Sponsor
    metres: float | None


class PlannedLoad(NamedTuple):
    """What a unit answers for, everywhere, and what it would."""

    sponsor: Sponsor
    before: Load
    after: Load


class SponsorshipPlan(NamedTuple):
    """`proposals`: in the order in which they were found. `loads`: of all units, by code."""

    proposals: list[Proposal]
    loads: list[PlannedLoad]


class _Row(NamedTuple):
    code: str
    district_code: str
    community_code: str
    compound: str
    households: int
    longitude: float
    latitude: float
    sponsor_code: str | None
    is_planned: bool


class Case(NamedTuple):
    """What there is to be shared out: `around` are the sponsors of the grids of `uncovered`."""

    uncovered: list[_Row]
    around: list[str | None]
    covered: list[_Row]
    sponsors: list[Sponsor]
    loads: list[Load]


async def case_of(connection: AsyncConnection, regions: Sequence[str], on: datetime.date) -> Case:
    """The buildings of the regions (see `regions_below`) that have no sponsor on the day, and none
    planned for later; and the units that belong to the regions or answer for something there.

    Raises TooLarge for more than MOST_BUILDINGS, MOST_UNCOVERED or MOST_SPONSORS.
    """
    values = {"regions": list(regions), "on": on, "most": MOST_BUILDINGS + 1}
    rows = [_Row(*row) for row in await connection.execute(_BUILDINGS, values)]
    uncovered = [row for row in rows if row.sponsor_code is None and not row.is_planned]
    sponsors = await page_of_sponsors(connection, regions, on, Slice(MOST_SPONSORS + 1))
    for found, most, what in (
        (rows, MOST_BUILDINGS, "buildings"),
        (uncovered, MOST_UNCOVERED, "buildings without a sponsor"),
        (sponsors, MOST_SPONSORS, "sponsors"),
    ):
        if len(found) > most:
            raise TooLarge(
                f"The region has more than {most} {what}; ask for the parts of it by themselves."
            )
    loads = await loads_of_sponsors(connection, [sponsor.code for sponsor in sponsors], on)
    around = await _sponsors_around(connection, uncovered, on)
    return Case(uncovered, around, [row for row in rows if row.sponsor_code], sponsors, loads)


def planned(case: Case, evenness: float) -> SponsorshipPlan:
    """A unit for each building; none where there is no unit. `evenness`: see `shared_out`.

    Raises Invalid for an evenness below 1. Takes seconds where there is most.
    """
    if not 1 <= evenness <= _MOST_EVENNESS:
        raise Invalid(f"evenness is {evenness}; it goes from 1 to {_MOST_EVENNESS:g}.")
    uncovered, sponsors = case.uncovered, case.sponsors
    place = {sponsor.code: i for i, sponsor in enumerate(sponsors)}
    # Who was read first may be gone from what was read then.
    covered = [row for row in case.covered if row.sponsor_code in place]
    shares = shared_out(
        _places(uncovered),
        np.array([place.get(code or "", -1) for code in case.around], np.int64),
        _places(covered),
        np.array([place[row.sponsor_code or ""] for row in covered], np.int64),
        np.array([load.buildings for load in case.loads], np.int64),
        evenness,
    )
    proposals, after = [], list(case.loads)
    for i in np.argsort(shares.turn, kind="stable").tolist():
        unit, row, metres = int(shares.unit[i]), uncovered[i], float(shares.metres[i])
        if unit < 0:
            continue
        key, had = Key(row.code, row.district_code), after[unit]
        proposals.append(Proposal(key, sponsors[unit], None if math.isnan(metres) else metres))
        after[unit] = Load(had.buildings + 1, had.households + row.households)
    loads = [PlannedLoad(*each) for each in zip(sponsors, case.loads, after, strict=True)]
    return SponsorshipPlan(proposals, loads)


# Served by buildings_community_idx and sponsorships_building_idx.
_BUILDINGS = text(
    """
    SELECT
        building.code,
        building.district_code,
        building.community_code,
        COALESCE(building.compound, ''),
        building.households,
        ST_X(building.location),
        ST_Y(building.location),
        now.sponsor_code,
        EXISTS (
            SELECT
            FROM sponsorships AS later
            WHERE later.district_code = building.district_code
              AND later.building_code = building.code
              AND later.valid_from > :on
        )
    FROM buildings AS building
    LEFT JOIN sponsorships AS now
        ON now.district_code = building.district_code
        AND now.building_code = building.code
        AND now.valid_from <= :on
        AND (now.valid_to IS NULL OR now.valid_to > :on)
    WHERE building.community_code = ANY(CAST(:regions AS text[]))
    LIMIT :most
    """
)


async def _sponsors_around(
    connection: AsyncConnection, rows: Sequence[_Row], on: datetime.date
) -> list[str | None]:
    """Who answers for the grid that each building stands in."""
    keys = [Key(row.code, row.district_code) for row in rows]
    grids = await grids_of_buildings(connection, keys, on)
    wanted = sorted({grid.key for grid in grids if grid})
    found = dict(zip(wanted, await sponsors_of_grids(connection, wanted, on), strict=True))
    sponsors = [found[grid.key] if grid else None for grid in grids]
    return [sponsor.code if sponsor else None for sponsor in sponsors]


def _places(rows: Sequence[_Row]) -> Places:
    return Places(
        # With the district, for two may share a code.
        np.array([Key(row.code, row.district_code).rank for row in rows], np.str_),
        np.array([(row.longitude, row.latitude) for row in rows], np.float64).reshape(-1, 2),
        np.array([row.community_code for row in rows], np.str_),
        np.array([row.compound for row in rows], np.str_),
    )
