"""From a file's cells to typed values: codes, dates, numbers, and words for levels and modes.

Each function takes one cell (str, int, float, bool, date, datetime or None) and returns its value,
None for an empty cell. Each raises ValueError with what is wrong, worded to follow the offending
value: "… is no date".
"""

from __future__ import annotations

import datetime
import math
import re
import unicodedata
from collections.abc import Mapping
from uuid import UUID

from gridmap.store.buildings import UNMANAGED
from gridmap.store.dates import CHINA
from gridmap.store.tables import (
    MANAGEMENT_MODES,
    REGION_LEVELS,
    SPONSOR_LEVELS,
    STEPS,
    TIME_UNITS,
    URGENCIES,
    VISIT_KINDS,
)
from gridmap.store.working_time import LARGEST_AMOUNT


def text_of(value: object) -> str | None:
    """The cell as text without the blanks around it."""
    if value is None or isinstance(value, str):
        text = value.strip() if value else ""
    elif isinstance(value, float) and value.is_integer():
        text = str(int(value))
    else:
        text = str(value)
    if "\0" in text:
        raise ValueError("holds a zero byte")
    return text or None


def code_of(value: object) -> str | None:
    """The cell as a code. A number is its digits: spreadsheets and DBF files turn codes to numbers.

    Raises for numbers of more than 15 digits, the last of which a spreadsheet has already lost.
    """
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return value  # most are, and there are many
    if isinstance(value, (int, float)):
        if isinstance(value, bool) or not math.isfinite(value) or value < 0 or value % 1:
            raise ValueError("is no code")
        if value >= _LARGEST_WHOLE_NUMBER:
            raise ValueError(
                "is a number too long for a spreadsheet, which keeps 15 digits; format the column "
                "as text and enter the codes again"
            )
        return str(int(value))
    text = text_of(value)
    if text and not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    if text and text.endswith(".0") and text[:-2].isdecimal():
        return text[:-2]
    return text


