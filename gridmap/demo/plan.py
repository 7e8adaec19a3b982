"""The demo's plan: where each town lies, its streets by name, and the grids cut from them.

Written out by hand like a town plan, because a plan that is drawn can be put right where it looks
wrong; a recipe cannot. Lattice columns count from the west, lines from the south.
"""

from __future__ import annotations

from dataclasses import dataclass

from gridmap.demo.streets import Bend, Block, Town


@dataclass(frozen=True, slots=True)
class Row:
    """Grids side by side between the same two cross streets; `cuts` are the avenues between."""

    south: int
    north: int
    cuts: tuple[int, ...]

    def blocks(self) -> tuple[Block, ...]:
        """The row's grids from west to east."""
        return tuple(
            Block(west, self.south, east, self.north)
            for west, east in zip(self.cuts, self.cuts[1:], strict=False)
        )


@dataclass(frozen=True, slots=True)
class Quarter:
    """A community's grids, rows from north to south."""

    community: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class District:
    """A district's town. `streets`: names by lattice line; `avenues`: by the first column."""

    code: str
    town: Town
    quarters: tuple[Quarter, ...]
    streets: dict[int, str]
    avenues: dict[int, str]


XIANGYANG = District(
    "230402",
    Town(
        longitude=130.28690,
        latitude=47.3391,
        column=48,
        line=72,
        step_east=43.6,
        step_north=40.0,
        bends=(
            Bend(20, 120, 1500, 150, -60),
            Bend(92, 104, 1100, -190, 120),
            Bend(0, 60, 900, 130, 170),
            Bend(48, 78, 800, 60, -90),
            Bend(80, 50, 1000, -170, -110),
            Bend(30, 22, 900, 120, 80),
            Bend(75, 0, 1100, -60, 190),
            Bend(52, 146, 900, 70, 90),
        ),
    ),
    (
        Quarter(
            "230402001001",
            (
                Row(135, 144, (40, 48, 56)),
                Row(128, 135, (34, 44, 53, 63)),
                Row(120, 128, (32, 40, 52, 58, 68)),
                Row(112, 120, (32, 41, 50, 59, 68)),
            ),
        ),
        Quarter(
            "230402002005",
            (
                Row(104, 112, (30, 39, 48, 57)),
                Row(96, 104, (24, 32, 39, 48, 57)),
                Row(89, 96, (24, 37, 46, 57)),
                Row(82, 89, (24, 35, 46, 57)),
            ),
        ),
        Quarter(
            "230402002006",
            (
                Row(103, 112, (57, 66, 73, 81, 89)),
                Row(93, 103, (57, 66, 73, 81, 89, 96)),
                Row(82, 93, (57, 63, 71, 77, 86, 92)),
            ),
        ),
        Quarter(
            "230402003005",
            (
                Row(74, 82, (12, 21, 30, 38)),
                Row(66, 74, (3, 14, 21, 30, 38)),
                Row(59, 66, (0, 10, 20, 29, 38)),
                Row(51, 59, (20, 29, 38)),
            ),
        ),
        Quarter(
            "230402003006",
            (
                Row(72, 82, (38, 46, 54, 63, 71)),
                Row(62, 72, (38, 46, 54, 62, 70)),
                Row(51, 62, (38, 44, 53, 59, 66)),
            ),
        ),
        Quarter(
            "230402004004",
            (
                Row(43, 51, (20, 31, 38, 48, 54, 65)),
                Row(34, 43, (24, 34, 40, 48, 54, 64)),
                Row(24, 34, (30, 38, 47, 54, 62)),
            ),
        ),
        Quarter(
            "230402005004",
            (
                Row(16, 24, (34, 43, 52, 61, 70)),
                Row(8, 16, (34, 43, 49, 61, 69, 79)),
                Row(0, 8, (42, 52, 61, 70, 79)),
            ),
        ),
    ),
    {
        144: "北山路",
        135: "矿工路",
        128: "梧桐路",
        120: "站前路",
        112: "红军路",
        104: "东解放路",
        103: "煤城路",
        96: "友谊路",
        93: "工农路",
        89: "新华路",
        82: "红旗路",
        74: "育才路",
        72: "和平路",
        66: "振兴路",
        62: "文化路",
        59: "光华路",
        51: "光明路",
        43: "胜利路",
        34: "红叶路",
        24: "南翼路",
        16: "建设路",
        8: "南环路",
        0: "河沿路",
    },
    {
        0: "西环路",
        15: "兴业路",
        27: "西山路",
        34: "向阳路",
        42: "中心路",
        50: "人民路",
        58: "东风路",
        68: "东升路",
        76: "铁东路",
        84: "东环路",
    },
)

XINGAN = District(
    "230405",
    Town(
        longitude=130.2400,
        latitude=47.2600,
        column=14,
        line=8,
        step_east=40.0,
        step_north=40.0,
        bends=(Bend(4, 20, 800, 90, -60), Bend(28, -2, 900, -70, 110)),
    ),
    (
        Quarter("230405005001", (Row(8, 17, (0, 10, 20)), Row(0, 8, (0, 10)))),
        Quarter("230405005002", (Row(8, 17, (20, 30)), Row(0, 8, (10, 20, 30)))),
    ),
    {17: "河东路", 8: "兴盛路", 0: "锦绣路"},
    {0: "峻德路", 10: "兴长路", 20: "光宇路", 30: "兴建路"},
)

DONGSHAN = District(
    "230406",
    Town(
        longitude=130.3400,
        latitude=47.3400,
        column=9,
        line=8,
        step_east=40.0,
        step_north=40.0,
        bends=(Bend(-4, 14, 700, -60, 90), Bend(16, 0, 900, 110, 40)),
    ),
    (Quarter("230406004002", (Row(8, 16, (0, 9, 19)), Row(0, 8, (0, 9, 18)))),),
    {16: "沿河路", 8: "沿河南路", 0: "鹤兴路"},
    {0: "滨河路", 9: "东山路", 17: "新一路"},
)

DISTRICTS = (XIANGYANG, XINGAN, DONGSHAN)

COMPOUNDS = {
    "230405005001001": (("兴盛家园", 5), ("河东新村", 6)),
    "230405005001002": (("矿工新村", 4), ("平安小区", 7)),
    "230405005001003": (("康乐小区", 5), ("春晓小区", 4)),
    "230405005002001": (("锦绣小区", 6), ("幸福小区", 5)),
    "230405005002002": (("清河小区", 5), ("福源小区", 6)),
    "230405005002003": (("安居小区", 4), ("兴隆小区", 6)),
}
"""Xing'an's two compounds in each grid, western and eastern, with their numbers of buildings."""
