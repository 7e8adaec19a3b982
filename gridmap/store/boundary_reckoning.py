"""What becomes of grids and of all that stands in them, if they have other outlines.

Nothing is read or written here: from the same case comes the same content.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from gridmap.errors import Invalid
from gridmap.geo.areas import areas_m2
from gridmap.geo.coverage import Pieces, coverage
from gridmap.geo.snapping import CrossesItself, Snapped, snapped
from gridmap.store.boundary_cases import Case, OpenReport, Outlined, Wanted
from gridmap.store.boundary_contents import (
    Content,
    EndingAssignment,
    EndingSponsorship,
    Flow,
    GridLoad,
    MovedBuilding,
    MovedReport,
    MovedSponsorship,
    Piece,
    PlannedGrid,
    Snap,
    Under,
    Warned,
    WarningCode,
)
from gridmap.store.grids import Grid
from gridmap.store.paging import Key
from gridmap.store.snapshot import Snapshot, of_grids
from gridmap.store.submissions import grid_now

Geometries = NDArray[np.object_]


def content_of(case: Case) -> Content:
    """What a case comes to. Raises Invalid where an outline cannot be snapped."""
    return _Reckoning(case).content()


# What is less than this comes of rounding: of a border of a kilometre, a micrometre's width.
_NOTHING_M2 = 1e-3
# Less than a person would see on a map.
_SLIVER_M2 = 1.0
# Of each kind of obstacle.
_MOST_NAMED = 5


class _Reckoning:
    """One case on its way to its content."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.before = case.before
        self.snapped = _snapped(case)
        self.beside = _beside(case, self.snapped.polygons)
        self.after = [
            Outlined(
                Grid(
                    each.district_code,
                    each.code,
                    each.community_code,
                    each.name,
                    case.draft.start,
                    each.before.grid.valid_to if each.before else None,
                ),
                outline,
            )
            for each, outline in zip(case.wanted, self.snapped.polygons, strict=True)
        ]
        self.then = _tiling([*self.before, *case.around])
        self.now = _tiling([*self.after, *case.around])

    def content(self) -> Content:
        case = self.case
        gaps, taken, overlaps = self._ground()
        buildings, sponsorships = self._buildings()
        reports = self._reports()
        grids = self._grids()
        return Content(
            district_code=case.district_code,
            under=[_under(each) for each in sorted([*self.before, *self.beside], key=_key)],
            grids=grids,
            snaps=self._snaps(),
            gaps=gaps,
            taken=taken,
            overlaps=overlaps,
            flows=self._flows(gaps, taken),
            buildings=buildings,
            reports=reports,
            sponsorships=sponsorships,
            ending_sponsorships=self._ending_sponsorships(),
            ending_assignments=self._ending_assignments(),
            warnings=list(self._warnings(grids, gaps, taken, buildings)),
            obstacles=list(self._obstacles(gaps, taken, overlaps)),
        )

    def _ground(self) -> tuple[list[Piece], list[Piece], list[Piece]]:
        """Gaps, ground that is taken in, and overlaps: all that is wider than rounding."""
        touched = shapely.union_all(_outlines([*self.before, *self.after]))
        beside = _outlines(self.beside)
        after = coverage(touched, np.append(_outlines(self.after), beside), 0.0)
        names = [each.grid.code for each in (*self.after, *self.beside)]
        gaps = _pieces(after.gaps, names)
        overlaps = _pieces(after.overlaps, names, own=len(self.after))
        if self.before:
            before = coverage(touched, np.append(_outlines(self.before), beside), 0.0)
            taken = _pieces(before.gaps, [])
            overlaps = [_marked(piece, before.overlaps.polygons) for piece in overlaps]
        else:
            covered = shapely.union_all(beside)
            rest = shapely.get_parts(shapely.difference(touched, covered))
            taken = [_piece(part) for part in rest.tolist()]
        return gaps, [piece for piece in taken if piece.area_m2 > _NOTHING_M2], overlaps

    def _flows(self, gaps: Sequence[Piece], taken: Sequence[Piece]) -> list[Flow]:
        """Ground that goes from one to another, the most first."""
        flows: Counter[tuple[str | None, str | None]] = Counter()
        old = _outlines([*self.before, *self.beside])
        new = _outlines([*self.after, *self.beside])
        if len(old) and len(new):
            one, other = shapely.STRtree(old).query(new, predicate="intersects")[::-1]
            names = (
                [each.grid.code for each in (*self.before, *self.beside)],
                [each.grid.code for each in (*self.after, *self.beside)],
            )
            differ = np.array(
                [names[0][i] != names[1][j] for i, j in zip(one, other, strict=True)], dtype=bool
            )
            # What stays beside has not moved, though it may overlap from of old.
            differ &= (one < len(self.before)) | (other < len(self.after))
            one, other = one[differ], other[differ]
            shared = shapely.intersection(old[one], new[other])
            areas = areas_m2([_with_area(shape) for shape in shared])
            for i, j, area in zip(one.tolist(), other.tolist(), areas.tolist(), strict=True):
                if area > _NOTHING_M2:
                    flows[names[0][i], names[1][j]] += area
        for before, pieces in ((True, gaps), (False, taken)):
            self._flow_of_pieces(flows, pieces, before)
        found = [Flow(*pair, area) for pair, area in flows.items()]
        return sorted(found, key=lambda each: (-each.area_m2, each.before or "", each.after or ""))

    def _flow_of_pieces(
        self,
        flows: Counter[tuple[str | None, str | None]],
        pieces: Sequence[Piece],
        is_given: bool,
    ) -> None:
        """Ground that no grid has afterwards, or had before."""
        if not pieces:
            return
        shapes = shapely.from_wkb([bytes.fromhex(piece.outline) for piece in pieces])
        owners = self.before if is_given else self.after
        piece, owner = shapely.STRtree(_outlines(owners)).query(shapes, predicate="intersects")
        shared = shapely.intersection(shapes[piece], _outlines(owners)[owner])
        areas = areas_m2([_with_area(shape) for shape in shared])
        for i, area in zip(owner.tolist(), areas.tolist(), strict=True):
            if area > _NOTHING_M2:
                code = owners[i].grid.code
                flows[(code, None) if is_given else (None, code)] += area

    def _buildings(self) -> tuple[list[MovedBuilding], list[MovedSponsorship]]:
        buildings, sponsorships = [], []
        for each, before, after in self._homes():
            if before == after:
                continue
            name = each.district_code, each.code
            buildings.append(MovedBuilding(*name, before, after, each.households))
            if each.sponsorship_id is not None:
                sponsorships.append(
                    MovedSponsorship(each.district_code, each.sponsorship_id, before, after)
                )
        return buildings, sponsorships

    def _homes(self) -> Iterable[tuple[Any, str | None, str | None]]:
        """Each building, with the codes of its grids before and after."""
        points = np.array(
            [(each.longitude, each.latitude) for each in self.case.buildings], dtype=np.float64
        ).reshape(-1, 2)
        codes = [
            [
                tiling.grid_at(place).code if place >= 0 else None
                for place in tiling.grids.index.locate_many(points).tolist()
            ]
            for tiling in (self.then, self.now)
        ]
        return zip(self.case.buildings, *codes, strict=True)

    def _reports(self) -> list[MovedReport]:
        reports = self.case.reports
        points = np.array(
            [(each.longitude, each.latitude) for each in reports], dtype=np.float64
        ).reshape(-1, 2)
        accuracies = [each.accuracy for each in reports]
        gone = {each.grid.key for each in self.before}
        came = {each.grid.key: each.grid for each in self.after}
        moved = []
        for report, then, now in zip(
            reports,
            self.then.locate_many(points, accuracies),
            self.now.locate_many(points, accuracies),
            strict=True,
        ):
            captured = report.grid_code, report.captured_on
            current = _current(report)
            key = Key(report.grid_code or "", report.district_code)
            later = came.get(key) or (None if key in gone else current)
            before, after = grid_now(captured, then, current), grid_now(captured, now, later)
            names = before.code if before else None, after.code if after else None
            if names[0] != names[1]:
                moved.append(MovedReport(report.district_code, str(report.id), *names))
        return moved

    def _grids(self) -> list[PlannedGrid]:
        loads = self._loads()
        before = {each.grid.key: each for each in self.before}
        pairs: list[tuple[Outlined | None, Outlined | None]] = [
            *((before.get(each.grid.key), each) for each in self.after),
            *((each, None) for each in self.case.ending),
        ]
        before_m2, after_m2 = (_areas([pair[i] for pair in pairs]) for i in (0, 1))
        grids = [
            _planned(*pair, areas, loads)
            for pair, *areas in zip(pairs, before_m2, after_m2, strict=True)
        ]
        return sorted(grids, key=lambda grid: grid.code)

    def _loads(self) -> tuple[dict[str | None, GridLoad], dict[str | None, GridLoad]]:
        """What stands in each grid and how many walk it, before and after."""
        buildings: tuple[Counter[str | None], ...] = (Counter(), Counter())
        households: tuple[Counter[str | None], ...] = (Counter(), Counter())
        for each, *homes in self._homes():
            for i, code in enumerate(homes):
                buildings[i][code] += 1
                households[i][code] += each.households
        start, ends = self.case.draft.start, set(self.case.draft.ends)
        workers: Counter[str | None] = Counter(
            each.grid_code for each in self.case.assignments if each.valid_from <= start
        )
        codes: set[str | None] = {each.grid.code for each in (*self.before, *self.after)}
        before, after = (
            {
                code: GridLoad(
                    buildings[i][code],
                    households[i][code],
                    0 if i and code in ends else workers[code],
                )
                for code in codes
            }
            for i in (0, 1)
        )
        return before, after

    def _snaps(self) -> list[Snap]:
        found = self.snapped
        return [
            Snap(self.case.wanted[i].code, *before, *after, metres)  # type: ignore[call-arg]
            for i, before, after, metres in zip(
                found.polygon.tolist(),
                found.before.tolist(),
                found.after.tolist(),
                found.metres.tolist(),
                strict=True,
            )
        ]

    def _ending_sponsorships(self) -> list[EndingSponsorship]:
        ends = set(self.case.draft.ends)
        return [
            EndingSponsorship(*each[:3], each.valid_from.isoformat())
            for each in self.case.sponsorships
            if each.grid_code in ends
        ]

    def _ending_assignments(self) -> list[EndingAssignment]:
        ends = set(self.case.draft.ends)
        return [
            EndingAssignment(*each[:3], each.valid_from.isoformat())
            for each in self.case.assignments
            if each.grid_code in ends
        ]

    def _obstacles(
        self, gaps: Sequence[Piece], taken: Sequence[Piece], overlaps: Sequence[Piece]
    ) -> Iterable[str]:
        if not self.case.ending and all(map(_is_as_before, self.case.wanted, self.after)):
            yield "Nothing would change: each grid has this outline and this name already."
        new = [piece for piece in overlaps if piece.is_new]
        for piece in new[:_MOST_NAMED]:
            yield f"Grids {' and '.join(piece.grids)} would overlap by {_told(piece)}."
        yield from _more(new, "overlaps")
        if self.case.draft.may_move_ground:
            return
        for piece in gaps[:_MOST_NAMED]:
            yield f"No grid would cover {_told(piece)}, beside {', '.join(piece.grids) or 'none'}."
        yield from _more(gaps, "gaps")
        for piece in taken[:_MOST_NAMED]:
            yield f"{_told(piece)} would be taken in, which no grid has covered.".capitalize()
        yield from _more(taken, "pieces of ground")

    def _warnings(
        self,
        grids: Sequence[PlannedGrid],
        gaps: Sequence[Piece],
        taken: Sequence[Piece],
        buildings: Sequence[MovedBuilding],
    ) -> Iterable[Warned]:
        case = self.case
        if case.draft.may_move_ground:
            for pieces, code, what in (
                (gaps, WarningCode.GROUND_GIVEN_UP, "given up"),
                (taken, WarningCode.GROUND_TAKEN_IN, "taken in"),
            ):
                if pieces:
                    area = sum(piece.area_m2 for piece in pieces)
                    words = f"{_square_metres(area)} of ground are {what}."
                    yield Warned(code, words, area_m2=area)
        if lost := [each for each in buildings if each.after is None]:
            one = lost[0].code
            yield Warned(
                WarningCode.BUILDINGS_IN_NO_GRID,
                f"{_count(len(lost), 'building')} will stand in no grid, as {one}.",
                buildings=len(lost),
                building=one,
            )
        for each in case.wanted:
            if each.was_before:
                yield Warned(
                    WarningCode.GRID_WAS_BEFORE,
                    f"There was a grid {each.code} before; its reports will be counted with it.",
                    grid=each.code,
                )
        for grid in grids:
            if grid.kind == "NEW" and grid.load_after.workers == 0:
                yield Warned(
                    WarningCode.NOBODY_WALKS_GRID,
                    f"Nobody walks the new grid {grid.code}; assign somebody.",
                    grid=grid.code,
                )
        yield from self._left_without_grid()
        for sponsored in case.sponsorships:
            if sponsored.grid_code in case.draft.ends:
                yield Warned(
                    WarningCode.SPONSOR_ENDS,
                    f"Sponsor {sponsored.sponsor_code} no longer answers for grid "
                    f"{sponsored.grid_code}, which ends.",
                    sponsor=sponsored.sponsor_code,
                    grid=sponsored.grid_code,
                )
        yield from self._foreign_buildings(buildings)
        yield from self._beyond_communities()

    def _left_without_grid(self) -> Iterable[Warned]:
        """Workers who walk a grid that ends and no other."""
        told = set()
        for walk in self.case.assignments:
            if walk.grid_code not in self.case.draft.ends or walk.walks_others:
                continue
            if walk.worker_code not in told:
                yield Warned(
                    WarningCode.WORKER_WITHOUT_GRID,
                    f"Worker {walk.worker_code} ({walk.worker_name}) walks no grid when "
                    f"{walk.grid_code} has ended.",
                    worker=walk.worker_code,
                    worker_name=walk.worker_name,
                    grid=walk.grid_code,
                )
            told.add(walk.worker_code)

    def _beyond_communities(self) -> Iterable[Warned]:
        """Grids that reach farther beyond the outline of their community than before."""
        for each, after in zip(self.case.wanted, self.after, strict=True):
            around = each.community_outline
            if around is None:
                continue
            old = each.before.outline if each.before else None
            beyond = [
                float(areas_m2([_with_area(shapely.difference(outline, around))])[0])
                for outline in (after.outline, old)
                if outline is not None
            ]
            if beyond[0] > sum(beyond[1:]) + _SLIVER_M2:
                yield Warned(
                    WarningCode.BEYOND_COMMUNITY,
                    f"Grid {each.code} will reach {_square_metres(beyond[0])} beyond the outline "
                    f"of community {each.community_code}.",
                    grid=each.code,
                    community=each.community_code,
                    area_m2=beyond[0],
                )

    def _foreign_buildings(self, buildings: Sequence[MovedBuilding]) -> Iterable[Warned]:
        """Buildings that come into a grid of another community than their own."""
        community = {each.grid.code: each.grid.community_code for each in self.after}
        own = {(each.district_code, each.code): each.community_code for each in self.case.buildings}
        pairs = Counter(
            (own[each.district_code, each.code], each.after)
            for each in buildings
            if each.after in community
            and community[each.after] != own[each.district_code, each.code]
        )
        for (home, grid), count in sorted(pairs.items(), key=str):
            yield Warned(
                WarningCode.BUILDINGS_OF_ANOTHER_COMMUNITY,
                f"{_count(count, 'building')} of community {home} come into grid {grid}.",
                buildings=count,
                community=home,
                grid=grid,
            )


