"""What people do with a report: each action in one transaction, with its event.

The report's row is locked, so that of two who act at the same moment one comes first; the other
meets a version that it has not seen and is told how the report stands. The action that was sent
again because its answer was lost gets that answer.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import exc, exists, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import Conflict, Forbidden, Invalid, NotFound, TooLarge
from gridmap.store import audit, tables
from gridmap.store.dates import CHINA
from gridmap.store.loop import (
    ENDED,
    STEPS,
    TRANSITIONS,
    Action,
    Level,
    Party,
    State,
    Step,
    transition,
)
from gridmap.store.report_rules import ReportRules
from gridmap.store.reports import (
    EVENT_COLUMNS,
    REPORT_COLUMNS,
    Event,
    Report,
    ReportKey,
    reports_by_key,
)
from gridmap.store.scopes import condition, scope_of
from gridmap.store.standings import standings
from gridmap.store.submissions import Placement
from gridmap.store.viewers import Role, Viewer
from gridmap.store.working_time import resumed

_table = tables.reports
_event = tables.report_events

LONGEST_NOTE = 2_000

LONGEST_DELAY = datetime.timedelta(days=3 * 366)
"""Longer than any rule asks for, and soon enough for every calendar and program to know the day."""


class Handler(NamedTuple):
    """To whom a report is dispatched: `kind` is one of `tables.HANDLER_KINDS`."""

    kind: str
    code: str


@dataclass(frozen=True, slots=True)
class Move:
    """Where a report is moved to: in WGS 84 degrees, as it was given, and what is there."""

    longitude: float
    latitude: float
    source_datum: str
    source_longitude: float
    source_latitude: float
    accuracy: float | None
    placement: Placement


@dataclass(frozen=True, slots=True)
class Deed:
    """An action as somebody wants it. `version` is the report's that they saw.

    `into`: the report to merge into. `handler`: to whom to dispatch, None for who answers.
    `until`: when a suspension ends, or the new deadline. `rating`: 1 to 5. `move`: of MOVE and
    CHOOSE_GRID.
    """

    action: Action
    version: int
    note: str = ""
    photos: Sequence[UUID] = ()
    into: UUID | None = None
    handler: Handler | None = None
    until: datetime.datetime | None = None
    rating: int | None = None
    move: Move | None = None

    @property
    def given(self) -> dict[str, Any]:
        """What was said, by which the same action is known again."""
        said: dict[str, Any] = {
            "photos": [str(photo) for photo in self.photos],
            "into": str(self.into) if self.into else None,
            "handler": list(self.handler) if self.handler else None,
            "until": self.until.isoformat() if self.until else None,
            "rating": self.rating,
        }
        if self.move is not None:
            said["datum"] = self.move.source_datum
            said["longitude"] = self.move.source_longitude
            said["latitude"] = self.move.source_latitude
            said["grid"] = self.move.placement.grid_code
        return {name: value for name, value in said.items() if value}


class Outcome(NamedTuple):
    """The report as it stands after an action, and the action's event."""

    report: Report
    event: Event


@dataclass(slots=True)
class _Under:
    """A report that is locked, and what an action makes of it."""

    connection: AsyncConnection
    report: Report
    parties: frozenset[Party]
    regions: list[str]
    viewer: Viewer
    now: datetime.datetime
    rules: ReportRules
    changes: dict[str, Any] = field(default_factory=dict)

    def due(self, step: Step) -> datetime.datetime | None:
        report = self.report
        return self.rules.due(
            self.now, report.district_code, report.category_code, report.urgency, step
        )

    def resumed(self, due_at: datetime.datetime | None) -> datetime.datetime | None:
        """The limit after a suspension: the time that it lasted counts for nobody."""
        since = self.report.state_since
        # The clock of the server that suspended it may be a little faster.
        return resumed(due_at, since, max(since, self.now)) if due_at else None


