"""Who answers for the demo's grids and buildings: sponsor units, what they sponsor, grid workers.

Units have the kinds of names that every city's have; people are openly invented (示例一 is
"example one"), and their telephone numbers begin with zeros, which no mobile number does.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from gridmap.demo.draws import noise, shares
from gridmap.demo.plan import DONGSHAN, XIANGYANG, XINGAN
from gridmap.demo.territory import Building, all_grids, buildings_of, grids_of


@dataclass(frozen=True, slots=True)
class Sponsor:
    """A unit that sponsors; `region` is the code of the city or district it belongs to."""

    code: str
    name: str
    level: str
    region: str
    leader: str
    leader_role: str


@dataclass(frozen=True, slots=True)
class Sponsorship:
    """A sponsor's duty for one building or one grid (the other is None); dates are ISO."""

    sponsor: str
    building: str | None
    grid: str | None
    valid_from: str
    valid_to: str | None


@dataclass(frozen=True, slots=True)
class Worker:
    """A grid worker and the grid they walk."""

    code: str
    name: str
    phone: str
    grid: str
    valid_from: str


@dataclass(frozen=True, slots=True)
class ReportRule:
    """What a district says of its reports; None is left to what holds by itself."""

    region: str
    default_sponsor: str | None
    rated: str


def sponsors() -> tuple[Sponsor, ...]:
    """City units, then each district's, numbered within the region they belong to."""
    listed = (
        *(("CITY", "2304", name, role) for name, role in _CITY_UNITS),
        *(("DISTRICT", XIANGYANG.code, name, role) for name, role in _district_groups()),
        *(("DISTRICT", XINGAN.code, name, role) for name, role in _XINGAN_UNITS),
        *(("DISTRICT", DONGSHAN.code, name, role) for name, role in _DONGSHAN_UNITS),
    )
    numbers: Counter[str] = Counter()
    units = []
    for person, (level, region, name, role) in enumerate(listed, start=1):
        numbers[region] += 1
        units.append(
            Sponsor(
                code=f"S{region}-{numbers[region]:02}",
                name=name,
                level=level,
                region=region,
                leader=f"示例{_chinese_number(person)}",
                leader_role=role,
            )
        )
    return tuple(units)


def sponsorships() -> tuple[Sponsorship, ...]:
    """Those that hold since 2024-03-01, district by district, then five that ended that day."""
    shared_out = _xiangyang_shared_out()
    units = sorted(set(shared_out.values()))
    before = dict(zip(units, units[1:] + units[:1], strict=True))
    xingan_units = {
        grid.code: f"S{XINGAN.code}-{number:02}"
        for number, grid in enumerate(grids_of(XINGAN), start=1)
    }
    return (
        *(_holding(sponsor, building=building) for building, sponsor in shared_out.items()),
        *(
            _holding(xingan_units[building.grid.code], building=building.code)
            for building in buildings_of(XINGAN)
        ),
        *(
            _holding(f"S{DONGSHAN.code}-{grid.row + 1:02}", grid=grid.code)
            for grid in grids_of(DONGSHAN)
        ),
        *(
            Sponsorship(before[sponsor], building, None, "2023-06-01", "2024-03-01")
            for building, sponsor in list(shared_out.items())[30::70]
        ),
    )


def workers() -> tuple[Worker, ...]:
    """One to each grid, numbered within the district."""
    numbers: Counter[str] = Counter()
    staff = []
    for person, grid in enumerate(all_grids(), start=1):
        district = grid.code[:6]
        numbers[district] += 1
        staff.append(
            Worker(
                code=f"W{district}-{numbers[district]:03}",
                name=f"网格员{person:03}",
                phone=f"000{person:08}",
                grid=grid.code,
                valid_from="2024-01-01",
            )
        )
    return tuple(staff)


def report_rules() -> tuple[ReportRule, ...]:
    """In 向阳区 the deputy for the city's upkeep answers by default; 东山区 rates nothing."""
    return (
        ReportRule(XIANGYANG.code, f"S{XIANGYANG.code}-16", "true"),
        ReportRule(DONGSHAN.code, None, "false"),
    )


def _holding(sponsor: str, building: str | None = None, grid: str | None = None) -> Sponsorship:
    return Sponsorship(sponsor, building, grid, "2024-03-01", None)


