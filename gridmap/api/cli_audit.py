"""`gridmap audit`: seals the audit log, looks whether it is whole, and gives it away."""

from __future__ import annotations

import datetime
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from gridmap.api import terminal
from gridmap.api.cli_database import current_engine
from gridmap.api.terminal import print_complaint
from gridmap.errors import Invalid, Unavailable
from gridmap.store import audit_chain
from gridmap.store.audit import EntryFilter, entries
from gridmap.store.audit_files import write_csv, write_json_lines
from gridmap.store.dates import CHINA

app = typer.Typer(
    help="Who wrote what, and who read personal data: an append-only log, in a chain.",
    no_args_is_help=True,
)


@app.command("seal")
def seal_() -> None:
    """Chain what came since the last seal. A server does so every few seconds by itself."""
    with current_engine() as engine, engine.begin() as connection:
        count = audit_chain.seal(connection)
        while count:
            count = audit_chain.seal(connection)
        _print_head(audit_chain.head(connection))


@app.command("head")
def head_() -> None:
    """Print the last seal: number, hash, time. Kept elsewhere, it shows later that all is there."""
    with current_engine() as engine, engine.connect() as connection:
        _print_head(audit_chain.head(connection))


@app.command("verify")
def verify_(
    anchors: Annotated[
        Path | None,
        typer.Option(help="A file of lines as `gridmap audit head` has printed them before."),
    ] = None,
) -> None:
    """Look whether anything was changed, cut out or put in since it was sealed."""
    known = _anchors(anchors) if anchors else []
    with (
        current_engine() as engine,
        engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
    ):
        verdict = audit_chain.verify(connection, known)
    for fault in verdict.faults:
        print_complaint(terminal.complaints, fault)
    seals = verdict.head.number if verdict.head else 0
    state = "broken" if verdict.faults else "whole"
    terminal.console.print(
        f"The chain is {state}: {verdict.sealed} entries in {seals} seals, and {verdict.unsealed} "
        "entries since.",
        soft_wrap=True,
    )
    if verdict.trimmed:
        terminal.console.print(
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


@app.command("list")
def audit_list(
    since: SinceOption = None,
    until: UntilOption = None,
    who: WhoOption = None,
    district: DistrictOption = None,
) -> None:
    """Print the log as JSON, one entry a line, the oldest first."""
    wanted = _entries_wanted(since, until, who, district)
    with current_engine() as engine, engine.connect() as connection:
        write_json_lines(sys.stdout, entries(connection, wanted))


@app.command("export")
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
    with current_engine() as engine, engine.connect() as connection:
        # Only its owner is to read it, from its first byte on, also where one was there before.
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.fchmod(opened, 0o600)
        with os.fdopen(opened, "w", encoding="utf-8", newline="") as sink:
            count = write(sink, entries(connection, wanted))
    terminal.console.print(f"{file}: {count} entries written.", soft_wrap=True)


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
