"""What is done to reports: one mutation for each action, each with an input and a payload."""

from __future__ import annotations

import asyncio
import datetime
from typing import TypeVar
from uuid import UUID

import numpy as np
import strawberry

from gridmap.errors import Conflict, GridmapError, Invalid, TooLarge
from gridmap.schema.context import Context, Info
from gridmap.schema.grids import Grid, grid_as_it_was
from gridmap.schema.locations import GridCandidate, spots
from gridmap.schema.nodes import GlobalId
from gridmap.schema.points import PointInput, wgs84_position
from gridmap.schema.report_types import HandlerKind, ReportSource, Urgency
from gridmap.schema.reports import (
    Report,
    ReportEvent,
    capture_of,
    report,
    report_event,
    report_key,
    report_of,
)
from gridmap.schema.scalars import aware
from gridmap.schema.sponsors import Sponsor, sponsor_of
from gridmap.schema.workers import GridWorker, grid_worker
from gridmap.store import actions as store_actions
from gridmap.store import grids as store_grids
from gridmap.store import reports as store
from gridmap.store import submissions
from gridmap.store import workers as store_workers
from gridmap.store.actions import Deed, Move
from gridmap.store.dates import CHINA, now
from gridmap.store.loop import Action, State
from gridmap.store.paging import Key
from gridmap.store.permissions import Permission, require
from gridmap.store.scopes import EVERYTHING, Scope
from gridmap.store.viewers import Role, holder_of_receipt

MOST_PHOTOS = 6
LONGEST_DESCRIPTION = 2_000
LONGEST_CONTACT = 100

# A phone's clock may be a little fast; and what waited for a network was not seen years ago.
_FAST_CLOCK = datetime.timedelta(minutes=10)
_LONGEST_WAY = datetime.timedelta(days=365)


@strawberry.input(description="How to reach whoever reports. Kept apart, for those who handle it.")
class ReporterInput:
    name: str | None = None
    phone: str | None = None


@strawberry.input
class SubmitReportInput:
    id: UUID = strawberry.field(
        description="Made by the client, a UUIDv7 by preference, and told to nobody else: whoever "
        "knows it may send the report again and gets the same reply. Do so until it is answered; "
        "it is taken once. The report's own id is another."
    )
    point: PointInput
    captured_at: datetime.datetime = strawberry.field(description="When it was seen.")
    category: str = strawberry.field(description="The code of a category.")
    description: str
    urgency: Urgency = Urgency.ROUTINE
    source: ReportSource = ReportSource.PHONE
    grid: str | None = strawberry.field(
        default=None,
        description="The code of the grid, where whoever reports knows it; one that the accuracy "
        "circle touches.",
    )
    photos: list[UUID] = strawberry.field(
        default_factory=list, description=f"Ids of uploaded photos; at most {MOST_PHOTOS}."
    )
    reporter: ReporterInput | None = None


@strawberry.type(
    description="A report that may be of the same thing: as much of it as anybody may know who "
    "reports something near by."
)
class ReportDuplicate:
    id: strawberry.ID = strawberry.field(description="The report's, by which to join it.")
    number: str
    state: State
    received_on: datetime.date = strawberry.field(description="In China.")
    key: strawberry.Private[store.ReportKey]

    @strawberry.field(description="Null for whoever may not see it.")
    async def report(self, info: Info) -> Report | None:
        return await report_of(info.context, self.key)


def report_duplicate(row: submissions.Duplicate) -> ReportDuplicate:
    id_ = GlobalId("Report", row.key.district_code, str(row.key.id)).encoded()
    return ReportDuplicate(
        id=id_,
        number=row.number,
        state=State(row.state),
        received_on=row.received_on,
        key=row.key,
    )


