"""Visits as clients see them, and how one is logged."""

from __future__ import annotations

import datetime
from enum import Enum
from uuid import UUID

import strawberry

from gridmap.errors import Invalid
from gridmap.schema.buildings import Building, building
from gridmap.schema.context import Context, Info
from gridmap.schema.nodes import GlobalId, Node
from gridmap.schema.scalars import aware
from gridmap.schema.workers import GridWorker, grid_worker
from gridmap.store import buildings as store_buildings
from gridmap.store import visits as store
from gridmap.store import workers as store_workers
from gridmap.store.caretakers import look_after
from gridmap.store.paging import Key
from gridmap.store.viewers import Role


@strawberry.enum(description="What grid workers do at buildings.")
class VisitKind(Enum):
    VISIT = strawberry.enum_value("VISIT", description="走访排查: to see how things are.")
    OPINIONS = strawberry.enum_value("OPINIONS", description="收集民意: to hear what people want.")
    POLICY = strawberry.enum_value("POLICY", description="宣传政策: to explain what holds.")
    ERRAND = strawberry.enum_value("ERRAND", description="代办服务: to do something for somebody.")


@strawberry.type(description="What a grid worker did at a building.")
class Visit(Node):
    kind: VisitKind
    at: datetime.datetime
    row: strawberry.Private[store.Visit]

    def global_id(self) -> GlobalId:
        return GlobalId("Visit", self.row.district_code, str(self.row.id))

    @strawberry.field(
        description="What was seen or done; null for whoever does not look after the building."
    )
    async def note(self, info: Info) -> str | None:
        words = await self._words(info.context)
        return words.note if words else None

    @strawberry.field(
        description="Whose visit it was; null for whoever does not look after the building, for "
        "visits say where a person was and when."
    )
    async def worker(self, info: Info) -> GridWorker | None:
        words = await self._words(info.context)
        if words is None:
            return None
        key = Key(words.worker_code, self.row.district_code)
        row = await info.context.load(store_workers.workers_by_key, key)
        assert row is not None  # a foreign key holds it
        return grid_worker(row)

    @strawberry.field
    async def building(self, info: Info) -> Building:
        today = info.context.today
        row = await info.context.load(
            store_buildings.buildings_by_key, self.row.building_key, today
        )
        assert row is not None  # a foreign key holds it
        return building(row, today)

    async def _words(self, context: Context) -> store.Words | None:
        """None for whoever does not look after the building."""
        viewer, key = context.viewer, self.row.building_key
        is_told = viewer.role is Role.AUDITOR or await context.load(
            look_after, key, viewer, context.today
        )
        if not is_told:
            return None
        context.note_read("visits", self.row.district_code, self.row.id)
        return await context.load(store.words_of_visits, (self.row.district_code, self.row.id))


def visit(row: store.Visit) -> Visit:
    """The row as a node."""
    return Visit(kind=VisitKind(row.kind), at=row.at, row=row)


def visit_key(given: GlobalId) -> tuple[str, UUID]:
    """Raises Invalid for what is no id of a visit."""
    try:
        return given.district_code, UUID(given.code)
    except ValueError as error:
        raise Invalid(f"{given.encoded()!r} is not the id of a visit.") from error


@strawberry.input
class LogVisitInput:
    id: UUID = strawberry.field(
        description="Made by the client, a UUIDv7 by preference. Send the visit again with the "
        "same id until it is answered: it is taken once."
    )
    building: str = strawberry.field(description="Its code.")
    kind: VisitKind
    at: datetime.datetime = strawberry.field(description="When it was.")
    note: str = strawberry.field(
        default="",
        description=f"At most {store.LONGEST_NOTE} characters. Shown to those alone who look after "
        "the building.",
    )
    worker: str | None = strawberry.field(
        default=None,
        description="The code of the grid worker whose visit it was; left out by a grid worker.",
    )


@strawberry.type
class LogVisitPayload:
    visit: Visit
    building: Building


@strawberry.type
class VisitMutation:
    @strawberry.mutation(
        description="Say what a grid worker did at a building. For the worker of its grid, and the "
        "offices of the community, the street and the district. The same sent again is answered "
        "the same."
    )
    async def log_visit(self, info: Info, input: LogVisitInput) -> LogVisitPayload:
        context = info.context
        given = store.NewVisit(
            input.id,
            input.building,
            input.kind.name,
            aware("at", input.at),
            input.note,
            input.worker,
        )
        async with context.keeper.transaction() as connection:
            row = await store.log(connection, given, context.viewer, context.now)
        context.forget_loaded()
        kept = await context.load(store_buildings.buildings_by_key, row.building_key, context.today)
        assert kept is not None  # a foreign key holds it
        return LogVisitPayload(visit=visit(row), building=building(kept, context.today))
