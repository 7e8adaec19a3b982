"""A database that knows one community and its neighbour."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection

from tests.store.importing import REGIONS, bring_rows


@pytest.fixture
def district(connection: Connection, tmp_path: Path) -> Connection:
    """A connection to a database with `REGIONS`; undone after the test."""
    connection.begin()
    bring_rows(connection, "regions", tmp_path, [("code", "name"), *REGIONS])
    return connection