@strawberry.type(
    description="随手拍·即时回. The same submission gets the same reply, however often it is sent."
)
class SubmitReportPayload:
    report: Report
    number: str
    deadline: datetime.datetime | None = strawberry.field(description="By when it is to be closed.")
    receipt: str | None = strawberry.field(
        description="A token by which whoever reported may act on this report later: rate it, "
        "reopen it, join it to another. Null where the server issues none."
    )
    is_default_handler: bool = strawberry.field(
        description="Whether the sponsor answers because nobody else does: 全域兜底."
    )
    event: strawberry.Private[store.Event]

    @strawberry.field(description="Null where there is none, and where candidates leave a choice.")
    async def grid(self, info: Info) -> Grid | None:
        if (code := self.event.details["grid"]) is None:
            return None
        context, capture = info.context, capture_of(self.report.row, code)
        snapshot = context.remembered
        row = snapshot.grid(capture.key) if snapshot and snapshot.day == capture.day else None
        if row is None or row.valid_from == capture.day:  # may be of a later hour
            row = await context.load(store_grids.grids_at_capture, capture)
        return grid_as_it_was(row, context.today) if row else None

    @strawberry.field(
        description="The grids it may lie in, where the position does not say which; largest share "
        "first. Choose one with chooseReportGrid; where it is one of another district, report it "
        "anew with that grid."
    )
    async def candidates(self, info: Info) -> list[GridCandidate]:
        candidates = self.event.details["candidates"]
        grids = await asyncio.gather(
            *(self._grid(info.context, said["grid"], said["district"]) for said in candidates)
        )
        return [
            GridCandidate(grid=grid, share=said["share"], distance=said["distance"])
            for said, grid in zip(candidates, grids, strict=True)
            if grid is not None
        ]

    @strawberry.field(description="Who walks the grid.")
    async def workers(self, info: Info) -> list[GridWorker]:
        keys = [Key(code, self.event.district_code) for code in self.event.details["workers"]]
        rows = await asyncio.gather(
            *(info.context.load(store_workers.workers_by_key, key) for key in keys)
        )
        return [grid_worker(row) for row in rows if row is not None]

    @strawberry.field(description="Who answers.")
    async def sponsor(self, info: Info) -> Sponsor | None:
        return await sponsor_of(info.context, self.event.details["sponsor"])

    @strawberry.field(
        description="Up to three reports of the same category that are open, within 50 m and 14 "
        "days, nearest first: the same thing, perhaps. Join one with mergeReport (并单). To "
        "whoever may not see all reports there it is told so coarsely that nobody finds out where "
        "they are."
    )
    async def duplicates(self, info: Info) -> list[ReportDuplicate]:
        keys = [
            store.ReportKey(self.event.district_code, UUID(id_))
            for id_ in self.event.details["duplicates"]
        ]
        rows = await info.context.run_as_keeper(submissions.duplicates, keys) if keys else []
        return [report_duplicate(row) for row in rows]

    async def _grid(self, context: Context, code: str, district_code: str) -> Grid | None:
        key = Key(code, district_code)
        day = self.report.row.captured_at.astimezone(CHINA).date()
        snapshot = context.remembered
        row = snapshot.grid(key) if snapshot and snapshot.day == day else None
        row = row or await context.load(store_grids.grids_on_days, (key, day))
        return grid_as_it_was(row, context.today) if row else None


@strawberry.interface(description="What an action has made of a report.")
class ReportActionPayload:
    report: Report = strawberry.field(description="As it stands now.")
    event: ReportEvent = strawberry.field(description="The action's own.")


Payload = TypeVar("Payload", bound=ReportActionPayload)


@strawberry.type
class RegisterReportPayload(ReportActionPayload): ...


@strawberry.type
class RejectReportPayload(ReportActionPayload): ...


@strawberry.type
class MergeReportPayload(ReportActionPayload): ...


@strawberry.type
class ChooseReportGridPayload(ReportActionPayload): ...


@strawberry.type
class MoveReportPayload(ReportActionPayload): ...


@strawberry.type
class DispatchReportPayload(ReportActionPayload): ...


@strawberry.type
class ReturnReportPayload(ReportActionPayload): ...


@strawberry.type
class AcceptReportPayload(ReportActionPayload): ...


@strawberry.type
class StartReportPayload(ReportActionPayload): ...


@strawberry.type
class SuspendReportPayload(ReportActionPayload): ...


@strawberry.type
class ExtendReportPayload(ReportActionPayload): ...


@strawberry.type
class DoneReportPayload(ReportActionPayload): ...


@strawberry.type
class VerifyReportPayload(ReportActionPayload): ...


@strawberry.type
class ReworkReportPayload(ReportActionPayload): ...


@strawberry.type
class CloseReportPayload(ReportActionPayload): ...


@strawberry.type
class RateReportPayload(ReportActionPayload): ...


@strawberry.type
class ReopenReportPayload(ReportActionPayload): ...


@strawberry.type
class EscalateReportPayload(ReportActionPayload): ...


@strawberry.input
class ReportActionInput:
    id: strawberry.ID
    version: int = strawberry.field(description="The report's, as you saw it.")
    note: str = ""
    photos: list[UUID] = strawberry.field(
        default_factory=list, description=f"Ids of uploaded photos; at most {MOST_PHOTOS}."
    )


@strawberry.input
class RegisterReportInput(ReportActionInput): ...


