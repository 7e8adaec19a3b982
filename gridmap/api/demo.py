"""The demo: the synthetic district, loaded by the import that users have, and one question."""

from __future__ import annotations

import tempfile
from pathlib import Path

from rich.console import Console
from sqlalchemy import Connection, Engine, exists, select

from gridmap.api.demo_reports import add_reports
from gridmap.api.terminal import progress_bar
from gridmap.demo import DEMO_DATUM, DEMO_FILES, write_demo, write_visits
from gridmap.errors import Conflict, GridmapError
from gridmap.geo.datums import Datum
from gridmap.store import imports, tables
from gridmap.store.dates import now
from gridmap.store.imports import ImportOptions, Noun

EXAMPLE = (130.2870, 47.3600)
"""A point of the demo district, WGS 84."""


def load_demo(engine: Engine, console: Console) -> None:
    """Loads what is not there yet of the demo district: all of it, or what an older demo lacks.

    Raises Conflict where the database holds something else, which the demo must not touch.
    """
    with engine.connect() as connection:
        missing = _missing(connection)
        has_visits = connection.scalar(select(exists().select_from(tables.visits)))
        has_reports = connection.scalar(select(exists().select_from(tables.reports)))
    if not missing and has_visits and has_reports:
        return
    console.print("Loading the demo district (synthetic: made up, on real names and codes) …")
    with tempfile.TemporaryDirectory() as folder:
        write_demo(Path(folder))
        if not has_visits:
            write_visits(Path(folder) / "visits.csv", now())
            missing.append((Noun.VISITS, "visits.csv"))
        for noun, file in missing:
            with progress_bar(console) as report:
                options = ImportOptions(datum=Datum(DEMO_DATUM))
                summary = imports.import_file(
                    engine, Noun(noun), Path(folder) / file, options, report
                )
            if summary.errors:
                raise GridmapError(f"The demo's own {file} was refused: {summary.errors[0]}")
            console.print(f"  {noun}: {summary.counts.added}")
    if not has_reports:
        console.print(f"  reports: {add_reports(engine, now())}")


def _missing(connection: Connection) -> list[tuple[str, str]]:
    log = tables.imports
    names = {name for (name,) in connection.execute(select(log.c.file).distinct())}
    missing = [(noun, file) for noun, file in DEMO_FILES if file not in names]
    # Older demos had no rules for reports and no member cards, and are the demo all the same.
    is_demo = {noun for noun, _ in missing} <= {Noun.REPORT_RULES, Noun.MEMBER_CARDS}
    if not is_demo and connection.execute(select(tables.regions.c.code).limit(1)).first():
        raise Conflict(
            "This database holds data that is not the demo's, so the demo was not loaded into "
            "it. Name another database with DATABASE_URL, or another folder with GRIDMAP_DATA."
        )
    return missing