def _xiangyang_shared_out() -> dict[str, str]:
    """Sponsor codes by building code: each unit has neighbouring grids of one community."""
    buildings = buildings_of(XIANGYANG)
    walks = [
        _walk([b for b in buildings if b.grid.community == quarter.community])
        for quarter in XIANGYANG.quarters
    ]
    of_city = shares(
        232,
        weights=[
            len(walk) * units for walk, units in zip(walks, _CITY_UNITS_PER_QUARTER, strict=True)
        ],
        least=4,
        most=[len(walk) for walk in walks],
    )
    sponsor_of: dict[str, str] = {}
    city, group = 0, 0
    for walk, units, held in zip(walks, _CITY_UNITS_PER_QUARTER, of_city, strict=True):
        city_runs = _runs(held, [f"S2304-{city + k:02}" for k in range(1, units + 1)])
        group_runs = _runs(
            len(walk) - held, [f"S{XIANGYANG.code}-{group + k:02}" for k in range(1, 4)]
        )
        city, group = city + units, group + 3
        # Groups and city units by turns, so that both are met all over the district.
        turns = [group_runs[0], *city_runs[:1], group_runs[1], *city_runs[1:], group_runs[2]]
        codes = [code for run in turns for code in run]
        sponsor_of.update({building.code: code for building, code in zip(walk, codes, strict=True)})
    return sponsor_of


def _runs(total: int, units: list[str]) -> list[list[str]]:
    """`total` buildings divided between units, at least four each: each unit's code that often."""
    sizes = shares(
        total,
        weights=[0.8 + 0.4 * noise(13, total, place) for place in range(len(units))],
        least=4,
        most=[total] * len(units),
    )
    return [[unit] * size for unit, size in zip(units, sizes, strict=True)]


def _walk(buildings: list[Building]) -> list[Building]:
    """A community's buildings as one meets them going up one row of grids and down the next.

    Each row is left where it meets the next one, so that consecutive grids share an edge.
    """
    eastwards_in_even_rows = buildings[0].grid.community not in _STARTING_WESTWARDS

    def met(building: Building) -> tuple[int, int, str]:
        grid = building.grid
        sign = 1 if (grid.row % 2 == 0) == eastwards_in_even_rows else -1
        return (grid.row, sign * grid.number, building.code)

    return sorted(buildings, key=met)


def _district_groups() -> list[tuple[str, str]]:
    return [
        ("区法院包保组" if "法院" in role else f"区级包保第{_chinese_number(number)}组", role)
        for number, role in enumerate(_LEADERS_OF_GROUPS, start=1)
    ]


def _chinese_number(number: int) -> str:
    """1 to 99 in Chinese numerals: 十, 二十一."""
    digits = ("", "一", "二", "三", "四", "五", "六", "七", "八", "九")
    tens, units = divmod(number, 10)
    return ("" if tens < 2 else digits[tens]) + ("十" if tens else "") + digits[units]


# Two city units to a community, but one where the others leave little: 13 in all.
_CITY_UNITS_PER_QUARTER = (2, 2, 2, 2, 1, 2, 2)
# Where the first row reaches less far east than the second, the walk must turn in the west.
_STARTING_WESTWARDS = frozenset({"230402002006"})

_CITY_UNITS = (
    ("市审计局", "局长"),
    ("市公安局", "副局长"),
    ("市教育局", "局长"),
    ("市融媒体中心", "主任"),
    ("市统计局", "局长"),
    ("市财政局", "局长"),
    ("市民政局", "局长"),
    ("市住房和城乡建设局", "局长"),
    ("市卫生健康委员会", "主任"),
    ("市人力资源和社会保障局", "局长"),
    ("市交通运输局", "局长"),
    ("市市场监督管理局", "局长"),
    ("市文化广电和旅游局", "局长"),
)
_LEADERS_OF_GROUPS = (
    "区委书记",
    "区长",
    "区人大常委会主任",
    "区政协主席",
    "区委副书记",
    "区委常委、常务副区长",
    "区委常委、纪委书记",
    "区委常委、组织部部长",
    "区委常委、宣传部部长",
    "区委常委、统战部部长",
    "区委常委、政法委书记",
    "区委常委、武装部部长",
    "区人大常委会副主任",
    "区政协副主席",
    "副区长（教育卫生）",
    "副区长（城市管理）",
    "副区长（民政社保）",
    "副区长（公安）",
    "区法院院长",
    "区检察院检察长",
    "区委办公室主任",
)
_XINGAN_UNITS = (
    ("兴安区委组织部", "部长"),
    ("兴安区财政局", "局长"),
    ("兴安区教育局", "局长"),
    ("兴安区民政局", "局长"),
    ("兴安区住房和城乡建设局", "局长"),
    ("兴安区应急管理局", "局长"),
)
_DONGSHAN_UNITS = (
    ("东山区住房和城乡建设局", "局长"),
    ("东山区综合行政执法局", "局长"),
)