def _snapped(case: Case) -> Snapped:
    wanted = np.array([each.outline for each in case.wanted], dtype=np.object_)
    # The rim of what the grids have now: beyond it nobody may be who has a border there.
    rim = shapely.boundary(shapely.union_all(_outlines(case.before)))
    near = _beside(case, wanted)
    fixed = np.append(_outlines(near), [rim] if not rim.is_empty else [])
    try:
        return snapped(wanted, fixed, case.draft.tolerance_metres)
    except CrossesItself as error:
        raise Invalid(
            f"The outline of grid {case.wanted[error.polygon].code}, {error.message}. Give a "
            "smaller tolerance, or correct it there.",
            reason="CROSSES_WHEN_SNAPPED",
            grid=case.wanted[error.polygon].code,
            metres=case.draft.tolerance_metres,
        ) from error


def _beside(case: Case, outlines: Geometries) -> list[Outlined]:
    """The grids that stay as they are and lie beside those that change, or over them."""
    touched = np.append(outlines, _outlines(case.before))
    reach = _BESIDE_DEGREES + 2 * case.draft.tolerance_metres / _LEAST_METRES_PER_DEGREE
    found = shapely.STRtree(_outlines(case.around)).query(
        touched, predicate="dwithin", distance=reach
    )[1]
    return [case.around[i] for i in np.unique(found).tolist()]


