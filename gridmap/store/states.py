"""A state of the data, as a text that says of every event whether it is in that state.

It is a PostgreSQL snapshot, cut off behind the last event that it sees. PostgreSQL forgets in a
crash that it gave numbers to transactions which had nothing durable to say, such as those that only
notified or were undone, and gives these numbers again; whoever went on from a snapshot that counts
them among the past would miss the events that get them. An event that is seen is durable, and no
number up to its own is ever given again.
"""

from __future__ import annotations

import re

_STATE = re.compile(r"[0-9]{1,19}:[0-9]{1,19}:([0-9]{1,19}(,[0-9]{1,19})*)?")


def is_state(text: str) -> bool:
    """Whether PostgreSQL can read it as a snapshot: the first transaction that may still run, the
    first that is not there yet, and those that run between the two, in their order."""
    if not _STATE.fullmatch(text):
        return False
    first, end, running = text.split(":")
    numbers = [int(number) for number in running.split(",") if number]
    return (
        0 < int(first) <= int(end)
        and numbers == sorted(numbers)
        and all(int(first) <= number < int(end) for number in numbers)
    )


STATE_NOW = """(
    SELECT concat_ws(
        ':',
        least(CAST(CAST(pg_snapshot_xmin(snapshot) AS text) AS bigint), seen.until),
        seen.until,
        (
            SELECT coalesce(string_agg(CAST(running AS text), ',' ORDER BY running), '')
            FROM pg_snapshot_xip(snapshot) AS running
            WHERE CAST(CAST(running AS text) AS bigint) < seen.until
        )
    )
    FROM pg_current_snapshot() AS snapshot, LATERAL (
        SELECT least(
            CAST(CAST(pg_snapshot_xmax(snapshot) AS text) AS bigint),
            gridmap_events_end()
        ) AS until
    ) AS seen
)"""
"""The state that the statement sees which has this in it, once; the same for every viewer, though
few may see the last event. Served by report_events_transaction_idx."""
