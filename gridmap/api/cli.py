"""The command line: `gridmap --help` lists what it can do.

Exit status: 0 when it is done, 1 when data was refused or something could not be had, 2 when the
command itself was wrong.
"""

from __future__ import annotations

import datetime
import getpass
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from textwrap import wrap
from types import FrameType
from typing import Annotated, NoReturn

import typer
from sqlalchemy import exc

from gridmap.api import cli_audit, cli_retention, cli_users, terminal, web
from gridmap.api.app import application
from gridmap.api.cli_database import current_engine, database_url, migrate_database
from gridmap.api.cli_lookups import LOCATE, DatumOption, ask, coverage, locate
from gridmap.api.cli_retention import retention
from gridmap.api.cli_users import codes_of_roles, token
from gridmap.api.demo import EXAMPLE, load_demo
from gridmap.api.demo_users import add_demo_users, print_demo_users
from gridmap.api.identity import with_secret
from gridmap.api.logs import configure_logs
from gridmap.api.memory import share_one_heap
from gridmap.api.server import ConnectionLimits, Server
from gridmap.api.settings import Settings, settings_from_environment
from gridmap.api.terminal import print_complaint, print_location, print_summary, progress_bar
from gridmap.errors import GridmapError, Invalid, Unavailable
from gridmap.geo.datums import Datum
from gridmap.schema.root import schema as graphql_schema
from gridmap.store import imports
from gridmap.store.audit import READ, Origin, enter_now, origin
from gridmap.store.database import Rights, check_login, tool_engine
from gridmap.store.imports import CodeScheme, ImportOptions, Noun
from gridmap.store.imports.columns import FIELDS

app = typer.Typer(
    help="gridmap: which grid and which sponsor answer for this point.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(cli_retention.photos, name="photos")
app.add_typer(cli_audit.app, name="audit")
app.add_typer(cli_users.app, name="user")


@app.command()
def demo() -> None:
    """Serve the synthetic demo district, on a database of its own unless DATABASE_URL is set."""
    settings = settings_from_environment()
    # Ctrl-C is how the demo ends, also while it is still being loaded.
    with (
        suppress(KeyboardInterrupt),
        _listening(settings) as listening,
        database_url(settings) as url,
    ):
        migrate_database(settings, url)
        engine = tool_engine(url)
        load_demo(engine, terminal.console)
        engine.dispose()
        longitude, latitude = EXAMPLE
        terminal.console.print(f"\n$ gridmap locate {longitude} {latitude} --datum WGS84")
        point = {"longitude": longitude, "latitude": latitude, "datum": "WGS84"}
        [found] = ask(settings, url, (LOCATE, {"point": point}))
        print_location(terminal.console, found["locate"])
        settings = with_secret(settings)
        # A database of others is no place for users whose passwords are printed.
        is_private = settings.database_url is None
        if is_private and settings.secret is not None:
            print_demo_users(terminal.console, add_demo_users(url, settings.secret))
        _serve(settings, url, listening, is_demo=is_private)


@app.command()
def serve() -> None:
    """Serve the API at HOST and PORT (127.0.0.1:8000 by default)."""
    settings = settings_from_environment()
    with _listening(settings) as listening, database_url(settings) as url:
        _serve(settings, url, listening)


@app.command()
def migrate() -> None:
    """Bring the database's tables up to date."""
    settings = settings_from_environment()
    with database_url(settings) as url:
        mended = migrate_database(settings, url)
    if mended:
        terminal.console.print(f"Made anew what was missing: {', '.join(mended)}.", soft_wrap=True)
    terminal.console.print("The database is up to date.")


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
    with current_engine() as engine, progress_bar(terminal.complaints) as report:
        summary = imports.import_file(engine, noun, file, options, report)
    print_summary(terminal.console, summary, dry_run=dry_run)
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

    with current_engine() as engine, engine.begin() as connection:
        count = export_file(
            connection, noun, file, region=region, datum=datum, on=on.date() if on else None
        )
        if noun in PERSONAL:
            enter_now(connection, None, READ, str(noun), [("", file.name)], rows=count)
    rows = "row" if count == 1 else "rows"
    terminal.console.print(f"{file}: {count} {rows} of {noun} written.", soft_wrap=True)


app.command(context_settings={"ignore_unknown_options": True})(locate)
app.command()(coverage)
app.command(epilog=codes_of_roles())(token)
app.command()(retention)


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
        print_complaint(terminal.complaints, error.message)
        status = 2 if isinstance(error, Invalid) else 1
    except exc.OperationalError as error:
        print_complaint(terminal.complaints, f"The database cannot be used: {error.orig}")
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


def _columns(pairs: list[str]) -> dict[str, str]:
    columns = {}
    for pair in pairs:
        name, equals, heading = pair.partition("=")
        if not (name and equals and heading):
            raise Invalid(f"--map {pair} is not of the form field=heading, as in code=网格编码.")
        columns[name] = heading
    return columns


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
    terminal.console.print(f"\nServing on http://{host}:{port} – {pages}. Ctrl-C stops.")
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listening])
    terminal.console.print("Stopped.")