async def act(
    connection: AsyncConnection,
    key: ReportKey,
    deed: Deed,
    viewer: Viewer,
    now: datetime.datetime,
    rules: ReportRules,
) -> Outcome:
    """What the action makes of the report. `connection` is in a transaction of its own.

    Raises NotFound where there is no such report that the viewer may see, Forbidden where the
    viewer may not do this, Conflict where the report is in another state or version than the viewer
    saw, and Invalid for what makes no sense.
    """
    report = await _locked(connection, key, deed)
    [(parties, regions, _)] = await standings(connection, [report], viewer)
    is_seen = bool(parties) or await _is_seen(connection, key, viewer)
    repeated = await _repeated(connection, report, deed, viewer)
    # By the action itself it may have come to be somebody else's.
    if repeated is not None and (is_seen or repeated.event.version == report.version):
        return repeated
    if not is_seen:
        raise no_such(key)
    if deed.version != report.version:
        raise Conflict(
            f"Report {report.number} is at version {report.version} by now, and {report.state}; "
            f"you saw version {deed.version}. Look at it again and decide anew.",
            state=report.state,
            version=report.version,
        )
    under = _Under(connection, report, parties, regions, viewer, now, rules)
    action = _really(under, deed)
    step = transition(State(report.state), action)
    if viewer.role is not Role.ADMINISTRATOR and not parties & step.parties:
        who = ", ".join(party for party in Party if party in step.parties)
        have = ", ".join(party for party in Party if party in parties)
        raise Forbidden(
            f"{action} of a report that is {report.state} is for its {who}. Of report "
            f"{report.number} you are {have or 'none of these'}.",
            reason="NOT_YOURS_TO_DO",
            action=action,
        )
    if step.needs_note and not deed.note.strip():
        raise Invalid(
            f"{action} needs a note that says why.", reason="NOT_SAID_WHY", most=LONGEST_NOTE
        )
    if len(deed.note) > LONGEST_NOTE:
        raise TooLarge(
            f"The note has {len(deed.note)} characters; at most {LONGEST_NOTE} are kept.",
            reason="NOTE_TOO_LONG",
            most=LONGEST_NOTE,
        )
    _go(under, step.to)
    await _apply(under, action, deed)
    return await _written(under, action, step.to, deed)


def _really(under: _Under, deed: Deed) -> Action:
    """MOVE is REASSIGN where it takes the report out of its handler's hands."""
    report, move = under.report, deed.move
    is_in_hand = (State(report.state), Action.REASSIGN) in TRANSITIONS
    if deed.action is not Action.MOVE or move is None or not is_in_hand:
        return deed.action
    here = report.district_code, report.grid_code, report.sponsor_code
    there = move.placement.district_code, move.placement.grid_code, move.placement.sponsor_code
    return Action.MOVE if here == there else Action.REASSIGN


def _go(under: _Under, to: State) -> None:
    """Sets what the new state says by itself."""
    report, now, changes = under.report, under.now, under.changes
    if Party.REPORTER not in under.parties and report.replied_at is None:
        changes["replied_at"] = now
    if to == report.state:
        return
    changes |= {"state": to, "state_since": now}
    if report.state == State.SUSPENDED:
        changes["due_at"] = under.resumed(report.due_at)
    step = STEPS[to]
    if step is None:
        changes["step_due_at"] = None
    elif step is not STEPS[State(report.state)]:
        changes["step_due_at"] = under.due(step)
    if to in ENDED:
        changes["ended_at"] = report.ended_at or now
    if to in (State.REGISTERED, State.RETURNED):
        changes |= {"handler_kind": None, "handler_code": None}


