"""Who somebody may be: each role with the codes that go with it, and no other."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.errors import Invalid
from gridmap.store.viewers import ANONYMOUS, CODES, Role, Viewer, holder_of_receipt

WITH_CODES = {
    Role.GRID_WORKER: {"230402001001003", "230402001001004"},
    Role.BUILDING_MEMBER: {"23040200100100025"},
    Role.SPONSOR: {"S2304-01"},
    Role.COMMUNITY: {"230402001001"},
    Role.STREET: {"230402001", "foreign"},
    Role.DISTRICT: {"230402"},
}
PERSONS = [role for role in Role if role is not Role.ANONYMOUS]
WITHOUT = [role for role in PERSONS if role not in WITH_CODES]


@pytest.mark.parametrize("role", WITH_CODES)
def test_a_role_with_codes_needs_them(role: Role) -> None:
    assert Viewer(role, "somebody", frozenset(WITH_CODES[role])).role is role
    with pytest.raises(Invalid, match=f"{role} needs a code: {CODES[role].meaning}"):
        Viewer(role, "somebody")


@pytest.mark.parametrize("role", WITHOUT)
def test_a_role_without_codes_takes_none(role: Role) -> None:
    assert Viewer(role, "somebody").codes == frozenset()
    with pytest.raises(Invalid, match=f"{role} takes no codes.*230402"):
        Viewer(role, "somebody", frozenset({"230402"}))


@pytest.mark.parametrize("role", PERSONS)
@pytest.mark.parametrize("subject", ["", " ", "x ", "\n", "王\u202e", "x" * 201], ids=repr)
def test_everybody_but_anonymous_has_a_name_that_can_be_read(role: Role, subject: str) -> None:
    with pytest.raises(Invalid, match="subject"):
        Viewer(role, subject, frozenset(WITH_CODES.get(role, ())))


def test_anonymous_is_nobody() -> None:
    assert Viewer(Role.ANONYMOUS) == ANONYMOUS
    with pytest.raises(Invalid, match="nobody"):
        Viewer(Role.ANONYMOUS, "somebody")
    with pytest.raises(Invalid, match="no codes"):
        Viewer(Role.ANONYMOUS, "", frozenset({"230402"}))


def test_a_sponsor_is_one() -> None:
    with pytest.raises(Invalid, match=r"1 code.*S1, S2"):
        Viewer(Role.SPONSOR, "somebody", frozenset({"S1", "S2"}))


@pytest.mark.parametrize(
    ("role", "code"),
    [
        (Role.DISTRICT, "23"),
        (Role.DISTRICT, "230402001"),
        (Role.STREET, "230402"),
        (Role.STREET, "230402001001"),
        (Role.COMMUNITY, "230402001"),
    ],
)
def test_an_office_is_of_its_own_level(role: Role, code: str) -> None:
    with pytest.raises(Invalid, match=f"{code} has {len(code)} digits"):
        Viewer(role, "somebody", frozenset({code}))


@pytest.mark.parametrize("code", ["", " ", "two words", "x" * 65, "x\u200b"], ids=repr)
def test_what_is_no_code_is_refused(code: str) -> None:
    with pytest.raises(Invalid, match="no code"):
        Viewer(Role.GRID_WORKER, "W1", frozenset({code}))


@given(st.from_regex(r"[0-9]{6}|[a-z/]{1,20}", fullmatch=True), st.uuids())
def test_the_holder_of_a_receipt_has_that_report_and_no_codes(district: str, report: UUID) -> None:
    holder = holder_of_receipt(district, report)
    assert (holder.role, holder.codes) == (Role.RESIDENT, frozenset())
    assert holder.subject == f"report:{district}/{report}"
    assert holder.report == (district, report)


@pytest.mark.parametrize(
    "subject",
    [
        "张三",
        "report:",
        "report:230402",
        "report:230402/17",
        "report:/0b0e3cf4-6b5e-4a39-8d3b-6a2f2f1d9f00",
        "report:230402/0B0E3CF4-6B5E-4A39-8D3B-6A2F2F1D9F00",
        "report:230402/0b0e3cf46b5e4a398d3b6a2f2f1d9f00",
    ],
)
def test_other_residents_hold_no_report(subject: str) -> None:
    assert Viewer(Role.RESIDENT, subject).report is None


def test_no_other_role_holds_a_report() -> None:
    subject = holder_of_receipt("230402", UUID(int=1)).subject
    assert Viewer(Role.AUDITOR, subject).report is None
