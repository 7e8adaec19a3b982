"""One small district for the tests of what clients see."""

from __future__ import annotations

import pytest

from gridmap.store.database import tool_engine
from tests.districts import District, put_district


@pytest.fixture(scope="module")
def district(database_url: str) -> District:
    engine = tool_engine(database_url)
    with engine.begin() as connection:
        district = put_district(connection)
    engine.dispose()
    return district
