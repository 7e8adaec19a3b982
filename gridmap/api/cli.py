"""The command line: `gridmap --help` lists what it can do.

Exit status: 0 when it is done, 1 when data was refused or something could not be had, 2 when the
command itself was wrong.
"""

from __future__ import annotations

import asyncio
import datetime
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from textwrap import wrap
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from sqlalchemy import Engine, exc

from gridmap import migrations
from gridmap.api import web
from gridmap.api.app import application
from gridmap.api.demo import EXAMPLE, load_demo
from gridmap.api.identity import LONGEST_VALIDITY, Tokens, with_secret
from gridmap.api.memory import share_one_heap
from gridmap.api.server import Server
from gridmap.api.settings import Settings, settings_from_environment
from gridmap.api.terminal import (
    plain_console,
    print_complaint,
    print_location,
    print_summary,
    progress_bar,
)
from gridmap.errors import GridmapError, Invalid, Unavailable
from gridmap.geo.datums import Datum
from gridmap.schema.context import Context
from gridmap.schema.points import PointInput, wgs84_position
from gridmap.schema.root import schema as graphql_schema
from gridmap.store import imports
from gridmap.store.cluster import private_cluster
from gridmap.store.database import Database, tool_engine
from gridmap.store.imports import CodeScheme, ImportOptions, Noun
from gridmap.store.imports.columns import FIELDS
from gridmap.store.objects import Objects
from gridmap.store.photos import Photos, Purged
from gridmap.store.report_changes import bring_back
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

app = typer.Typer(
    help="gridmap: which grid and which sponsor answer for this point.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
photos_app = typer.Typer(help="What is kept of photos.", no_args_is_help=True)
app.add_typer(photos_app, name="photos")
console = plain_console()
complaints = plain_console(stderr=True)

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
        _migrate(url)
        engine = tool_engine(url)
        load_demo(engine, console)
        engine.dispose()
        longitude, latitude = EXAMPLE
        console.print(f"\n$ gridmap locate {longitude} {latitude} --datum WGS84")
        point = {"longitude": longitude, "latitude": latitude, "datum": "WGS84"}
        print_location(console, _ask(settings, url, point=point))
        _serve(settings, url, listening)


@app.command()
def serve() -> None:
    """Serve the API at HOST and PORT (127.0.0.1:8000 by default)."""
    settings = settings_from_environment()
    with _listening(settings) as listening, _database(settings) as url:
        _serve(settings, url, listening)


@app.command()
def migrate() -> None:
    """Bring the database's tables up to date."""
    with _database(settings_from_environment()) as url:
        _migrate(url)
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
    from gridmap.store.exports import export_file  # brings GDAL, which a server does not need

    with _engine() as engine, engine.connect() as connection:
        count = export_file(
            connection, noun, file, region=region, datum=datum, on=on.date() if on else None
        )
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
        print_location(console, _ask(settings, url, point=point, on=day))


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
    """Print a token, which says to the server who sends it."""
    settings = with_secret(settings_from_environment())
    viewer = Viewer(role, subject, frozenset(code or []))
    print(Tokens(settings.secret).issue(viewer, datetime.timedelta(days=days)))


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

    with _engine() as engine:
        gone = asyncio.run(purged(engine.url.render_as_string(hide_password=False)))
    console.print(f"Photos removed: {gone.photos}. Files of none removed: {gone.files}.")


@app.command()
def schema() -> None:
    """Print the GraphQL schema."""
    print(graphql_schema.as_str())


def main() -> NoReturn:
    """The program: turns what went wrong into a sentence and an exit status."""
    share_one_heap()
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
        _migrate(url)
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


def _migrate(url: str) -> None:
    engine = tool_engine(url)
    try:
        with engine.begin() as connection:
            migrations.upgrade(connection)
            bring_back(connection)
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


def _ask(settings: Settings, url: str, **variables: object) -> dict[str, Any]:
    """The answer that the API would give, without a server between."""

    async def answer() -> dict[str, Any]:
        database = Database(url)
        try:
            result = await graphql_schema.execute(
                _LOCATE,
                variable_values=variables,
                context_value=Context(database, settings.building_reach_metres),
            )
        finally:
            await database.close()
        for error in result.errors or []:
            raise error.original_error or Invalid(error.message)
        location: dict[str, Any] = (result.data or {})["locate"]
        return location

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


def _serve(settings: Settings, url: str, listening: socket.socket) -> None:
    app = application(with_secret(settings), url)
    server = Server(
        app,
        app.state.streams,
        ws_max_size=settings.body_limit_bytes,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        log_level="warning",
        server_header=False,
    )
    listening.listen(server.config.backlog)  # so that whoever reads the next line can connect
    host, port = listening.getsockname()[:2]
    pages = "try a query at /graphql" + (", or the phone page at /m" if web.FOLDER.exists() else "")
    console.print(f"\nServing on http://{host}:{port} – {pages}. Ctrl-C stops.")
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listening])
    console.print("Stopped.")