async def _apply(under: _Under, action: Action, deed: Deed) -> None:
    """What is particular to an action."""
    report, changes = under.report, under.changes
    match action:
        case Action.MERGE:
            changes["merged_into"] = await _target(under, deed.into)
        case Action.REJECT:
            await _refuse_if_others_were_merged_into(under)
        case Action.DISPATCH:
            handler = await _handler(under, deed.handler)
            changes |= {"handler_kind": handler.kind, "handler_code": handler.code}
        case Action.SUSPEND:
            changes["step_due_at"] = _later(under, deed.until, "the suspension ends", _last_day)
        case Action.EXTEND:
            until = _later(under, deed.until, "it is to be closed")
            if report.due_at is not None and until <= report.due_at:
                raise Invalid(
                    f"The deadline is {_said(report.due_at)} already; extend it to a later time.",
                    reason="DEADLINE_NOT_LATER",
                    deadline=report.due_at.isoformat(),
                )
            changes["due_at"] = until
            if STEPS[State(report.state)] is Step.HANDLE:
                changes["step_due_at"] = max(until, report.step_due_at or until)
        case Action.START if report.state == State.SUSPENDED:
            changes["step_due_at"] = under.resumed(await _before_suspension(under))
        case Action.CLOSE:
            changes["closed_at"] = under.now
        case Action.RATE:
            if not under.rules.is_rated(under.regions):
                raise Conflict("Reports are not rated in this district.")
            if deed.rating is None or not 1 <= deed.rating <= 5:
                raise Invalid(f"The rating is {deed.rating}; it goes from 1 to 5.")
            changes["rating"] = deed.rating
        case Action.REOPEN:
            changes |= dict.fromkeys(("closed_at", "ended_at", "rating", "merged_into"))
            changes["due_at"] = under.due(Step.WHOLE)
        case Action.ESCALATE:
            above = Level(report.level).above
            if above is None:
                raise Conflict(
                    "The report is with the district, and nothing is above it here.",
                    reason="NOTHING_ABOVE",
                )
            changes["level"] = above
            changes["step_due_at"] = under.due(Step.DISPATCH)
        case Action.MOVE | Action.REASSIGN | Action.CHOOSE_GRID:
            await _move(under, deed.move)


async def _move(under: _Under, move: Move | None) -> None:
    if move is None:
        raise Invalid("Say where the report is moved to.")
    to = move.placement
    if to.district_code != under.report.district_code:
        raise Conflict(
            f"That place is in district {to.district_code}, and the report is kept in "
            f"{under.report.district_code}. Reject it here with a note, and report it there."
        )
    if to.candidates:
        raise Invalid(
            "The position leaves a choice between "
            f"{', '.join(each.grid.code for each in to.candidates)}; say which grid it is."
        )
    level = to.level
    if await _was_escalated(under):
        # Up the ladder it was taken on purpose.
        level = max(level, Level(under.report.level), key=lambda each: each.rank)
    under.changes |= {
        "location": f"SRID={tables.LONGITUDE_LATITUDE};POINT({move.longitude!r} {move.latitude!r})",
        "source_datum": move.source_datum,
        "source_longitude": move.source_longitude,
        "source_latitude": move.source_latitude,
        "accuracy": move.accuracy,
        "region_code": to.region_code,
        "grid_code": to.grid_code,
        "building_code": to.building_code,
        "sponsor_code": to.sponsor_code,
        "level": level,
    }


async def _was_escalated(under: _Under) -> bool:
    return bool(
        await under.connection.scalar(
            select(
                exists().where(
                    _event.c.district_code == under.report.district_code,
                    _event.c.report_id == under.report.id,
                    _event.c.action == Action.ESCALATE,
                )
            )
        )
    )


async def _target(under: _Under, into: UUID | None) -> UUID:
    report = under.report
    if into is None:
        raise Invalid("Say which report it is merged into.")
    if into == report.id:
        raise Invalid("A report cannot be merged into itself.", reason="INTO_ITSELF")
    is_known = condition(await scope_of(under.connection, under.viewer))
    if Party.REPORTER in under.parties:
        # They may join it to those that they were told of, unseen.
        is_known |= exists().where(
            _event.c.district_code == report.district_code,
            _event.c.report_id == report.id,
            _event.c.version == 1,
            _event.c.details["duplicates"].op("@>")(func.jsonb_build_array(str(into))),
        )
    # Locked with the report.
    found = (
        await under.connection.execute(
            select(_table.c.state, _table.c.serial).where(
                _table.c.district_code == report.district_code,
                _table.c.id == into,
                is_known,
            )
        )
    ).first()
    if found is None:
        raise Invalid(
            f"There is no report {into} in district {report.district_code} to merge this one into.",
            reason="NO_REPORT_TO_MERGE_INTO",
        )
    if found.state in ENDED:
        raise Conflict(
            f"Report {report.district_code}-{found.serial} is {found.state}, and nobody would look "
            "after this one. Merge into one that is open, or have that one reopened first.",
            reason="MERGED_INTO_ENDED",
            number=f"{report.district_code}-{found.serial}",
        )
    await _refuse_if_others_were_merged_into(under)
    return into