@strawberry.input(description="The note says why.")
class RejectReportInput(ReportActionInput): ...


@strawberry.input
class MergeReportInput(ReportActionInput):
    into: strawberry.ID = strawberry.field(description="The id of the report to join it to.")


@strawberry.input
class ChooseReportGridInput(ReportActionInput):
    grid: str = strawberry.field(description="The code of one of the candidates.")


@strawberry.input
class MoveReportInput(ReportActionInput):
    point: PointInput
    grid: str | None = strawberry.field(
        default=None, description="The code of the grid, where the position leaves a choice."
    )


@strawberry.input
class HandlerInput:
    kind: HandlerKind
    code: str


@strawberry.input
class DispatchReportInput(ReportActionInput):
    to: HandlerInput | None = strawberry.field(
        default=None, description="The sponsor who answers, unless it is said."
    )


@strawberry.input(description="The note says why.")
class ReturnReportInput(ReportActionInput): ...


@strawberry.input
class AcceptReportInput(ReportActionInput): ...


@strawberry.input
class StartReportInput(ReportActionInput): ...


@strawberry.input(description="The note says why. The time until it goes on counts for nobody.")
class SuspendReportInput(ReportActionInput):
    until: datetime.date = strawberry.field(description="The last day of the suspension.")


@strawberry.input(description="The note says why.")
class ExtendReportInput(ReportActionInput):
    deadline: datetime.datetime = strawberry.field(description="By when it is to be closed.")


@strawberry.input
class DoneReportInput(ReportActionInput): ...


@strawberry.input
class VerifyReportInput(ReportActionInput): ...


@strawberry.input(description="The note says why.")
class ReworkReportInput(ReportActionInput): ...


@strawberry.input
class CloseReportInput(ReportActionInput): ...


@strawberry.input
class RateReportInput(ReportActionInput):
    rating: int = strawberry.field(description="1 to 5.")


@strawberry.input(description="The note says why.")
class ReopenReportInput(ReportActionInput): ...


@strawberry.input(description="The note says why.")
class EscalateReportInput(ReportActionInput): ...


