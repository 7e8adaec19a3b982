"""The command line: `gridmap --help` lists what it can do.

Exit status: 0 when it is done, 1 when data was refused or something could not be had, 2 when the
command itself was wrong.
"""

from __future__ import annotations

import asyncio
import datetime
import getpass
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from textwrap import wrap
from types import FrameType
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from sqlalchemy import Engine, exc
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap import migrations
from gridmap.api import web
from gridmap.api.app import application
from gridmap.api.demo import EXAMPLE, load_demo
from gridmap.api.demo_users import add_demo_users, print_demo_users
from gridmap.api.identity import LONGEST_VALIDITY, Tokens, with_secret
from gridmap.api.logs import configure_logs
from gridmap.api.memory import share_one_heap
from gridmap.api.server import ConnectionLimits, Server
from gridmap.api.settings import Settings, settings_from_environment
from gridmap.api.terminal import (
    plain_console,
    print_complaint,
    print_coverage,
    print_location,
    print_summary,
    print_users,
    progress_bar,
)
from gridmap.errors import GridmapError, Invalid, Unavailable
from gridmap.geo.datums import Datum
from gridmap.migrations import row_security
from gridmap.schema.context import Context
from gridmap.schema.points import PointInput, wgs84_position
from gridmap.schema.root import schema as graphql_schema
from gridmap.store import audit_chain, imports, users
from gridmap.store.audit import READ, EntryFilter, Origin, enter, enter_now, entries, named, origin
from gridmap.store.audit_files import write_csv, write_json_lines
from gridmap.store.cluster import private_cluster
from gridmap.store.database import Database, Rights, check_login, tool_engine
from gridmap.store.dates import CHINA, now, today
from gridmap.store.imports import CodeScheme, ImportOptions, Noun
from gridmap.store.imports.columns import FIELDS
from gridmap.store.objects import Objects
from gridmap.store.passwords import check_password, hashed
from gridmap.store.photos import Photos, Purged
from gridmap.store.report_changes import bring_back
from gridmap.store.retention import Gone, Terms, retain, to_go
from gridmap.store.viewers import CODES, Role, Viewer

_LOCATE = """
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

app = typer.Typer(
    help="gridmap: which grid and which sponsor answer for this point.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
photos_app = typer.Typer(help="What is kept of photos.", no_args_is_help=True)
app.add_typer(photos_app, name="photos")
audit_app = typer.Typer(
    help="Who wrote what, and who read personal data: an append-only log, in a chain.",
    no_args_is_help=True,
)
app.add_typer(audit_app, name="audit")
user_app = typer.Typer(help="Who signs in here with a name and a password.", no_args_is_help=True)
app.add_typer(user_app, name="user")
console = plain_console()
complaints = plain_console(stderr=True)

Value = TypeVar("Value")

DatumOption = Annotated[
    Datum, typer.Option(help="What the coordinates are measured against; never guessed.")
]
OnOption = Annotated[
    datetime.datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="As things stood on this day; today by default."),
]


@app.command()
def demo() -> None:
    """Serve the synthetic demo district, on a database of its own unless DATABASE_URL is set."""
    settings = settings_from_environment()
    # Ctrl-C is how the demo ends, also while it is still being loaded.
    with (
        suppress(KeyboardInterrupt),
        _listening(settings) as listening,
        _database(settings) as url,
    ):
        _migrate(settings, url)
        engine = tool_engine(url)
        load_demo(engine, console)
        engine.dispose()
        longitude, latitude = EXAMPLE
        console.print(f"\n$ gridmap locate {longitude} {latitude} --datum WGS84")
        point = {"longitude": longitude, "latitude": latitude, "datum": "WGS84"}
        [found] = _ask(settings, url, (_LOCATE, {"point": point}))
        print_location(console, found["locate"])
        settings = with_secret(settings)
        # A database of others is no place for users whose passwords are printed.
        is_private = settings.database_url is None
        if is_private and settings.secret is not None:
            print_demo_users(console, add_demo_users(url, settings.secret))
        _serve(settings, url, listening, is_demo=is_private)


@app.command()
def serve() -> None:
    """Serve the API at HOST and PORT (127.0.0.1:8000 by default)."""
    settings = settings_from_environment()
    with _listening(settings) as listening, _database(settings) as url:
        _serve(settings, url, listening)


@app.command()
def migrate() -> None:
    """Bring the database's tables up to date."""
    settings = settings_from_environment()
    with _database(settings) as url:
        _migrate(settings, url)
    console.print("The database is up to date.")


