"""The audit log as auditors see it."""

from __future__ import annotations

import datetime

import strawberry
from strawberry.scalars import JSON

from gridmap.schema.connections import Connection, connection
from gridmap.schema.context import Context
from gridmap.schema.scalars import aware
from gridmap.store import audit as store
from gridmap.store.paging import Slice


@strawberry.type(
    description="That somebody wrote something, or was told personal data. Never changed or "
    "deleted, and without what was written or told."
)
class AuditEntry:
    at: datetime.datetime = strawberry.field(description="By the clock of the database.")
    district: str | None = strawberry.field(description="Its code; null where none is meant.")
    role: str = strawberry.field(
        description="What the person was; OPERATOR: who ran a command on the server's machine."
    )
    subject: str | None = strawberry.field(
        description="Who it was within the role. Of residents and buildings' members a digest."
    )
    account: str | None = strawberry.field(description="What they signed in with.")
    address: str | None = strawberry.field(description="From where they asked.")
    request: str | None = strawberry.field(description="The X-Request-ID of the answer.")
    action: str = strawberry.field(description="READ, or what was done.")
    noun: str = strawberry.field(description="To what: reports, reporters, users.")
    ids: list[str] = strawberry.field(description="To which of them.")
    details: JSON = strawberry.field(description="More of it, by action.")


def audit_entry(row: store.Entry) -> AuditEntry:
    """The row as clients see it."""
    return AuditEntry(
        at=row.at,
        district=row.district_code or None,
        role=row.role,
        subject=row.subject or None,
        account=row.account or None,
        address=row.address or None,
        request=row.request or None,
        action=row.action,
        noun=row.noun,
        ids=list(row.ids),
        details=JSON(row.details),
    )


async def audit_log(
    context: Context,
    district: str | None,
    since: datetime.datetime | None,
    until: datetime.datetime | None,
    who: str | None,
    cut: Slice,
) -> Connection[AuditEntry]:
    """A page of the log, newest first. Raises Forbidden for whoever may not see it."""
    for name, moment in (("from", since), ("to", until)):
        if moment is not None:
            aware(name, moment)
    wanted = store.EntryFilter(district, since, until, who)
    rows = await context.run(store.page_of_entries, wanted, context.viewer, cut)
    return connection(
        rows,
        cut,
        audit_entry,
        lambda: context.run(store.count_entries, wanted, context.viewer),
    )