async def _refuse_if_others_were_merged_into(under: _Under) -> None:
    """They would go where this one goes, and nobody would look after them."""
    report = under.report
    held = await under.connection.scalar(
        select(
            exists().where(
                _table.c.district_code == report.district_code, _table.c.merged_into == report.id
            )
        )
    )
    if held:
        raise Conflict(
            f"Other reports were merged into report {report.number}. Reopen them first, or merge "
            "the other one into it.",
            reason="HOLDS_OTHERS",
        )


async def _handler(under: _Under, wanted: Handler | None) -> Handler:
    report = under.report
    if wanted is None:
        if report.sponsor_code is None:
            raise Invalid(
                "Nobody answers for this place by itself; say to whom to dispatch.",
                reason="NOBODY_ANSWERS",
            )
        return Handler("SPONSOR", report.sponsor_code)
    statement = {
        "SPONSOR": "SELECT EXISTS (SELECT FROM sponsors WHERE code = :code)",
        "GRID_WORKER": """
            SELECT EXISTS (SELECT FROM workers WHERE district_code = :district AND code = :code)
            """,
        "REGION": """
            SELECT EXISTS (SELECT FROM regions WHERE district_code = :district AND code = :code)
            """,
        # Nobody keeps a list of them.
        "BUILDING_MEMBER": "SELECT btrim(:code) <> ''",
    }[wanted.kind]
    parameters = {"district": report.district_code, "code": wanted.code}
    if not await under.connection.scalar(text(statement), parameters):
        # Sponsors are the server's, as those of a city answer in several districts.
        where = "" if wanted.kind == "SPONSOR" else f" in district {report.district_code}"
        raise Invalid(
            f"There is no {wanted.kind} {wanted.code!r}{where}.",
            reason="NO_HANDLER",
            code=wanted.code,
        )
    return wanted


def _said(moment: datetime.datetime) -> str:
    with suppress(OverflowError):  # of the first day of all, and of the last
        moment = moment.astimezone(CHINA)
    return moment.isoformat(sep=" ", timespec="minutes")


def _last_day(end: datetime.datetime) -> str:
    """The day that ends at a midnight, by which people say when a suspension ends."""
    return (end - datetime.timedelta(microseconds=1)).date().isoformat()


def _later(
    under: _Under,
    until: datetime.datetime | None,
    what: str,
    said: Callable[[datetime.datetime], str] = _said,
) -> datetime.datetime:
    if until is None:
        raise Invalid(f"Say until when: the time at which {what}.")
    if until <= under.now:
        raise Invalid(f"{said(until)} is past; say a later time.", reason="TIME_IS_PAST")
    if until > under.now + LONGEST_DELAY:
        raise Invalid(
            f"{said(until)} is more than three years away; say an earlier time.",
            reason="TIME_TOO_FAR",
        )
    return until


async def _before_suspension(under: _Under) -> datetime.datetime | None:
    """The deadline of the step as it was when the report was suspended."""
    report = under.report
    written = await under.connection.scalar(
        select(_event.c.details["held"].astext)
        .where(
            _event.c.district_code == report.district_code,
            _event.c.report_id == report.id,
            _event.c.action == Action.SUSPEND,
        )
        .order_by(_event.c.version.desc())
        .limit(1)
    )
    return datetime.datetime.fromisoformat(written) if written else None