def _fields() -> str:
    """What `--map` takes, a line or two a noun."""
    lines = ["FIELD is one of these; a file must have those with an asterisk:"]
    for noun, fields in FIELDS.items():
        names = (f"{field.name}{'*' if field.required else ''}" for field in fields)
        lines += wrap(f"{noun:<13} {', '.join(names)}", 78, subsequent_indent=" " * 14)
    return "\n".join(lines)


@app.command("import", epilog=_fields())
def import_(
    noun: Annotated[Noun, typer.Argument(help="What the file holds.")],
    file: Annotated[
        Path,
        typer.Argument(
            help="GeoJSON, GeoPackage, zipped Shapefile, KML, FlatGeobuf, GeoParquet; CSV or XLSX."
        ),
    ],
    datum: Annotated[
        Datum | None,
        typer.Option(
            help="What the coordinates are measured against; required where there are any."
        ),
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="FIELD=HEADING",
            help="One of the fields below, and the file's heading.",
        ),
    ] = None,
    layer: Annotated[str | None, typer.Option(help="Which layer or sheet of the file.")] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Of the text; UTF-8 and GB18030 are recognised.")
    ] = None,
    valid_from: Annotated[
        datetime.datetime | None,
        typer.Option(
            "--from",
            formats=["%Y-%m-%d"],
            help="First day that the rows hold, where they do not say; today by default.",
        ),
    ] = None,
    code_scheme: Annotated[
        CodeScheme, typer.Option(help="free: codes of foreign files, which say nothing themselves.")
    ] = CodeScheme.STANDARD,
    region: Annotated[
        str, typer.Option(help="With free codes: the region of rows that name no community.")
    ] = "foreign",
    sliver_tolerance: Annotated[
        float, typer.Option(help="Metres: two grids may overlap in strips as wide as this.")
    ] = 1.0,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended.")] = False,
    trust_positions: Annotated[
        bool,
        typer.Option(
            "--trust-positions", help="The datum is right, though another would fit what is kept."
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check all, write nothing.")] = False,
) -> None:
    """Take in a district's file: all of it, or nothing and a list of what is wrong."""
    options = ImportOptions(
        datum=datum,
        columns=_columns(map_ or []),
        layer=layer,
        encoding=encoding,
        valid_from=valid_from.date() if valid_from else None,
        code_scheme=code_scheme,
        repair=repair,
        dry_run=dry_run,
        trust_positions=trust_positions,
        sliver_tolerance_metres=sliver_tolerance,
        free_region=region,
    )
    with _engine() as engine, progress_bar(complaints) as report:
        summary = imports.import_file(engine, noun, file, options, report)
    print_summary(console, summary, dry_run=dry_run)
    if summary.errors:
        raise typer.Exit(1)


@app.command()
def export(
    noun: Annotated[Noun, typer.Argument(help="What to write.")],
    file: Annotated[Path, typer.Argument(help="A .geojson, .gpkg or .csv to write.")],
    datum: DatumOption = Datum.WGS84,
    region: Annotated[str | None, typer.Option(help="Only what lies in this region.")] = None,
    on: Annotated[
        datetime.datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="As things stood on this day; by default everything, past and planned.",
        ),
    ] = None,
) -> None:
    """Write what is kept back to a file that `gridmap import` reads."""
    # These bring GDAL, which a server does not need.
    from gridmap.store.exports import PERSONAL, export_file

    with _engine() as engine, engine.begin() as connection:
        count = export_file(
            connection, noun, file, region=region, datum=datum, on=on.date() if on else None
        )
        if noun in PERSONAL:
            enter_now(connection, None, READ, str(noun), [("", file.name)], rows=count)
    rows = "row" if count == 1 else "rows"
    console.print(f"{file}: {count} {rows} of {noun} written.", soft_wrap=True)


