"""The demo: three districts of Hegang as the files a city would hand in, made up and labelled so.

Region names and codes are those of the National Bureau of Statistics (list as of 2023-06-30).
Grids, buildings, units and people are invented, because no public file has them. They are written
as files, not into the database, so that the demo comes in by the same import as everyone's data.
Visits have a file of the weeks before a moment. Reports have none: `reports` says what people did,
and it is done as people would do it.
"""

from __future__ import annotations

import csv
import datetime
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

from gridmap.demo.people import report_rules, sponsors, sponsorships, workers
from gridmap.demo.streets import Ring, outline
from gridmap.demo.territory import all_buildings, all_grids
from gridmap.demo.visits import member_cards, visits

DEMO_DATUM = "WGS84"
"""The datum of every position in the files; to be said to the import, which assumes none."""

DEMO_FILES: tuple[tuple[str, str], ...] = (
    ("regions", "regions.geojson"),
    ("grids", "grids.geojson"),
    ("buildings", "buildings.geojson"),
    ("sponsors", "sponsors.csv"),
    ("sponsorships", "sponsorships.csv"),
    ("workers", "workers.csv"),
    ("member-cards", "member_cards.csv"),
    ("report-rules", "report_rules.csv"),
)
"""Noun and file name, in the order to import them: each refers only to what came before."""


def write_demo(folder: Path) -> None:
    """Write `DEMO_FILES` into `folder`, which is made if missing, over files of those names.

    The bytes are the same on every run and machine. GeoJSON is WGS 84, longitude first, rounded
    to 8 decimals, with `"synthetic": true` beside its features; regions of which the demo has no
    grids have no geometry. CSV is UTF-8 with a byte order mark, as spreadsheets want it; an empty
    cell is no value. Raises `OSError` where the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "regions": _collection("regions", _region_features()),
        "grids": _collection("grids", _grid_features()),
        "buildings": _collection("buildings", _building_features()),
        "sponsors": _table(asdict(sponsor) for sponsor in sponsors()),
        "sponsorships": _table(asdict(sponsorship) for sponsorship in sponsorships()),
        "workers": _table({**asdict(worker), "valid_to": None} for worker in workers()),
        "member-cards": _table(asdict(card) for card in member_cards()),
        "report-rules": _table(asdict(rule) for rule in report_rules()),
    }
    for noun, name in DEMO_FILES:
        (folder / name).write_bytes(content[noun])


def write_visits(path: Path, at: datetime.datetime) -> None:
    """Write the visits of the weeks before a moment, as a CSV like those of `write_demo`."""
    path.write_bytes(_table(asdict(visit) for visit in visits(at)))


def _region_features() -> Iterable[str]:
    rings: defaultdict[str, list[Ring]] = defaultdict(list)
    for grid in all_grids():
        for digits in (6, 9, 12):
            rings[grid.code[:digits]].append(grid.ring)
    for region in _regions():
        code = region["code"]
        yield _feature(
            _polygon(outline(rings[code])) if code in rings else None,
            code=code,
            name=region["name"],
            level=region["level"],
            parent=code[: _DIGITS_OF_PARENT[region["level"]]] or None,
        )


def _grid_features() -> Iterable[str]:
    names = {region["code"]: region["name"] for region in _regions()}
    for grid in all_grids():
        yield _feature(
            _polygon(grid.ring),
            code=grid.code,
            name=f"{names[grid.community]}第{grid.number}网格",
            community=grid.community,
            valid_from="2024-01-01",
        )


def _building_features() -> Iterable[str]:
    for building in all_buildings():
        yield _feature(
            {"type": "Point", "coordinates": building.location},
            code=building.code,
            name=building.name,
            households=building.households,
            management_mode=building.mode,
            management_from=building.managed_from,
            compound=building.compound,
            footprint=_well_known_text(building.footprint),
        )


def _regions() -> list[dict[str, str]]:
    text = (files("gridmap.demo") / "codes.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _closed(ring: Ring) -> Ring:
    return (*ring, ring[0])


def _polygon(ring: Ring) -> dict[str, object]:
    return {"type": "Polygon", "coordinates": [_closed(ring)]}


def _well_known_text(ring: Ring) -> str:
    corners = ", ".join(f"{longitude!r} {latitude!r}" for longitude, latitude in _closed(ring))
    return f"POLYGON (({corners}))"


def _feature(geometry: Mapping[str, object] | None, **properties: object) -> str:
    return json.dumps(
        {"type": "Feature", "properties": properties, "geometry": geometry}, ensure_ascii=False
    )


def _collection(noun: str, features: Iterable[str]) -> bytes:
    """One feature a line, so that a changed grid is a changed line."""
    head = {
        "type": "FeatureCollection",
        "name": f"synthetic_demo_{noun}",
        "description": "Synthetic demonstration data: no real boundary, building or person. "
        "Only the names and codes of regions are real.",
        "synthetic": True,
    }
    opening = json.dumps(head, ensure_ascii=False)[:-1]
    lines = ",\n".join(features)
    return f'{opening}, "features": [\n{lines}\n]}}\n'.encode()


def _table(rows: Iterable[Mapping[str, object]]) -> bytes:
    listed = list(rows)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(listed[0]))
    writer.writeheader()
    writer.writerows(listed)
    return text.getvalue().encode("utf-8-sig")


_DIGITS_OF_PARENT = {"PROVINCE": 0, "CITY": 2, "DISTRICT": 4, "STREET": 6, "COMMUNITY": 9}
