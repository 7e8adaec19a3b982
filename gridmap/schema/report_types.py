"""The words of reports: their states, actions, sources, and who handles them."""

from __future__ import annotations

from enum import Enum

import strawberry

from gridmap.store.loop import Action, Level, State

strawberry.enum(
    State,
    name="ReportState",
    description="点单: SUBMITTED, REGISTERED, REJECTED, MERGED. 派单: DISPATCHED, RETURNED. "
    "接单: ACCEPTED, IN_PROGRESS, SUSPENDED, DONE. 评单: VERIFIED, REWORK, CLOSED, RATED.",
)
strawberry.enum(Action, name="ReportAction", description="What is done to it.")
strawberry.enum(
    Level,
    name="ReportLevel",
    description="How far up it went: 小事不出楼栋、大事不出社区.",
)


@strawberry.enum
class Urgency(Enum):
    ROUTINE = strawberry.enum_value("ROUTINE", description="一般")
    URGENT = strawberry.enum_value("URGENT", description="紧急")
    EMERGENCY = strawberry.enum_value("EMERGENCY", description="突发")


@strawberry.enum(description="How the report came.")
class ReportSource(Enum):
    PHONE = strawberry.enum_value("PHONE", description="随手拍: the phone page")
    CHAT_GROUP = strawberry.enum_value("CHAT_GROUP", description="网格群")
    HOTLINE_12345 = strawberry.enum_value("HOTLINE_12345", description="12345 热线")
    WALK = strawberry.enum_value("WALK", description="走访: seen by a grid worker")


@strawberry.enum(description="Of a list of reports.")
class ReportOrder(Enum):
    NEWEST = "NEWEST"
    NEXT_DEADLINE = strawberry.enum_value(
        "NEXT_DEADLINE",
        description="Those that are open, by the next deadline that is to be kept, the report's "
        "own or that of its step, the soonest first; what has none comes last.",
    )


@strawberry.enum(description="What kind of handler a report is dispatched to.")
class HandlerKind(Enum):
    SPONSOR = strawberry.enum_value("SPONSOR", description="包保单位; by its code")
    GRID_WORKER = strawberry.enum_value("GRID_WORKER", description="网格员; by the worker's code")
    BUILDING_MEMBER = strawberry.enum_value(
        "BUILDING_MEMBER", description="楼栋党员; by the subject they sign in with"
    )
    REGION = strawberry.enum_value("REGION", description="社区、街道、区; by the region's code")