@strawberry.type
class ReportMutation:
    @strawberry.mutation(description="点单: report something. Answered at once.")
    async def submit_report(self, info: Info, input: SubmitReportInput) -> SubmitReportPayload:
        return await _submit(info.context, input)

    @strawberry.mutation(description="受理: take it up.")
    async def register_report(
        self, info: Info, input: RegisterReportInput
    ) -> RegisterReportPayload:
        return await _act(info, input, Action.REGISTER, RegisterReportPayload)

    @strawberry.mutation(description="不予受理")
    async def reject_report(self, info: Info, input: RejectReportInput) -> RejectReportPayload:
        return await _act(info, input, Action.REJECT, RejectReportPayload)

    @strawberry.mutation(description="并单: join it to another report of the same thing.")
    async def merge_report(self, info: Info, input: MergeReportInput) -> MergeReportPayload:
        key, into = report_key(input.id), report_key(input.into)
        if into.district_code != key.district_code:
            raise Invalid("The reports are of two districts; they cannot be merged.")
        return await _act(info, input, Action.MERGE, MergeReportPayload, into=into.id)

    @strawberry.mutation(description="Say in which of the candidates it lies.")
    async def choose_report_grid(
        self, info: Info, input: ChooseReportGridInput
    ) -> ChooseReportGridPayload:
        row = await _kept(info.context, input.id, await info.context.scope())
        if row.grid_code is not None and row.version == input.version:
            raise Conflict(
                f"Report {row.number} is in grid {row.grid_code} already; to put it elsewhere, "
                "move it.",
                state=row.state,
                version=row.version,
            )
        move = await _move(
            info.context,
            row,
            (row.longitude, row.latitude),
            row.accuracy,
            (row.source_datum, row.source_longitude, row.source_latitude),
            input.grid,
        )
        return await _act(info, input, Action.CHOOSE_GRID, ChooseReportGridPayload, move=move)

    @strawberry.mutation(
        description="Move the pin. Where somebody else answers there, it is dispatched anew."
    )
    async def move_report(self, info: Info, input: MoveReportInput) -> MoveReportPayload:
        context, point = info.context, input.point
        # First what is wrong of any report, for whoever may not see this one is to be told no more.
        position, _, _ = wgs84_position(point), _note(input.note), _photos(input.photos)
        # Whoever moved it out of their reach gets the answer once more; `act` says who that is.
        row = await _kept(context, input.id, EVERYTHING)
        source = point.datum, point.longitude, point.latitude
        try:
            move = await _move(context, row, position, point.accuracy, source, input.grid)
        except GridmapError:
            # What is wrong with the place says that there is such a report.
            await _kept(context, input.id, await context.scope())
            raise
        return await _act(info, input, Action.MOVE, MoveReportPayload, move=move)

    @strawberry.mutation(description="派单, 改派: give it to who is to handle it.")
    async def dispatch_report(
        self, info: Info, input: DispatchReportInput
    ) -> DispatchReportPayload:
        to = input.to
        handler = None
        if to is not None:
            code = _words("to.code", to.code, LONGEST_CONTACT)
            handler = store_actions.Handler(str(to.kind.value), code)
        return await _act(info, input, Action.DISPATCH, DispatchReportPayload, handler=handler)

    @strawberry.mutation(description="退单: give it back.")
    async def return_report(self, info: Info, input: ReturnReportInput) -> ReturnReportPayload:
        return await _act(info, input, Action.RETURN, ReturnReportPayload)

    @strawberry.mutation(description="接单: take it on.")
    async def accept_report(self, info: Info, input: AcceptReportInput) -> AcceptReportPayload:
        return await _act(info, input, Action.ACCEPT, AcceptReportPayload)

    @strawberry.mutation(description="处置: begin, or go on after a suspension.")
    async def start_report(self, info: Info, input: StartReportInput) -> StartReportPayload:
        return await _act(info, input, Action.START, StartReportPayload)

    @strawberry.mutation(description="挂账: let it rest until a day.")
    async def suspend_report(self, info: Info, input: SuspendReportInput) -> SuspendReportPayload:
        one_day = datetime.timedelta(days=1)
        # After the last of all days there is none; a day before it is refused as well.
        last = min(input.until, datetime.date.max - one_day)
        end = datetime.datetime.combine(last, datetime.time(), CHINA) + one_day
        return await _act(info, input, Action.SUSPEND, SuspendReportPayload, until=end)

    @strawberry.mutation(description="延时: set a later deadline.")
    async def extend_report(self, info: Info, input: ExtendReportInput) -> ExtendReportPayload:
        until = aware("deadline", input.deadline)
        return await _act(info, input, Action.EXTEND, ExtendReportPayload, until=until)

    @strawberry.mutation(description="反馈: it is done.")
    async def done_report(self, info: Info, input: DoneReportInput) -> DoneReportPayload:
        return await _act(info, input, Action.DONE, DoneReportPayload)

    @strawberry.mutation(description="核查: it is done indeed.")
    async def verify_report(self, info: Info, input: VerifyReportInput) -> VerifyReportPayload:
        return await _act(info, input, Action.VERIFY, VerifyReportPayload)

    @strawberry.mutation(description="返工: it is not done yet.")
    async def rework_report(self, info: Info, input: ReworkReportInput) -> ReworkReportPayload:
        return await _act(info, input, Action.REWORK, ReworkReportPayload)

    @strawberry.mutation(description="结案")
    async def close_report(self, info: Info, input: CloseReportInput) -> CloseReportPayload:
        return await _act(info, input, Action.CLOSE, CloseReportPayload)

    @strawberry.mutation(description="评单: how well it was done, 1 to 5.")
    async def rate_report(self, info: Info, input: RateReportInput) -> RateReportPayload:
        return await _act(info, input, Action.RATE, RateReportPayload, rating=input.rating)

    @strawberry.mutation(description="Take it up again.")
    async def reopen_report(self, info: Info, input: ReopenReportInput) -> ReopenReportPayload:
        return await _act(info, input, Action.REOPEN, ReopenReportPayload)

    @strawberry.mutation(description="上报: to the next level, from building to district.")
    async def escalate_report(
        self, info: Info, input: EscalateReportInput
    ) -> EscalateReportPayload:
        return await _act(info, input, Action.ESCALATE, EscalateReportPayload)


