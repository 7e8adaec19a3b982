"""What is kept no longer: `gridmap retention`, and `gridmap photos`."""

from __future__ import annotations

from typing import Annotated

import typer

from gridmap.api import terminal
from gridmap.api.cli_database import current_url, database_url, with_database
from gridmap.api.settings import settings_from_environment
from gridmap.errors import Unavailable
from gridmap.store.database import Database, Rights
from gridmap.store.dates import now
from gridmap.store.objects import Objects
from gridmap.store.photos import Photos, Purged
from gridmap.store.retention import Retained, Terms, retain, to_go

_SECONDS = 300  # for a statement that nobody waits for

photos = typer.Typer(help="What is kept of photos.", no_args_is_help=True)


@photos.command()
def purge() -> None:
    """Remove photos that no report took within 24 hours. Best done every day."""
    settings = settings_from_environment()

    async def purged(database: Database) -> Purged:
        return await Photos(database, Objects(settings.photos_address)).purge()

    with database_url(settings) as url:
        gone = with_database(settings.serving_url(url, Rights.KEEPER), purged, seconds=_SECONDS)
    terminal.console.print(f"Photos removed: {gone.photos}. Files of none removed: {gone.files}.")
    _check(gone.failure, "gridmap photos purge")


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

    async def retained(database: Database) -> Retained:
        if plan:
            return Retained(await to_go(database, terms, now()), None)
        return await retain(database, Objects(settings.photos_address), terms, now())

    with current_url() as url:
        gone, failure = with_database(url, retained, seconds=_SECONDS)
    said = ", ".join(f"{count} {noun.replace('_', ' ')}" for noun, count in gone._asdict().items())
    would = "would be" if plan else "was"
    terminal.console.print(
        f"Personal data {would} taken out, of what ended more than {kept_days} days ago: {said}.",
        soft_wrap=True,
    )
    _check(failure, "gridmap retention")


def _check(failure: Unavailable | None, command: str) -> None:
    """Raises Unavailable with what is left to do, where the place of photos was not to be had."""
    if failure is not None:
        raise Unavailable(
            "The place of photos (GRIDMAP_PHOTOS) cannot be used now: files of photos that were "
            "taken out may still be there, and photos that no report took. All else is done. Run "
            f"`{command}` again when it can be used; then they go."
        ) from failure
