"""From a file to the database in one transaction: read, check, stage, compare, merge."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import Connection, Engine, Transaction, exc, insert

from gridmap.errors import Conflict, Forbidden, GridmapError, Invalid, Unavailable
from gridmap.geo.files import count_rows, ending_of, read_batches
from gridmap.store import audit, tables
from gridmap.store.changes import announce_staged
from gridmap.store.dates import today
from gridmap.store.imports.buildings import BuildingImporter
from gridmap.store.imports.categories import CategoryImporter
from gridmap.store.imports.columns import Columns
from gridmap.store.imports.deadlines import DeadlineImporter
from gridmap.store.imports.grids import GridImporter
from gridmap.store.imports.member_cards import MemberCardImporter
from gridmap.store.imports.options import (
    Counts,
    ImportOptions,
    Noun,
    Progress,
    Report,
    Summary,
)
from gridmap.store.imports.regions import RegionImporter
from gridmap.store.imports.report_rules import ReportRuleImporter
from gridmap.store.imports.run import Importer, Run
from gridmap.store.imports.sponsors import SponsorImporter
from gridmap.store.imports.sponsorships import SponsorshipImporter
from gridmap.store.imports.staging import Staging
from gridmap.store.imports.visits import VisitImporter
from gridmap.store.imports.workers import WorkerImporter


def import_file(
    database: Engine | Connection,
    noun: Noun,
    path: Path,
    options: ImportOptions | None = None,
    report: Report | None = None,
) -> Summary:
    """Brings what the file says into the database, all of it or, where a row has an error, nothing.

    Commits when all went well. On a `Connection` that is in a transaction already, the import is a
    savepoint of it, and its commit is the caller's. Readers are never kept waiting; other writers
    of the same noun wait, for grids from the start and for others from the checks on. `report` is
    told now and then how far the work is.

    Memory holds one batch of the file at a time (see `gridmap.geo.files` for the formats whose
    libraries load a file whole), and the number of statements grows with batches, not with rows.

    Raises Invalid where the file as a whole or the options cannot be used, Conflict where the
    database refuses rows that had passed every check, Forbidden where its user may not write, and
    Unavailable where it cannot be reached.
    """
    ending_of(path.absolute())  # before all that may be wrong with the options
    options = options or ImportOptions()
    noun = Noun(noun)
    columns = Columns(noun, options.columns)
    with _said_plainly(path), ExitStack() as resources, ThreadPoolExecutor(2, "import") as pool:
        connection = (
            database
            if isinstance(database, Connection)
            else resources.enter_context(database.connect())
        )
        transaction = resources.enter_context(_transaction(connection))
        run = Run(
            connection,
            noun,
            path,
            options,
            columns,
            options.valid_from or today(),
            report or _nobody,
            pool,
            resources,
        )
        importer = _IMPORTERS[noun](run)
        digest = pool.submit(_sha256, path)
        read = _stage(run, importer)
        run.say("checking")
        importer.check()
        counts = Counts()
        if not run.is_refused:
            run.say("writing")
            counts = importer.merge()
        for finish in run.pending:
            run.say("finishing the checks")
            finish()
        written = not run.is_refused and not options.dry_run
        if written:
            _log(run, counts, digest.result())
            if counts.added or counts.changed:
                announce_staged(connection, noun)
            run.say("committing")
            transaction.commit()
        else:
            transaction.rollback()
    return Summary(
        noun,
        path.name,
        read,
        Counts() if run.is_refused else counts,
        tuple(sorted(run.problems, key=lambda problem: problem.row)),
        columns.ignored,
        written,
    )


_IMPORTERS: dict[Noun, Callable[[Run], Importer]] = {
    Noun.REGIONS: RegionImporter,
    Noun.GRIDS: GridImporter,
    Noun.BUILDINGS: BuildingImporter,
    Noun.SPONSORS: SponsorImporter,
    Noun.SPONSORSHIPS: SponsorshipImporter,
    Noun.WORKERS: WorkerImporter,
    Noun.VISITS: VisitImporter,
    Noun.MEMBER_CARDS: MemberCardImporter,
    Noun.CATEGORIES: CategoryImporter,
    Noun.DEADLINES: DeadlineImporter,
    Noun.REPORT_RULES: ReportRuleImporter,
}


def _stage(run: Run, importer: Importer) -> int:
    """Reads, checks and stages the file batch by batch; how many rows it has."""
    options = run.options
    total = count_rows(run.path, options.layer)
    run.say("reading", 0, total)
    run.sql("SET LOCAL work_mem = '64MB'")  # to sort a batch with its geometry in memory
    read = 0
    with Staging(run.connection, importer.STAGED, run.meanwhile) as staging:
        for batch in read_batches(
            run.path,
            layer=options.layer,
            encoding=options.encoding,
            recognised=run.columns.recognised,
        ):
            rows, problems = run.columns.read(batch)
            run.problems.extend(problems)
            staging.add(rows.numbers, *importer.stage(rows, batch))
            read += len(rows.numbers)
            run.say("reading", read, total)
    run.left = staging.left
    return read


@contextmanager
def _transaction(connection: Connection) -> Iterator[Transaction]:
    transaction: Transaction = (
        connection.begin_nested() if connection.in_transaction() else connection.begin()
    )
    try:
        yield transaction
    finally:
        if transaction.is_active:
            transaction.rollback()


@contextmanager
def _said_plainly(path: Path) -> Iterator[None]:
    """Turns what the database says into errors for the person who imports."""
    try:
        yield
    except GridmapError:
        raise
    except (exc.DBAPIError, psycopg.Error) as error:
        original = error.orig if isinstance(error, exc.DBAPIError) else error
        if isinstance(original, psycopg.errors.IntegrityError):
            raise Conflict(
                f"{path.name} contradicts what is kept, so nothing was written: "
                f"{_first_lines(original)}. Correct the row it names."
            ) from error
        if isinstance(original, psycopg.errors.InsufficientPrivilege):
            raise Forbidden(
                f"The database's user may not write what {path.name} holds, so nothing was "
                f"written: {_first_lines(original)}. Name one who may in DATABASE_URL."
            ) from error
        if isinstance(original, psycopg.DataError):
            raise Invalid(
                f"{path.name} has a value that the database cannot keep, so nothing was written: "
                f"{_first_lines(original)}."
            ) from error
        if isinstance(original, psycopg.OperationalError):
            raise Unavailable(
                f"The database gave up, so nothing was written: {_first_lines(original)}. "
                "Import the file again when it is back."
            ) from error
        raise


def _first_lines(error: BaseException) -> str:
    detail = error.diag.message_detail if isinstance(error, psycopg.Error) else None
    return (detail or str(error).strip().partition("\n")[0]).rstrip(".")


def _log(run: Run, counts: Counts, digest: str) -> None:
    run.connection.execute(
        insert(tables.imports).values(
            noun=str(run.noun),
            file=run.path.name,
            sha256=digest,
            datum=run.options.datum and str(run.options.datum),
            added=counts.added,
            changed=counts.changed,
            unchanged=counts.unchanged,
        )
    )
    audit.enter_now(
        run.connection,
        None,
        "IMPORT",
        str(run.noun),
        [("", run.path.name)],
        sha256=digest,
        added=counts.added,
        changed=counts.changed,
        unchanged=counts.unchanged,
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _nobody(progress: Progress) -> None:
    """Nobody asked to be told."""
