"""`gridmap locate` and `gridmap coverage`: what the API would answer, in a terminal."""

from __future__ import annotations

import datetime
from typing import Annotated, Any

import typer

from gridmap.api import terminal
from gridmap.api.cli_database import current_url, with_database
from gridmap.api.settings import Settings, settings_from_environment
from gridmap.api.terminal import print_coverage, print_location
from gridmap.errors import Invalid
from gridmap.geo.datums import Datum
from gridmap.schema.context import Context
from gridmap.schema.points import PointInput, wgs84_position
from gridmap.schema.root import schema
from gridmap.store.database import Database

DatumOption = Annotated[
    Datum, typer.Option(help="What the coordinates are measured against; never guessed.")
]
OnOption = Annotated[
    datetime.datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="As things stood on this day; today by default."),
]

LOCATE = """
query Locate($point: PointInput!, $on: Date) {
  locate(point: $point, on: $on) {
    outcome
    point { longitude latitude datum }
    grid { code name community { name } street { name } workers { name } }
    candidates { share distance grid { code } }
    distanceToBoundary
    building { code name }
    sponsor { code name }
  }
}
"""

_COVERAGE = """
query Coverage($region: String!, $on: Date) {
  coverage(region: $region, on: $on) {
    region { code name }
    on
    grade { score letter parts { name value } }
    gaps(first: 0) { totalCount }
    overlaps(first: 0) { totalCount }
    slivers { gaps overlaps }
    buildingsOutsideGrids(first: 0) { totalCount }
    buildingsWithoutSponsor(first: 0) { totalCount }
    buildingsWithoutManagement(first: 0) { totalCount }
    buildingsNotVisited(days: 30, first: 0) { totalCount }
    buildingsWithoutMemberCard(first: 0) { totalCount }
    gridsWithoutWorker(first: 0) { totalCount }
    gridsWithoutSponsor(first: 0) { totalCount }
    gridsOverNorm(first: 0) { totalCount }
  }
}
"""
_COMMUNITIES = """
query Communities($region: String!, $on: Date, $after: Cursor) {
  coverage(region: $region, on: $on) {
    regions(level: COMMUNITY, after: $after) {
      nodes { region { code name } grade { score letter parts { name value } } }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""


def locate(
    longitude: Annotated[float, typer.Argument(help="Degrees.")],
    latitude: Annotated[float, typer.Argument(help="Degrees.")],
    datum: DatumOption,
    accuracy: Annotated[
        float | None, typer.Option(help="Radius in metres around the position.")
    ] = None,
    on: OnOption = None,
) -> None:
    """Which grid and which sponsor answer for this point."""
    settings = settings_from_environment()
    # Refused here already: what is no number cannot be put into a query.
    wgs84_position(
        PointInput(longitude=longitude, latitude=latitude, datum=datum, accuracy=accuracy)
    )
    point = {
        "longitude": longitude,
        "latitude": latitude,
        "datum": datum.value,
        "accuracy": accuracy,
    }
    with current_url() as url:
        day = on.date().isoformat() if on else None
        [found] = ask(settings, url, (LOCATE, {"point": point, "on": day}))
        print_location(terminal.console, found["locate"])


def coverage(
    region: Annotated[str, typer.Argument(help="The code of a region, as in 230402.")],
    on: OnOption = None,
) -> None:
    """What nobody covers in a region, and how its communities compare."""
    settings = settings_from_environment()
    asked: dict[str, object] = {"region": region, "on": on.date().isoformat() if on else None}
    with current_url() as url:
        [found] = ask(settings, url, (_COVERAGE, asked))
        communities, after = [], None
        while True:
            [page] = ask(settings, url, (_COMMUNITIES, {**asked, "after": after}))
            below = page["coverage"]["regions"]
            communities += below["nodes"]
            after = below["pageInfo"]["endCursor"]
            if not below["pageInfo"]["hasNextPage"]:
                break
    print_coverage(terminal.console, found["coverage"], communities)


def ask(
    settings: Settings, url: str, *questions: tuple[str, dict[str, object]]
) -> list[dict[str, Any]]:
    """What the API would answer to each query with its variables, without a server between."""

    async def answered(database: Database) -> list[dict[str, Any]]:
        results = [
            await schema.execute(
                query,
                variable_values=variables,
                context_value=Context(database, settings.building_reach_metres),
            )
            for query, variables in questions
        ]
        for result in results:
            for error in result.errors or []:
                raise error.original_error or Invalid(error.message)
        return [result.data or {} for result in results]

    return with_database(url, answered, seconds=60)
