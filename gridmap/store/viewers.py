"""Who asks: a role, a name, and the codes of what the person answers for."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from gridmap.errors import Invalid


class Role(StrEnum):
    """What somebody is to the districts. CODES says what each role's codes are."""

    ANONYMOUS = "ANONYMOUS"
    RESIDENT = "RESIDENT"
    GRID_WORKER = "GRID_WORKER"
    BUILDING_MEMBER = "BUILDING_MEMBER"
    SPONSOR = "SPONSOR"
    COMMUNITY = "COMMUNITY"
    STREET = "STREET"
    DISTRICT = "DISTRICT"
    AUDITOR = "AUDITOR"
    ADMINISTRATOR = "ADMINISTRATOR"


@dataclass(frozen=True, slots=True)
class Codes:
    """What the codes of a role are. `digits`: how many a region's statistical code has."""

    meaning: str
    most: int | None = None
    digits: int | None = None


CODES = {
    Role.GRID_WORKER: Codes("the grids that the worker walks"),
    Role.BUILDING_MEMBER: Codes("the buildings that the member looks after"),
    Role.SPONSOR: Codes("the sponsor", most=1),
    Role.COMMUNITY: Codes("the communities of the office", digits=12),
    Role.STREET: Codes("the streets of the office", digits=9),
    Role.DISTRICT: Codes("the districts of the office", digits=6),
}
"""Each of these roles has one code or more; the others have none."""

# Of regions. A free code of other digits than these may name any region.
_STATISTICAL_DIGITS = (2, 4, 6, 9, 12)

_CODE = re.compile(r"\S{1,64}")
_LONGEST_SUBJECT = 200
_REPORT = "report:"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who asks.

    `subject` names the person within the role: the code of a grid worker, else what the one who
    issued the token knows them by; it is empty for ANONYMOUS alone.

    Raises Invalid where the subject or the codes do not go with the role.
    """

    role: Role
    subject: str = ""
    codes: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._check_subject()
        self._check_codes()

    @property
    def signature(self) -> str | None:
        """By what somebody who is signed in is known again in what they sent; else None."""
        return f"{self.role}/{self.subject}" if self.subject else None

    @property
    def report(self) -> tuple[str, UUID] | None:
        """District and id of the one report that the holder of a receipt sent in; else None."""
        if self.role is not Role.RESIDENT or not self.subject.startswith(_REPORT):
            return None
        district_code, _, written = self.subject.removeprefix(_REPORT).rpartition("/")
        try:
            report_id = UUID(written)
        except ValueError:
            return None
        # Written in one way only, so that one report has one subject.
        return (district_code, report_id) if district_code and written == f"{report_id}" else None

    def _check_subject(self) -> None:
        role, subject = self.role, self.subject
        if role is Role.ANONYMOUS:
            if subject:
                raise Invalid(f"ANONYMOUS is nobody, but the subject is {subject!r}; leave it out.")
        elif not subject:
            raise Invalid(f"A viewer who is {role} has no subject; name the person.")
        elif (
            len(subject) > _LONGEST_SUBJECT
            or not subject.isprintable()
            or subject != subject.strip()
        ):
            raise Invalid(
                f"The subject {subject[:_LONGEST_SUBJECT]!r} is no name: give up to "
                f"{_LONGEST_SUBJECT} characters that can be seen, without blanks around them."
            )

    def _check_codes(self) -> None:
        role, codes, rule = self.role, self.codes, CODES.get(self.role)
        if rule is None:
            if codes:
                raise Invalid(f"{role} takes no codes, but was given {_listed(codes)}.")
            return
        if not codes:
            raise Invalid(f"{role} needs a code: {rule.meaning}.")
        if rule.most is not None and len(codes) > rule.most:
            raise Invalid(f"{role} takes {rule.most} code, {rule.meaning}, not {_listed(codes)}.")
        for code in sorted(codes):
            if not (_CODE.fullmatch(code) and code.isprintable()):
                raise Invalid(
                    f"{code[:64]!r} is no code; one has 1 to 64 characters without blanks."
                )
            is_statistical = code.isascii() and code.isdigit() and len(code) in _STATISTICAL_DIGITS
            if rule.digits is not None and is_statistical and len(code) != rule.digits:
                raise Invalid(
                    f"{code} has {len(code)} digits, and so is no code of {role}, which has "
                    f"{rule.digits}: {rule.meaning}."
                )


ANONYMOUS = Viewer(Role.ANONYMOUS)


OFFICES = (Role.COMMUNITY, Role.STREET, Role.DISTRICT)
"""The roles whose codes are regions."""


def is_office_of(viewer: Viewer, regions: Collection[str]) -> bool:
    """Whether the viewer is the office of one of the regions."""
    return viewer.role in OFFICES and not viewer.codes.isdisjoint(regions)


def holder_of_receipt(district_code: str, report_id: UUID) -> Viewer:
    """Whoever sent in this report without an account: nobody else has its receipt."""
    return Viewer(Role.RESIDENT, f"{_REPORT}{district_code}/{report_id}")


def check_account(viewer: Viewer) -> None:
    """Refuses who may have no account, here or with another issuer of tokens.

    Raises Invalid for ANONYMOUS, and for a subject that belongs to the receipts of reports.
    """
    if viewer.role is Role.ANONYMOUS:
        raise Invalid("ANONYMOUS is who does not sign in; choose another role.")
    if viewer.subject.startswith(_REPORT):
        raise Invalid(f"The subject {viewer.subject!r} is a receipt's; choose another.")


def _listed(codes: frozenset[str]) -> str:
    return ", ".join(sorted(codes))