@app.command(context_settings={"ignore_unknown_options": True})
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
    with _engine() as engine:
        url = engine.url.render_as_string(hide_password=False)
        day = on.date().isoformat() if on else None
        [found] = _ask(settings, url, (_LOCATE, {"point": point, "on": day}))
        print_location(console, found["locate"])


@app.command()
def coverage(
    region: Annotated[str, typer.Argument(help="The code of a region, as in 230402.")],
    on: OnOption = None,
) -> None:
    """What nobody covers in a region, and how its communities compare."""
    settings = settings_from_environment()
    asked: dict[str, object] = {"region": region, "on": on.date().isoformat() if on else None}
    with _engine() as engine:
        url = engine.url.render_as_string(hide_password=False)
        [found] = _ask(settings, url, (_COVERAGE, asked))
        communities, after = [], None
        while True:
            [page] = _ask(settings, url, (_COMMUNITIES, {**asked, "after": after}))
            below = page["coverage"]["regions"]
            communities += below["nodes"]
            after = below["pageInfo"]["endCursor"]
            if not below["pageInfo"]["hasNextPage"]:
                break
    print_coverage(console, found["coverage"], communities)


def _codes() -> str:
    """What `--code` is, a line a role."""
    lines = ["CODE is, given as often as there are:"]
    lines += [f"{role:<16} {codes.meaning}" for role, codes in CODES.items()]
    return "\n".join([*lines, "The other roles take none."])


@app.command(epilog=_codes())
def token(
    role: Annotated[Role, typer.Argument(help="What the person is.", case_sensitive=False)],
    subject: Annotated[
        str, typer.Option(help="Who it is: the code of a grid worker, the name of anybody else.")
    ],
    code: Annotated[
        list[str] | None, typer.Option(help="What the person answers for; see below.")
    ] = None,
    days: Annotated[
        int, typer.Option(min=1, max=LONGEST_VALIDITY.days, help="For how long the token is valid.")
    ] = 30,
) -> None:
    """Print a token, which says to the server who sends it. That is in the audit log."""
    settings = with_secret(settings_from_environment())
    viewer = Viewer(role, subject, frozenset(code or []))
    issued = Tokens(settings.secret).issue(viewer, datetime.timedelta(days=days))

    async def written(url: str) -> None:
        database = Database(url)
        try:
            async with database.transaction() as connection:
                await enter(
                    connection,
                    None,
                    "ISSUE",
                    "tokens",
                    [("", named(viewer.role, subject))],
                    to=viewer.role.value,
                    codes=sorted(viewer.codes),
                    days=days,
                )
        finally:
            await database.close()

    with _database(settings) as url:
        asyncio.run(written(settings.serving_url(url, Rights.KEEPER)))
    print(issued)


@photos_app.command()
def purge() -> None:
    """Remove photos that no report took within 24 hours. Best done every day."""
    settings = settings_from_environment()

    async def purged(url: str) -> Purged:
        database = Database(url, statement_timeout_seconds=300)
        try:
            return await Photos(database, Objects(settings.photos_address)).purge()
        finally:
            await database.close()

    with _database(settings) as url:
        gone = asyncio.run(purged(settings.serving_url(url, Rights.KEEPER)))
    console.print(f"Photos removed: {gone.photos}. Files of none removed: {gone.files}.")