_BESIDE_DEGREES = 1e-7
# Of longitude in the north of China.
_LEAST_METRES_PER_DEGREE = 60_000.0


def _outlines(grids: Sequence[Outlined]) -> Geometries:
    outlines = np.empty(len(grids), dtype=np.object_)
    outlines[:] = [each.outline for each in grids]
    return outlines


def _tiling(grids: Sequence[Outlined]) -> Snapshot:
    return of_grids([each.grid for each in grids], _outlines(grids))


def _key(each: Outlined) -> Key:
    return each.grid.key


def _is_as_before(wanted: Wanted, after: Outlined) -> bool:
    """Whether a grid is to be what it is."""
    before = wanted.before
    return (
        before is not None
        and before.grid.name == after.grid.name
        and before.grid.community_code == after.grid.community_code
        and bool(shapely.equals(before.outline, after.outline))
    )


def _under(each: Outlined) -> Under:
    grid = each.grid
    return Under(
        grid.district_code,
        grid.code,
        grid.valid_from.isoformat(),
        grid.valid_to.isoformat() if grid.valid_to else None,
        blake2b(shapely.to_wkb(each.outline), digest_size=8).hexdigest(),
    )


def _current(report: OpenReport) -> Grid | None:
    if report.grid_code is None or report.current_from is None:
        return None
    return Grid(report.district_code, report.grid_code, "", "", report.current_from, None)


