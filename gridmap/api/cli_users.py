"""Who signs in here: `gridmap user`, and `gridmap token` for whoever is known elsewhere."""

from __future__ import annotations

import datetime
import getpass
import sys
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.api import terminal
from gridmap.api.cli_database import database_url, in_database, in_transaction
from gridmap.api.identity import LONGEST_VALIDITY, Tokens, with_secret
from gridmap.api.settings import settings_from_environment
from gridmap.api.terminal import print_users
from gridmap.errors import Invalid
from gridmap.store import users
from gridmap.store.audit import enter, named
from gridmap.store.database import Rights
from gridmap.store.dates import today
from gridmap.store.passwords import check_password, hashed
from gridmap.store.viewers import CODES, Role, Viewer

app = typer.Typer(help="Who signs in here with a name and a password.", no_args_is_help=True)


def codes_of_roles() -> str:
    """What `--code` is, a line a role."""
    lines = ["CODE is, given as often as there are:"]
    lines += [f"{role:<16} {codes.meaning}" for role, codes in CODES.items()]
    return "\n".join([*lines, "The other roles take none."])


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
    whose, codes = [("", named(viewer.role, subject))], sorted(viewer.codes)

    async def written(connection: AsyncConnection) -> None:
        await enter(
            connection, None, "ISSUE", "tokens", whose, to=role.value, codes=codes, days=days
        )

    with database_url(settings) as url:
        in_transaction(settings.serving_url(url, Rights.KEEPER), written)
    print(issued)


NameArgument = Annotated[str, typer.Argument(help="What the person signs in with.")]


@app.command(epilog=codes_of_roles())
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
    added = in_database(
        lambda connection: users.add_user(connection, name, hashed(password), viewer, since, until)
    )
    terminal.console.print(f"{added.name} signs in from {since} as {role}.", soft_wrap=True)


@app.command("list")
def list_() -> None:
    """Who signs in here, and as what."""
    print_users(terminal.console, in_database(users.all_users), today())


@app.command()
def disable(name: NameArgument) -> None:
    """Let somebody sign in no more. Access tokens that are out end within 15 minutes."""
    in_database(lambda connection: users.set_disabled(connection, name, True))
    terminal.console.print(f"{name} is signed out and signs in no more.", soft_wrap=True)


@app.command()
def enable(name: NameArgument) -> None:
    """Let somebody sign in again."""
    in_database(lambda connection: users.set_disabled(connection, name, False))
    terminal.console.print(f"{name} signs in again.", soft_wrap=True)


@app.command("password")
def password_(name: NameArgument) -> None:
    """Give somebody another password, who is then signed out everywhere."""
    password = _password(name)
    in_database(lambda connection: users.set_password(connection, name, hashed(password)))
    terminal.console.print(f"{name} has another password.", soft_wrap=True)


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