@app.command()
def retention(
    days: Annotated[
        int | None,
        typer.Option(min=1, help="Days after the end of a report; GRIDMAP_RETENTION_DAYS if left."),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Say what would go, take out nothing.")] = (
        False
    ),
) -> None:
    """Take out personal data that has been kept for its time. Best done every day."""
    settings = settings_from_environment()
    kept_days = days if days is not None else settings.retention_days
    terms = Terms(kept_days, settings.audit_days)

    async def retained(url: str) -> Gone:
        database = Database(url, statement_timeout_seconds=300)
        try:
            if plan:
                return await to_go(database, terms, now())
            return await retain(database, Objects(settings.photos_address), terms, now())
        finally:
            await database.close()

    with _engine() as engine:
        gone = asyncio.run(retained(engine.url.render_as_string(hide_password=False)))
    said = ", ".join(f"{count} {noun.replace('_', ' ')}" for noun, count in gone._asdict().items())
    would = "would be" if plan else "was"
    console.print(
        f"Personal data {would} taken out, of what ended more than {kept_days} days ago: {said}.",
        soft_wrap=True,
    )


NameArgument = Annotated[str, typer.Argument(help="What the person signs in with.")]


@user_app.command(epilog=_codes())
def add(
    name: NameArgument,
    role: Annotated[Role, typer.Argument(help="What the person is.", case_sensitive=False)],
    subject: Annotated[
        str | None,
        typer.Option(help="The code of a grid worker; for anybody else the name will do."),
    ] = None,
    code: Annotated[
        list[str] | None, typer.Option(help="What the person answers for; see below.")
    ] = None,
    valid_from: Annotated[
        datetime.datetime | None,
        typer.Option(
            "--from", formats=["%Y-%m-%d"], help="First day to sign in; today by default."
        ),
    ] = None,
    valid_to: Annotated[
        datetime.datetime | None,
        typer.Option("--to", formats=["%Y-%m-%d"], help="First day not to sign in any more."),
    ] = None,
) -> None:
    """Let somebody sign in. The password is asked for, or read from standard input."""
    viewer = Viewer(role, subject or users.sign_in_name(name), frozenset(code or []))
    password = _password(name, viewer.subject)
    since = valid_from.date() if valid_from else today()
    until = valid_to.date() if valid_to else None
    added = _in_database(
        lambda connection: users.add_user(connection, name, hashed(password), viewer, since, until)
    )
    console.print(f"{added.name} signs in from {since} as {role}.", soft_wrap=True)


@user_app.command("list")
def list_() -> None:
    """Who signs in here, and as what."""
    print_users(console, _in_database(users.all_users), today())


@user_app.command()
def disable(name: NameArgument) -> None:
    """Let somebody sign in no more. Access tokens that are out end within 15 minutes."""
    _in_database(lambda connection: users.set_disabled(connection, name, True))
    console.print(f"{name} is signed out and signs in no more.", soft_wrap=True)


@user_app.command()
def enable(name: NameArgument) -> None:
    """Let somebody sign in again."""
    _in_database(lambda connection: users.set_disabled(connection, name, False))
    console.print(f"{name} signs in again.", soft_wrap=True)


@user_app.command("password")
def password_(name: NameArgument) -> None:
    """Give somebody another password, who is then signed out everywhere."""
    password = _password(name)
    _in_database(lambda connection: users.set_password(connection, name, hashed(password)))
    console.print(f"{name} has another password.", soft_wrap=True)


def _password(*known: str) -> str:
    """A password of a person at the terminal, or of a program that writes it to us."""
    if sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if getpass.getpass("Once more: ") != password:
            raise Invalid("The two are not the same; start again.")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    check_password(password, *known)
    return password


def _in_database(work: Callable[[AsyncConnection], Awaitable[Value]]) -> Value:
    """What `work` gives on a connection in a transaction, of a database that is up to date."""

    async def done(url: str) -> Value:
        database = Database(url)
        try:
            async with database.transaction() as connection:
                return await work(connection)
        finally:
            await database.close()

    with _engine() as engine:
        return asyncio.run(done(engine.url.render_as_string(hide_password=False)))


@audit_app.command("seal")
def seal_() -> None:
    """Chain what came since the last seal. A server does so every few seconds by itself."""
    with _engine() as engine, engine.begin() as connection:
        count = audit_chain.seal(connection)
        while count:
            count = audit_chain.seal(connection)
        _print_head(audit_chain.head(connection))


@audit_app.command("head")
def head_() -> None:
    """Print the last seal: number, hash, time. Kept elsewhere, it shows later that all is there."""
    with _engine() as engine, engine.connect() as connection:
        _print_head(audit_chain.head(connection))