async def _locked(connection: AsyncConnection, key: ReportKey, deed: Deed) -> Report:
    """The report, locked, with the one that it is to be merged into; in one order for all."""
    ids = [key.id] if deed.into is None else [key.id, deed.into]
    rows = await connection.execute(
        select(*REPORT_COLUMNS)
        .where(
            _table.c.district_code == key.district_code, or_(*(_table.c.id == id_ for id_ in ids))
        )
        .order_by(_table.c.id)
        .with_for_update()
    )
    for report in (Report(*row) for row in rows):
        if report.id == key.id:
            return report
    raise no_such(key)


async def _is_seen(connection: AsyncConnection, key: ReportKey, viewer: Viewer) -> bool:
    """Whether the viewer, who is nothing else to the report, may see it."""
    scope = await scope_of(connection, viewer)
    return scope.is_all or (await reports_by_key(connection, [key], scope))[0] is not None


def no_such(key: ReportKey) -> NotFound:
    return NotFound(f"There is no report {key.id} in district {key.district_code}.")


async def _repeated(
    connection: AsyncConnection, report: Report, deed: Deed, viewer: Viewer
) -> Outcome | None:
    """The outcome of the same action by the same person upon the same version, if it is done."""
    if deed.version >= report.version:
        return None
    row = (
        await connection.execute(
            select(*EVENT_COLUMNS).where(
                _event.c.district_code == report.district_code,
                _event.c.report_id == report.id,
                _event.c.version == deed.version + 1,
            )
        )
    ).first()
    if row is None:
        return None
    event = Event(*row)
    action = Action.MOVE if event.action == Action.REASSIGN else event.action
    # The first event, SUBMIT, was given nothing of this kind.
    given = event.details.get("given")
    done = action, event.note, given, event.actor_role, event.actor_subject
    wanted = deed.action, deed.note, deed.given, viewer.role, viewer.subject
    return Outcome(report, event) if done == wanted else None


async def _written(under: _Under, action: Action, to: State, deed: Deed) -> Outcome:
    report, viewer = under.report, under.viewer
    version = report.version + 1
    details: dict[str, Any] = {"given": deed.given, "changed": _changed(under)}
    if action is Action.SUSPEND:
        details["held"] = report.step_due_at
    event = (
        await under.connection.execute(
            insert(_event)
            .values(
                district_code=report.district_code,
                report_id=report.id,
                version=version,
                action=action,
                state=to,
                at=under.now,
                actor_role=viewer.role,
                actor_subject=viewer.subject,
                note=deed.note,
                details=orjson.loads(orjson.dumps(details)),
            )
            .returning(*EVENT_COLUMNS)
        )
    ).one()
    try:
        if deed.photos:
            await under.connection.execute(
                insert(tables.report_photos),
                [
                    {
                        "district_code": report.district_code,
                        "report_id": report.id,
                        "version": version,
                        "place": place,
                        "photo_id": photo,
                    }
                    for place, photo in enumerate(deed.photos, start=1)
                ],
            )
    except exc.IntegrityError as error:
        raise Invalid(
            "A photo is not here, or no more, or in another report; upload it under an id of its "
            "own and send this again."
        ) from error
    row = (
        await under.connection.execute(
            update(_table)
            .where(_table.c.district_code == report.district_code, _table.c.id == report.id)
            .values(version=version, **under.changes)
            .returning(*REPORT_COLUMNS)
        )
    ).one()
    await audit.enter(
        under.connection, viewer, action, "reports", [report.report_key], version=version
    )
    return Outcome(Report(*row), Event(*event))


def _changed(under: _Under) -> dict[str, Any]:
    """What the report said before, of all that is other now."""
    report = under.report._asdict()
    before = {name: report[name] for name in under.changes if name in report}
    if "location" in under.changes:
        before |= {"longitude": report["longitude"], "latitude": report["latitude"]}
    return {name: value for name, value in before.items() if value != under.changes.get(name, ...)}