def number_of(value: object) -> float | None:
    """The cell as a number; a text in decimals, as people write them and in any width."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    text = text_of(value)
    if text is None:
        return None
    text = unicodedata.normalize("NFKC", text)
    if not _NUMBER.fullmatch(text):
        raise ValueError("is no number")
    return float(text)


def longitude_of(value: object) -> float | None:
    """The cell as degrees east: 130.287, 130.287°E, 东经130.287度. Judged with the geometry."""
    return _degrees(value, "longitude such as 130.287", {"e": 1, "东经": 1, "w": -1, "西经": -1})


def latitude_of(value: object) -> float | None:
    """The cell as degrees north: 47.36, 47.36°N, 北纬47.36度. Judged with the geometry."""
    return _degrees(value, "latitude such as 47.36", {"n": 1, "北纬": 1, "s": -1, "南纬": -1})


def count_of(value: object) -> int | None:
    """The cell as a whole number, zero or more."""
    number = number_of(value)
    if number is None:
        return None
    if not 0 <= number < _LARGEST_COUNT or number % 1:
        raise ValueError("is no whole number, zero or more")
    return int(number)


def amount_of(value: object) -> int | None:
    """The cell as the hours or days of a time limit."""
    number = number_of(value)
    if number is None:
        return None
    if not 1 <= number <= LARGEST_AMOUNT or number % 1:
        raise ValueError(f"is no time limit, which is a whole number from 1 to {LARGEST_AMOUNT}")
    return int(number)


def date_of(value: object) -> datetime.date | None:
    """The cell as a date: a real one, or 2024-01-31, 2024/1/31, 20240131 or 2024年1月31日."""
    if isinstance(value, datetime.datetime):
        return value.date()
    if isinstance(value, datetime.date):
        return value
    text = text_of(value)
    if text is None:
        return None
    written = _DATE.fullmatch(text) or _DIGITS_OF_A_DATE.fullmatch(text)
    if not written:
        raise ValueError("is no date such as 2024-01-31")
    try:
        return datetime.date(int(written[1]), int(written[2]), int(written[3]))
    except ValueError:
        raise ValueError("is no day of the calendar") from None


def moment_of(value: object) -> datetime.datetime | None:
    """The cell as a moment: a date as `date_of` reads it, with a time if there is one, as in
    2024-01-31 08:30. Where no zone is said it is a time in China, and without a time midnight.
    """
    if isinstance(value, datetime.datetime):
        return value if value.tzinfo else value.replace(tzinfo=CHINA)
    text = text_of(value) if not isinstance(value, datetime.date) else value.isoformat()
    if text is None:
        return None
    written = _MOMENT.fullmatch(unicodedata.normalize("NFKC", text))
    assert written is not None  # it takes anything for a date
    day, time, zone = written.groups()
    time = time and (time if time[2] == ":" else f"0{time}")
    date = date_of(day)
    assert date is not None  # the text is not empty
    try:
        said = datetime.time.fromisoformat(f"{time}{zone or ''}" if time else "00:00")
    except ValueError:
        raise ValueError("is no time such as 2024-01-31 08:30") from None
    return datetime.datetime.combine(date, said, said.tzinfo or CHINA)


def uuid_of(value: object) -> UUID | None:
    """The cell as a UUID."""
    text = text_of(value)
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise ValueError("is no UUID such as 01890a5d-ac96-774b-bcce-b302099a8057") from None


def visit_kind_of(value: object) -> str | None:
    return _word(value, _VISIT_KINDS, "no kind of visit", VISIT_KINDS)


def region_level_of(value: object) -> str | None:
    return _word(value, _REGION_LEVELS, "no level of a region", REGION_LEVELS)


def sponsor_level_of(value: object) -> str | None:
    return _word(value, _SPONSOR_LEVELS, "no level of a sponsor", SPONSOR_LEVELS)


def mode_of(value: object) -> str | None:
    """The management mode; None where nobody manages the building, said or left empty."""
    known = _word(value, _MODES, "no management mode", (*MANAGEMENT_MODES, UNMANAGED))
    return None if known == UNMANAGED else known


def urgency_of(value: object) -> str | None:
    return _word(value, _URGENCIES, "no urgency", URGENCIES)


def step_of(value: object) -> str | None:
    return _word(value, _STEPS, "no step of a report", STEPS)


def unit_of(value: object) -> str | None:
    return _word(value, _UNITS, "no unit of a time limit", TIME_UNITS)


def truth_of(value: object) -> bool | None:
    """The cell as yes or no: a real one, or 是, 否, true, false, 1, 0."""
    known = _word(value, _TRUTHS, "neither yes nor no", ("TRUE", "FALSE"))
    return None if known is None else known == "TRUE"


# From 2**53 on, not every whole number is a float.
_LARGEST_WHOLE_NUMBER = 2**53
_LARGEST_COUNT = 2**31

_DECIMALS = r"(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
_NUMBER = re.compile(rf"[+-]?{_DECIMALS}", re.ASCII | re.IGNORECASE)
_DEGREES = re.compile(
    rf"(?P<before>[ewns]|[东西]经|[南北]纬)?\s*(?P<number>{_DECIMALS})\s*[°度]?\s*"
    r"(?P<after>[ewns])?",
    re.IGNORECASE,
)
_MINUTES = re.compile("['\"′″‘’“”分秒]")
# What looks like a degree sign on the keyboards of the world.
_DEGREE_SIGNS = str.maketrans("º˚∘", "°°°")

_DATE = re.compile(
    r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?(?:[T ]00:00(?::00)?Z?)?"
)
_DIGITS_OF_A_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)")
# A date, and a time after a blank or a T, with or without a zone.
_MOMENT = re.compile(
    r"(.*?)(?:[T\s]\s*(\d\d?:\d\d(?::\d\d(?:[.,]\d+)?)?)\s*(Z|[+-]\d\d:?\d\d)?)?", re.DOTALL
)

_REGION_LEVELS = {
    "PROVINCE": ("province", "省", "省级", "自治区", "直辖市"),
    "CITY": ("city", "市", "市级", "地市", "地级市"),
    "DISTRICT": ("district", "county", "区", "县", "区级", "县级", "区县", "县区"),
    "STREET": ("street", "town", "township", "街道", "镇", "乡", "乡镇", "街道级", "镇街"),
    "COMMUNITY": ("community", "village", "社区", "村", "社区级", "居委会", "村委会"),
}
_SPONSOR_LEVELS = {
    "CITY": ("city", "市", "市级", "市直", "市直单位", "市直属"),
    "DISTRICT": ("district", "区", "区级", "区直", "区直单位", "区级包保组", "县级", "县直"),
    "STREET": ("street", "街道", "街道级", "镇", "乡", "乡镇"),
    "COMMUNITY": ("community", "社区", "社区级", "村"),
}
_MODES = {
    "COMMUNITY_LED": ("community_led", "社区领办"),
    "PROFESSIONAL": ("professional", "专业引进", "专业物业"),
    "BASELINE_CLEANING": ("baseline_cleaning", "底线保洁"),
    "SELF_MANAGED": ("self_managed", "业主自治", "业主自管"),
    UNMANAGED: ("unmanaged", "无", "无物业", "无管理", "无人管理"),
}
_VISIT_KINDS = {
    "VISIT": ("visit", "走访排查", "走访", "排查", "入户走访"),
    "OPINIONS": ("opinions", "opinion", "收集民意", "民意收集", "社情民意"),
    "POLICY": ("policy", "宣传政策", "政策宣传", "宣传"),
    "ERRAND": ("errand", "errands", "代办服务", "代办", "帮办代办"),
}
_URGENCIES = {
    "ROUTINE": ("routine", "一般", "普通"),
    "URGENT": ("urgent", "紧急", "加急"),
    "EMERGENCY": ("emergency", "突发", "特急"),
}
_STEPS = {
    "WHOLE": ("whole", "全程", "全流程"),
    "REGISTER": ("register", "受理", "立案"),
    "DISPATCH": ("dispatch", "派遣", "派单"),
    "ACCEPT": ("accept", "接单", "签收"),
    "HANDLE": ("handle", "处置", "办理"),
    "VERIFY": ("verify", "核查", "核实"),
    "CLOSE": ("close", "结案", "办结"),
}
_UNITS = {
    "HOURS": ("hours", "hour", "小时", "自然小时"),
    "DAYS": ("days", "day", "天", "日", "自然日"),
    "WORKING_HOURS": ("working_hours", "工作小时", "工作时"),
    "WORKING_DAYS": ("working_days", "工作日", "工作天"),
}
_TRUTHS = {
    "TRUE": ("true", "是", "yes", "y", "1"),
    "FALSE": ("false", "否", "no", "n", "0"),
}


def _degrees(value: object, what: str, ways: dict[str, int]) -> float | None:
    try:
        return number_of(value)
    except ValueError:
        text = unicodedata.normalize("NFKC", str(value).strip().translate(_DEGREE_SIGNS))
    if _MINUTES.search(text):
        raise ValueError(f"is in minutes; write a {what}, in decimals")
    written = _DEGREES.fullmatch(text.casefold())
    if not written or (written["before"] and written["after"]):
        raise ValueError(f"is no {what}")
    way = written["before"] or written["after"] or next(iter(ways))
    if way not in ways:
        raise ValueError(f"is not what is wanted here, a {what}")
    return ways[way] * float(written["number"])


def _word(
    value: object, words: Mapping[str, tuple[str, ...]], what: str, known: tuple[str, ...]
) -> str | None:
    text = text_of(value)
    if text is None:
        return None
    wanted = text.casefold()
    for meaning, spellings in words.items():
        if wanted in spellings:
            return meaning
    raise ValueError(
        f"is {what}; write {', '.join(known[:-1])} or {known[-1]}, "
        f"or in Chinese {'、'.join(next(s for s in words[k] if not s.isascii()) for k in known)}"
    )