def _areas(grids: Sequence[Outlined | None]) -> list[float]:
    """Square metres of each, 0 where there is none."""
    outlines = np.empty(len(grids), dtype=np.object_)
    outlines[:] = [each.outline if each else None for each in grids]
    areas: list[float] = areas_m2(outlines).tolist()
    return areas


def _planned(
    old: Outlined | None,
    new: Outlined | None,
    areas: Sequence[float],
    loads: tuple[dict[str | None, GridLoad], dict[str | None, GridLoad]],
) -> PlannedGrid:
    """What becomes of a grid: as it is and as it is to be, and both areas."""
    either = new or old
    assert either is not None
    code = either.grid.code
    before, after = (shapely.to_wkb(each.outline).hex() if each else None for each in (old, new))
    return PlannedGrid(
        code,
        either.grid.name,
        either.grid.community_code,
        "NEW" if old is None else "ENDS" if new is None else "CHANGED",
        old.grid.valid_from.isoformat() if old else None,
        before,
        after,
        areas[0],
        areas[1],
        loads[0][code],
        loads[1][code],
    )


def _pieces(pieces: Pieces, names: Sequence[str], own: int | None = None) -> list[Piece]:
    """Those that are more than rounding; of overlaps, those of one of the first `own` grids."""
    return [
        Piece(outline.hex(), area, [names[i] for i in grids] if names else [])
        for outline, area, grids in zip(
            shapely.to_wkb(pieces.polygons).tolist(),
            pieces.areas_m2.tolist(),
            pieces.grids,
            strict=True,
        )
        if area > _NOTHING_M2 and (own is None or min(grids) < own)
    ]


