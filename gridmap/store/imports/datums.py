"""Whether a file lies beside what is kept as one datum lies beside another.

A datum is declared, never guessed; but a wrong declaration moves a whole file by hundreds of
metres, and nothing in the file alone shows it. What is kept does: a file whose outlines all lie off
by the same way, or whose buildings would all stand in grids of their own community if only the
datum were another, is refused until somebody says that it is meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridmap.errors import Invalid
from gridmap.geo.checks import metres_per_degree
from gridmap.geo.datums import Datum, from_wgs84, to_wgs84
from gridmap.geo.problems import Kind
from gridmap.store.imports.run import Run
from gridmap.store.imports.shapes import SAME_DEGREES
from gridmap.store.imports.staging import batches_of

Points = NDArray[np.float64]


def refuse_headings_of_another_datum(run: Run, *fields: str) -> None:
    """Raises Invalid where the heading of one of the fields names another datum than was said.

    Files may have the same position in two datums, side by side.
    """
    for field in fields:
        heading = run.columns.headings.get(field, "")
        for datum, named in _NAMED.items():
            is_alike = datum is run.datum or not (datum.is_shifted or run.datum.is_shifted)
            if not is_alike and named.search(heading) and not run.options.trust_positions:
                raise Invalid(
                    f"The column {heading} is in {datum} by its name, and --datum says "
                    f"{run.datum}. Import with --datum {datum}, name another column with "
                    f"--map {field}=…, or add --trust-positions if the name is wrong."
                )


def refuse_shifted_grids(run: Run) -> None:
    """Refuses the file if most of its outlines lie off those kept as one datum lies off another.

    Wants `judged` with its verdicts. Served by grids_pkey.
    """
    _refuse_shifted(
        run,
        "grids",
        """
        SELECT
            ST_XMin(staged.boundary), ST_YMin(staged.boundary),
            ST_XMax(staged.boundary), ST_YMax(staged.boundary),
            ST_XMin(kept.boundary), ST_YMin(kept.boundary),
            ST_XMax(kept.boundary), ST_YMax(kept.boundary),
            kept.source_datum, (SELECT count(*) FROM judged)
        FROM judged
        JOIN staged USING (file_row)
        JOIN grids AS kept
          ON kept.district_code = judged.district_code
         AND kept.code = judged.code
         AND kept.valid_from = judged.kept_from
        WHERE NOT judged.same_outline
        """,
    )


def refuse_buildings_elsewhere(run: Run) -> bool:
    """The same for buildings; also if another datum puts them into grids of their own community.

    Returns whether it refused the file. The second looks at buildings that are new or have moved,
    and whose community has grids. A first sample tells most files to be right; only of the others
    every row is looked at. Of fewer than `_FEWEST` buildings it only warns, and only if all are out
    of place and all would be right. Served by buildings_pkey, grids_community_idx and
    grids_boundary_idx.
    """
    return _refuse_shifted(
        run,
        "buildings",
        f"""
        SELECT
            ST_X(staged.location), ST_Y(staged.location),
            ST_X(staged.location), ST_Y(staged.location),
            ST_X(kept.location), ST_Y(kept.location),
            ST_X(kept.location), ST_Y(kept.location),
            kept.source_datum,
            (SELECT count(*) FROM staged JOIN buildings USING (district_code, code))
        FROM staged
        JOIN buildings AS kept USING (district_code, code)
        WHERE NOT {_SAME_PLACE}
        """,
    ) or _refuse_misplaced(run)


@dataclass(frozen=True, slots=True)
class Shift:
    """How `count` of a file's changed shapes lie off those kept: `east` and `north`, metres.

    `datum` is the one that would undo it, had the file been in it, or, if `is_of_kept`, what is
    kept; None where no datum does.
    """

    count: int
    east: float
    north: float
    datum: Datum | None
    is_of_kept: bool = False


def shift_between(
    given: Points, given_datums: Sequence[Datum], kept: Points, kept_datums: Sequence[Datum]
) -> Shift | None:
    """The shift that most of some changed shapes have in common; None where they have none.

    `given`, `kept`: float64 (n, 2, 2), two corners of each shape in the file and as kept, in WGS 84
    degrees, longitude then latitude. The datums: (n,), what either was said to be in before.
    """
    moves = _metres(given, kept)
    lengths = np.hypot(moves[..., 0], moves[..., 1])
    ways = [(datum, False) for datum in _DISTINCT] + [(datum, True) for datum in _DISTINCT]
    for datum, is_of_kept in ways:
        # What is left of each move, had the one or the other been in that datum.
        left = (
            _metres(given, _had_it_been(kept, kept_datums, datum))
            if is_of_kept
            else _metres(_had_it_been(given, given_datums, datum), kept)
        )
        explained = (lengths >= _LEAST_METRES) & (
            np.hypot(left[..., 0], left[..., 1]) <= _SHARE_LEFT * lengths
        )
        which = explained.all(axis=1)
        if len(given) and which.sum() >= len(given) / 2:
            east, north = np.median(moves[which], axis=(0, 1)).tolist()
            return Shift(int(which.sum()), east, north, datum, is_of_kept)
    if len(given) < _FEWEST:
        return None
    median = np.median(moves, axis=(0, 1))
    length = np.hypot(*median)
    others = moves - median
    stiff = (np.hypot(others[..., 0], others[..., 1]) <= _STIFFNESS * length).all(axis=1)
    if length < _LEAST_METRES or stiff.sum() < max(_FEWEST, _MOST * len(given)):
        return None
    east, north = median.tolist()
    return Shift(int(stiff.sum()), east, north, None)


# Surveys of one thing differ by metres. GCJ-02 lies a hundred to a thousand metres off WGS 84,
# Beijing 1954 and Xi'an 1980, which are not known here, some tens.
_LEAST_METRES = 20.0

# Assuming another datum must leave no more of a move than this, which allows for redrawn borders.
_SHARE_LEFT = 0.1

# What no known datum explains must be a stiff move of several things.
_STIFFNESS = 0.05
_FEWEST = 5

_MOST = 0.9
_SAMPLED = 1000

_SAME_PLACE = f"""(
    abs(ST_X(staged.location) - ST_X(kept.location)) <= {SAME_DEGREES}
    AND abs(ST_Y(staged.location) - ST_Y(kept.location)) <= {SAME_DEGREES}
)"""

_HOLDS = "grids.valid_from <= :day AND (grids.valid_to IS NULL OR grids.valid_to > :day)"

_NAMED = {
    Datum.WGS84: re.compile(r"wgs[-_ ]?84", re.IGNORECASE),
    Datum.CGCS2000: re.compile(r"cgcs[-_ ]?2000|[国大][家地]2000", re.IGNORECASE),
    Datum.GCJ02: re.compile(r"gcj[-_ ]?0?2|火星|高德|腾讯", re.IGNORECASE),
    Datum.BD09: re.compile(r"bd[-_ ]?0?9|百度", re.IGNORECASE),
}

# CGCS2000 is WGS 84 for this.
_DISTINCT = (Datum.WGS84, Datum.GCJ02, Datum.BD09)
_WINDS = (
    "north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west",
)  # fmt: skip


def _refuse_shifted(run: Run, what: str, statement: str) -> bool:
    """Whether it did. A few that moved are no sign of a wrong datum, for that moves all.

    `statement`: of what has moved, corners in the file, corners as kept, and the kept datum; and
    how many there are that are kept, moved or not.
    """
    if run.options.trust_positions:
        return False
    corners: list[tuple[float, ...]] = []
    kept_datums: list[Datum] = []
    known = 0
    for rows in batches_of(run.connection, statement):
        known = rows[0][9]
        corners.extend(tuple(row[:8]) for row in rows)
        kept_datums.extend(Datum(row[8]) for row in rows)
    given, kept = np.moveaxis(np.array(corners).reshape(-1, 2, 2, 2), 1, 0)
    shift = shift_between(given, [run.datum] * len(given), kept, kept_datums)
    if shift is None or shift.count < known / 2:
        return False
    wind = _WINDS[round(np.degrees(np.arctan2(shift.east, shift.north)) / 45) % 8]
    how_many = "all" if shift.count == len(given) else f"{shift.count} of the"
    message = (
        f"{how_many} {len(given)} moved {what} lie {np.hypot(shift.east, shift.north):,.0f} m "
        f"{wind} of where they are kept"
    )
    if shift.datum is None:
        message += ", all by the same way, as if the file were in another datum or projection"
        remedy = "Find out its datum, or import with --trust-positions if they have really moved."
    elif shift.is_of_kept:
        message += f"; what is kept came as {kept_datums[0]} and looks as if it had been "
        message += f"{shift.datum}"
        remedy = "If so, import with --trust-positions to put it right."
    else:
        message += f"; read as {shift.datum}, the file fits what is kept"
        remedy = (
            f"Import with --datum {shift.datum}, or with --trust-positions if they have really "
            "moved or what is kept is wrong."
        )
    run.refuse(0, None, Kind.WRONG_DATUM, message, remedy)
    return True


def _refuse_misplaced(run: Run) -> bool:
    declared = run.datum
    sample = None if run.options.trust_positions else next(_places(run, _SAMPLED), None)
    if sample is None or _at_home(run, sample, declared) >= _MOST * len(sample.communities):
        return False
    count = now = 0
    homes = {
        datum: 0
        for datum in _DISTINCT
        if datum is not declared and (datum.is_shifted or declared.is_shifted)
    }
    for places in _places(run):
        count += len(places.communities)
        now += _at_home(run, places, declared)
        for datum in homes:
            homes[datum] += _at_home(run, places, datum)
    best = max(homes, key=homes.__getitem__)
    gain = homes[best] - now
    if homes[best] < _MOST * count or gain < count / 4:
        return False
    if count < run.sql("SELECT count(*) FROM staged").scalar_one() / 2:
        return False  # the others are where they were, so that the file is in the right datum
    message = (
        f"read as {declared}, {now} of {count} new or moved buildings lie in a grid of their own "
        f"community; read as {best}, {homes[best]} would"
    )
    remedy = f"Import with --datum {best}, or with --trust-positions if {declared} is right."
    if gain >= _FEWEST:
        run.refuse(0, None, Kind.WRONG_DATUM, message, remedy)
        return True
    if now == 0 and homes[best] == count:
        run.warn(0, None, Kind.WRONG_DATUM, message, f"See whether --datum {best} is meant.")
    return False


def _had_it_been(points: Points, said: Sequence[Datum], datum: Datum) -> Points:
    """Where points (n, 2, 2) would lie, had their numbers been in `datum` and not what was said."""
    moved = points.copy()
    for before in set(said):
        rows = np.array([each is before for each in said])
        numbers = from_wgs84(points[rows].reshape(-1, 2), before)
        moved[rows] = to_wgs84(numbers, datum).reshape(-1, 2, 2)
    return moved


def _metres(points: Points, others: Points) -> Points:
    """How far east and north of the others each point lies."""
    scale = np.stack(metres_per_degree(others[..., 1]), axis=-1)
    metres: Points = (points - others) * scale
    return metres


@dataclass(frozen=True, slots=True)
class _Places:
    """Buildings by their community; `numbers`: float64 (n, 2), as in the file."""

    communities: list[str]
    numbers: Points


def _places(run: Run, sampled: int | None = None) -> Iterator[_Places]:
    """New and moved buildings whose community has grids: all, or a sample of them in one."""
    for rows in batches_of(
        run.connection,
        f"""
        SELECT staged.community_code, staged.source_longitude, staged.source_latitude
        FROM staged
        LEFT JOIN buildings AS kept USING (district_code, code)
        WHERE staged.location IS NOT NULL
          AND (kept.code IS NULL OR NOT {_SAME_PLACE})
          AND EXISTS (
              SELECT 1
              FROM grids
              WHERE grids.community_code = staged.community_code AND {_HOLDS}
          )
        {"" if sampled is None else f"ORDER BY hashint4(file_row) LIMIT {sampled}"}
        """,
        day=run.day,
    ):
        communities, *numbers = zip(*rows, strict=True)
        yield _Places(list(communities), np.column_stack(numbers))


def _at_home(run: Run, places: _Places, datum: Datum) -> int:
    """How many lie in a grid of their own community, if the file is in `datum`."""
    longitudes, latitudes = to_wgs84(places.numbers, datum).T.tolist()
    count: int = run.sql(
        f"""
        SELECT count(*)
        FROM unnest(
            CAST(:communities AS text[]),
            CAST(:longitudes AS float8[]),
            CAST(:latitudes AS float8[])
        ) AS place (community_code, longitude, latitude)
        WHERE EXISTS (
            SELECT 1
            FROM grids
            WHERE ST_Covers(boundary, ST_Point(longitude, latitude, 4326))
              AND grids.community_code = place.community_code
              AND {_HOLDS}
        )
        """,
        communities=places.communities,
        longitudes=longitudes,
        latitudes=latitudes,
        day=run.day,
    ).scalar_one()
    return count