async def _submit(context: Context, given: SubmitReportInput) -> SubmitReportPayload:
    require(context.viewer, Permission.SUBMIT_REPORTS)
    await context.count("reports")
    moment, rules = now(), await context.report_rules()
    position = wgs84_position(given.point)
    reporter = given.reporter
    submission = submissions.Submission(
        id=submissions.kept_id(given.id),
        longitude=position[0],
        latitude=position[1],
        source_datum=given.point.datum,
        source_longitude=given.point.longitude,
        source_latitude=given.point.latitude,
        accuracy=given.point.accuracy,
        captured_at=_captured(given.captured_at, moment),
        category=rules.category(given.category).code,
        urgency=str(given.urgency.value),
        source=str(given.source.value),
        description=_words("description", given.description, LONGEST_DESCRIPTION),
        grid=given.grid,
        photos=_photos(given.photos),
        reporter=_reporter(reporter) if reporter else None,
    )
    day = submission.captured_at.astimezone(CHINA).date()
    [located] = await spots(context, np.array([position]), [submission.accuracy], day)
    async with context.keeper.connection() as connection:
        try:
            placement = await submissions.place(
                connection, located, position, submission.grid, day, rules
            )
        except Invalid:
            # It may have come in before the grids were drawn anew.
            known = await submissions.submitted(connection, submission)
            if known is None:
                raise
            submitted, is_new = known, False
        else:
            submitted, is_new = await submissions.submit(
                connection, submission, placement, moment, context.viewer, rules
            )
    if is_new:
        context.announce_reports()
    row, event = submitted
    due_at = event.details["due_at"]
    is_nobody = context.viewer.role is Role.ANONYMOUS
    sender = holder_of_receipt(row.district_code, row.id) if is_nobody else None
    return SubmitReportPayload(
        report=report(row, sender),
        number=row.number,
        deadline=datetime.datetime.fromisoformat(due_at) if due_at else None,
        receipt=context.receipt(row.district_code, row.id),
        is_default_handler=event.details["is_default"],
        event=event,
    )


async def _act(
    info: Info,
    given: ReportActionInput,
    action: Action,
    payload: type[Payload],
    **particulars: object,
) -> Payload:
    context = info.context
    deed = Deed(
        action,
        given.version,
        note=_note(given.note),
        photos=_photos(given.photos),
        **particulars,  # type: ignore[arg-type]
    )
    key, rules = report_key(given.id), await context.report_rules()
    async with context.keeper.transaction() as connection:
        outcome = await store_actions.act(connection, key, deed, context.viewer, now(), rules)
    context.announce_reports()
    return payload(report=report(outcome.report), event=report_event(outcome.event))


async def _kept(context: Context, given: strawberry.ID, scope: Scope) -> store.Report:
    key = report_key(given)
    [row] = await context.run_as_keeper(store.reports_by_key, [key], scope)
    if row is None:
        raise store_actions.no_such(key)
    return row


async def _move(
    context: Context,
    row: store.Report,
    position: tuple[float, float],
    accuracy: float | None,
    source: tuple[str, float, float],
    grid: str | None,
) -> Move:
    """Where a report is moved to, as of its capture."""
    rules, day = await context.report_rules(), row.captured_at.astimezone(CHINA).date()
    [located] = await spots(context, np.array([position]), [accuracy], day)
    async with context.database.connection() as connection:
        placement = await submissions.place(connection, located, position, grid, day, rules)
    datum, longitude, latitude = source
    return Move(*position, datum, longitude, latitude, accuracy, placement)


def _captured(captured_at: datetime.datetime, moment: datetime.datetime) -> datetime.datetime:
    """Raises Invalid for a time that the report cannot have been seen at."""
    captured_at = aware("capturedAt", captured_at)
    if captured_at > moment + _FAST_CLOCK:
        raise Invalid(
            f"capturedAt is {captured_at.isoformat()}, which is still to come; here it is "
            f"{moment.isoformat(timespec='seconds')}. Is the device's clock right?"
        )
    if captured_at < moment - _LONGEST_WAY:
        raise Invalid(
            f"capturedAt is {captured_at.isoformat()}, more than a year ago. Is the device's clock "
            "right?"
        )
    return captured_at


def _note(given: str) -> str:
    return _words("note", given, store_actions.LONGEST_NOTE) if given.strip() else ""


def _words(name: str, given: str, most: int) -> str:
    words = given.strip()
    if not words:
        raise Invalid(f"{name} is empty; say what there is.")
    if len(words) > most:
        raise TooLarge(f"{name} has {len(words)} characters; at most {most} are kept.")
    if "\0" in words:
        raise Invalid(f"{name} has a null character, which cannot be kept.")
    return words


def _photos(given: list[UUID]) -> tuple[UUID, ...]:
    photos = tuple(dict.fromkeys(given))
    if len(photos) > MOST_PHOTOS:
        raise TooLarge(f"There are {len(photos)} photos; at most {MOST_PHOTOS} are taken at once.")
    return photos


def _reporter(given: ReporterInput) -> store.Reporter:
    name, phone = (
        _words(f"reporter.{what}", said, LONGEST_CONTACT) if said and said.strip() else None
        for what, said in (("name", given.name), ("phone", given.phone))
    )
    return store.Reporter(name, phone)