@audit_app.command("verify")
def verify_(
    anchors: Annotated[
        Path | None,
        typer.Option(help="A file of lines as `gridmap audit head` has printed them before."),
    ] = None,
) -> None:
    """Look whether anything was changed, cut out or put in since it was sealed."""
    known = _anchors(anchors) if anchors else []
    with (
        _engine() as engine,
        engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
    ):
        verdict = audit_chain.verify(connection, known)
    for fault in verdict.faults:
        print_complaint(complaints, fault)
    seals = verdict.head.number if verdict.head else 0
    state = "broken" if verdict.faults else "whole"
    console.print(
        f"The chain is {state}: {verdict.sealed} entries in {seals} seals, and {verdict.unsealed} "
        "entries since.",
        soft_wrap=True,
    )
    if verdict.trimmed:
        console.print(
            f"{verdict.trimmed} entries, up to seal {verdict.until}, are kept no more: their time "
            "was over.",
            soft_wrap=True,
        )
    if verdict.faults:
        raise typer.Exit(1)


WhoOption = Annotated[str | None, typer.Option(help="A subject or an account.")]
DistrictOption = Annotated[str | None, typer.Option(help="The code of a district.")]
SinceOption = Annotated[
    datetime.datetime | None,
    typer.Option("--from", formats=["%Y-%m-%d"], help="The first day."),
]
UntilOption = Annotated[
    datetime.datetime | None,
    typer.Option("--to", formats=["%Y-%m-%d"], help="The first day that is not meant any more."),
]


@audit_app.command("list")
def audit_list(
    since: SinceOption = None,
    until: UntilOption = None,
    who: WhoOption = None,
    district: DistrictOption = None,
) -> None:
    """Print the log as JSON, one entry a line, the oldest first."""
    wanted = _entries_wanted(since, until, who, district)
    with _engine() as engine, engine.connect() as connection:
        write_json_lines(sys.stdout, entries(connection, wanted))


@audit_app.command("export")
def audit_export(
    file: Annotated[Path, typer.Argument(help="A .jsonl or .csv to write.")],
    since: SinceOption = None,
    until: UntilOption = None,
    who: WhoOption = None,
    district: DistrictOption = None,
) -> None:
    """Write the log to a file, the oldest entry first."""
    writers = {".jsonl": write_json_lines, ".csv": write_csv}
    write = writers.get(file.suffix.lower())
    if write is None:
        raise Invalid(f"{file} ends in neither {' nor '.join(writers)}; name one of these.")
    wanted = _entries_wanted(since, until, who, district)
    with _engine() as engine, engine.connect() as connection:
        # Only its owner is to read it, from its first byte on, also where one was there before.
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.fchmod(opened, 0o600)
        with os.fdopen(opened, "w", encoding="utf-8", newline="") as sink:
            count = write(sink, entries(connection, wanted))
    console.print(f"{file}: {count} entries written.", soft_wrap=True)


def _anchors(file: Path) -> list[tuple[int, str]]:
    try:
        return audit_chain.anchors_in(file.read_text())
    except (OSError, UnicodeError) as error:
        raise Invalid(f"{file} cannot be read: {error}") from error


def _entries_wanted(
    since: datetime.datetime | None,
    until: datetime.datetime | None,
    who: str | None,
    district: str | None,
) -> EntryFilter:
    return EntryFilter(
        district,
        since.replace(tzinfo=CHINA) if since else None,
        until.replace(tzinfo=CHINA) if until else None,
        who,
    )


def _print_head(head: audit_chain.Head | None) -> None:
    if head is None:
        raise Unavailable("The audit log has no seal yet; `gridmap audit seal` makes one.")
    print(head)


@app.command()
def schema() -> None:
    """Print the GraphQL schema."""
    print(graphql_schema.as_str())


