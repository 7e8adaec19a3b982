"""Coverage of today from memory: what `store/coverage` asks the database, asked of a snapshot.

Buildings and grids are their numbers in the snapshot. Everything here is numpy on arrays by number;
what a snapshot does not hold (workers, managements, visits, member cards) the database tells. The
first question to a snapshot may take a second for a million buildings: ask in a thread.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from heapq import nsmallest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridmap.store.grids import Grid
from gridmap.store.paging import Key, Slice
from gridmap.store.snapshot import COMMUNITIES, Snapshot

Numbers = NDArray[np.int64]


def regions_below(memory: Snapshot, regions: Sequence[str]) -> list[list[str]]:
    """For each region its code and those of all below it; none when there is no such region."""
    children: defaultdict[str | None, list[str]] = defaultdict(list)
    for row in memory.regions.at.tolist():
        if row is not None:
            children[row.parent_code].append(row.code)

    def below(region: str) -> list[str]:
        found = [region] if memory.regions.get(region) is not None else []
        for code in found:  # which grows meanwhile
            found += children[code]
        return found

    return [below(region) for region in regions]


def buildings_in_regions(memory: Snapshot, regions: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each building lies in one of the regions, by its number."""
    communities = memory.buildings.communities
    is_asked = np.zeros(int(communities.max(initial=0)) + 1, dtype=np.bool_)
    numbers = [COMMUNITIES.get(region, 0) for region in regions]
    is_asked[[number for number in numbers if 0 < number < len(is_asked)]] = True
    return is_asked[communities]


def buildings_outside(memory: Snapshot, regions: Sequence[str]) -> Numbers:
    """The buildings of the regions that no grid covers."""
    return np.flatnonzero(buildings_in_regions(memory, regions) & (memory.homes < 0))


def buildings_unsponsored(memory: Snapshot, regions: Sequence[str]) -> Numbers:
    """The buildings of the regions that have no sponsor of their own."""
    return np.flatnonzero(buildings_in_regions(memory, regions) & (memory.answering < 0))


def page_of_buildings(memory: Snapshot, buildings: Numbers, cut: Slice) -> list[Key]:
    """A page of some buildings, by code. They need not be sorted for it."""
    after = cut.after.rank if cut.after is not None else ""
    ranks = memory.buildings.rows.at[buildings].tolist()
    return [
        Key(*rank.split("\0")) for rank in nsmallest(cut.limit, (r for r in ranks if r > after))
    ]


def buildings_by_community(memory: Snapshot, buildings: Numbers) -> dict[str, int]:
    """How many of some buildings are in each community; those that have none are left out."""
    counts = np.bincount(memory.buildings.communities[buildings])
    # Others may come to be known meanwhile.
    known = list(COMMUNITIES.items())
    return {
        code: int(counts[number])
        for code, number in known
        if number < len(counts) and counts[number]
    }


def grids_in_regions(memory: Snapshot, regions: Sequence[str]) -> list[tuple[int, Grid]]:
    """The grids of the regions with their numbers, by code."""
    asked = set(regions)
    found = [
        (number, Grid._make(row))
        for number, row in enumerate(memory.grids.rows.at.tolist())
        if row is not None and row[2] in asked
    ]
    return sorted(found, key=lambda each: each[1].key)


def outlined_grids(
    memory: Snapshot, regions: Sequence[str]
) -> tuple[list[list[Grid]], list[list[Any]]]:
    """The grids of each region and of all below it, by code, and the shapely outline of each."""
    outlines = memory.grids.index.polygons
    found = [grids_in_regions(memory, some) for some in regions_below(memory, regions)]
    return (
        [[grid for _, grid in grids] for grids in found],
        [[outlines[number] for number, _ in grids] for grids in found],
    )


def grids_unsponsored(memory: Snapshot, regions: Sequence[str]) -> list[Grid]:
    """The grids of the regions that have no sponsor, nor has any building in them; by code."""
    homes = memory.homes
    is_home = np.zeros(len(memory.grids.rows.at), dtype=np.bool_)
    is_home[homes[(homes >= 0) & (memory.answering >= 0)]] = True
    return [
        grid
        for number, grid in grids_in_regions(memory, regions)
        if not is_home[number] and not memory.is_grid_sponsored(grid.key)
    ]


def households_of_grids(memory: Snapshot, regions: Sequence[str]) -> list[tuple[Grid, int]]:
    """The grids of the regions with the households that live in each; by code."""
    is_in = memory.homes >= 0
    households = np.bincount(
        memory.homes[is_in],
        weights=memory.buildings.households[is_in],  # sums of float64 are exact up to 2^53
        minlength=len(memory.grids.rows.at),
    )
    return [(grid, int(households[number])) for number, grid in grids_in_regions(memory, regions)]


def loads_of_sponsors(memory: Snapshot, regions: Sequence[str]) -> list[tuple[str, int, int, int]]:
    """For each level: how many sponsors answer for buildings of the regions, for how many
    buildings, and for how many households.
    """
    is_asked = buildings_in_regions(memory, regions) & (memory.answering >= 0)
    sponsors = memory.answering[is_asked]
    buildings = np.bincount(sponsors)
    households = np.bincount(sponsors, weights=memory.buildings.households[is_asked])
    found: dict[str, tuple[int, int, int]] = {}
    for number in np.flatnonzero(buildings).tolist():
        level = memory.sponsors.at[number].level
        one, some, many = found.get(level, (0, 0, 0))
        found[level] = (one + 1, some + int(buildings[number]), many + int(households[number]))
    return [(level, *load) for level, load in found.items()]