def _piece(polygon: Any) -> Piece:
    return Piece(shapely.to_wkb(polygon).hex(), float(areas_m2([polygon])[0]), [])


def _marked(piece: Piece, before: Geometries) -> Piece:
    """The overlap, with whether more of it is new than rounding makes."""
    shape = shapely.from_wkb(bytes.fromhex(piece.outline))
    rest = _with_area(shapely.difference(shape, shapely.union_all(before)))
    return piece._replace(is_new=bool(areas_m2([rest])[0] > _NOTHING_M2))


def _with_area(shape: Any) -> Any:
    """What of a shape has area, as a MultiPolygon."""
    parts = shapely.get_parts(shape)
    return shapely.multipolygons(parts[shapely.get_dimensions(parts) == 2])


def _told(piece: Piece) -> str:
    point = shapely.point_on_surface(shapely.from_wkb(bytes.fromhex(piece.outline)))
    return f"{_square_metres(piece.area_m2)} at longitude {point.x:.6f}, latitude {point.y:.6f}"


def _square_metres(area: float) -> str:
    return f"{area:,.0f} m²" if area >= 100 else f"{area:.3g} m²"


def _more(pieces: Sequence[Piece], what: str) -> Iterable[str]:
    if len(pieces) > _MOST_NAMED:
        yield f"There are {len(pieces) - _MOST_NAMED} more {what}."


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