def main() -> NoReturn:
    """The program: turns what went wrong into a sentence and an exit status."""
    share_one_heap()
    origin.set(Origin(account=_operator()))
    # What stops a service or closes a terminal ends the program in order, so that the private
    # cluster stops with it.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    try:
        app()
        status = 0
    except GridmapError as error:
        print_complaint(complaints, error.message)
        status = 2 if isinstance(error, Invalid) else 1
    except exc.OperationalError as error:
        print_complaint(complaints, f"The database cannot be used: {error.orig}")
        status = 1
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


def _operator() -> str:
    """What the system calls whoever runs this."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in a container
        return str(os.getuid())


def _leave(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


@contextmanager
def _database(settings: Settings) -> Iterator[str]:
    """The URL of the database that the settings name, or of a private cluster while it runs.

    A private one is brought up to date; another is its administrator's to migrate.
    """
    if settings.database_url is not None:
        yield settings.database_url
        return
    with private_cluster(settings.data) as url:
        _migrate(settings, url)
        yield url


@contextmanager
def _engine() -> Iterator[Engine]:
    """An engine on a database that is up to date."""
    with _database(settings_from_environment()) as url:
        engine = tool_engine(url)
        try:
            _require_current(engine)
            yield engine
        finally:
            engine.dispose()


def _migrate(settings: Settings, url: str) -> None:
    password = settings.server_password
    engine = tool_engine(url)
    try:
        with engine.begin() as connection:
            migrations.upgrade(connection)
            bring_back(connection)
            audit_chain.bring_back(connection)
        with engine.begin() as connection:
            if password:
                row_security.make_logins(connection, password.get_secret_value())
            elif settings.database_url is None:
                row_security.make_logins(connection)
    finally:
        engine.dispose()


def _require_current(engine: Engine) -> None:
    with engine.connect() as connection:
        if not migrations.is_current(connection):
            raise Unavailable("The database is not up to date; run `gridmap migrate` first.")


def _columns(pairs: list[str]) -> dict[str, str]:
    columns = {}
    for pair in pairs:
        name, equals, heading = pair.partition("=")
        if not (name and equals and heading):
            raise Invalid(f"--map {pair} is not of the form field=heading, as in code=网格编码.")
        columns[name] = heading
    return columns


def _ask(
    settings: Settings, url: str, *questions: tuple[str, dict[str, object]]
) -> list[dict[str, Any]]:
    """What the API would answer to each query with its variables, without a server between."""

    async def answer() -> list[dict[str, Any]]:
        database = Database(url, statement_timeout_seconds=60)
        try:
            results = [
                await graphql_schema.execute(
                    query,
                    variable_values=variables,
                    context_value=Context(database, settings.building_reach_metres),
                )
                for query, variables in questions
            ]
        finally:
            await database.close()
        for result in results:
            for error in result.errors or []:
                raise error.original_error or Invalid(error.message)
        return [result.data or {} for result in results]

    return asyncio.run(answer())


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """The server's socket, bound first of all: a port that is taken is said at once."""
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((settings.host, settings.port))
        except OSError as error:
            raise Unavailable(
                f"Cannot listen on {settings.host}, port {settings.port}: {error.strerror}. "
                "Set PORT to another."
            ) from error
        yield bound


def _serve(
    settings: Settings, url: str, listening: socket.socket, *, is_demo: bool = False
) -> None:
    configure_logs(settings.log_format)
    for rights in Rights:
        check_login(settings.serving_url(url, rights))
    app = application(with_secret(settings), url, is_demo=is_demo)
    server = Server(
        app,
        app.state.streams,
        trusted_proxies=settings.trusted_proxies,
        limits=ConnectionLimits(per_address=settings.connections_per_address),
        ws_max_size=settings.body_limit_bytes,
        loop="uvloop",
        lifespan="on",
        log_level="warning",
        server_header=False,
    )
    listening.listen(server.config.backlog)  # so that whoever reads the next line can connect
    host, port = listening.getsockname()[:2]
    pages = "try a query at /graphql"
    if web.FOLDER.exists():
        pages = "the planners' map at /, the phone page at /m, queries at /graphql"
    console.print(f"\nServing on http://{host}:{port} – {pages}. Ctrl-C stops.")
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listening])
    console.print("Stopped.")
