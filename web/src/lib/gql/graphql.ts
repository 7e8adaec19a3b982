/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
export type AcceptReportInput = {
  id: string | number;
  /** The report's, as you saw it. */
  version: number;
  note?: string;
  /** Ids of uploaded photos; at most 6. */
  photos?: Array<string>;
};

export type ApplyBoundaryChangeInput = {
  /** The plan's, as it was shown. */
  plan: string | number;
  /** Up to 2000 characters; kept with your name for ever. */
  reason: string;
};

/** CHANGED: another outline or name. NEW. ENDS: is no more. */
export type BoundaryFate =
  | 'CHANGED'
  | 'NEW'
  | 'ENDS';

/** What a plan warns of. OTHER: the message says it, as in plans that were made before there were codes. */
export type BoundaryWarningCode =
  | 'GROUND_GIVEN_UP'
  | 'GROUND_TAKEN_IN'
  | 'BUILDINGS_IN_NO_GRID'
  | 'BUILDINGS_OF_ANOTHER_COMMUNITY'
  | 'GRID_WAS_BEFORE'
  | 'NOBODY_WALKS_GRID'
  | 'WORKER_WITHOUT_GRID'
  | 'SPONSOR_ENDS'
  | 'BEYOND_COMMUNITY'
  | 'OTHER';

/** WGS 84 degrees. */
export type BoundsInput = {
  west: number;
  south: number;
  east: number;
  north: number;
};

export type ChooseReportGridInput = {
  id: string | number;
  /** The report's, as you saw it. */
  version: number;
  note?: string;
  /** Ids of uploaded photos; at most 6. */
  photos?: Array<string>;
  /** The code of one of the candidates. */
  grid: string;
};

export type CloseReportInput = {
  id: string | number;
  /** The report's, as you saw it. */
  version: number;
  note?: string;
  /** Ids of uploaded photos; at most 6. */
  photos?: Array<string>;
};

/** Shares. AREA_IN_ONE_GRID: of the region's area, in one grid and no other. BUILDINGS_IN_GRIDS, BUILDINGS_WITH_SPONSOR (of their own), BUILDINGS_MANAGED, BUILDINGS_VISITED (within 30 days), BUILDINGS_WITH_MEMBER_CARD: of the buildings. GRIDS_WITH_WORKER: of the grids. GRIDS_WITHIN_NORM: of the grids with a worker, those with at most 300 households for each. */
export type CoveragePart =
  | 'AREA_IN_ONE_GRID'
  | 'BUILDINGS_IN_GRIDS'
  | 'BUILDINGS_WITH_SPONSOR'
  | 'BUILDINGS_MANAGED'
  | 'BUILDINGS_VISITED'
  | 'BUILDINGS_WITH_MEMBER_CARD'
  | 'GRIDS_WITH_WORKER'
  | 'GRIDS_WITHIN_NORM';

/** WGS84: browsers, HarmonyOS, GPS. CGCS2000: surveys. GCJ02: AMap, Tencent, WeChat by its type. BD09: Baidu. */
export type Datum =
  | 'WGS84'
  | 'CGCS2000'
  | 'GCJ02'
  | 'BD09';

export type DispatchReportInput = {
  id: string | number;
  /** The report's, as you saw it. */
  version: number;
  note?: string;
  /** Ids of uploaded photos; at most 6. */
  photos?: Array<string>;
  /** The sponsor who answers, unless it is said. */
  to?: HandlerInput | null | undefined;
};

export type DoneReportInput = {
  id: string | number;
  /** The report's, as you saw it. */
  version: number;
  note?: string;
  /** Ids of uploaded photos; at most 6. */
  photos?: Array<string>;
};

/** The note says why. */
export type EscalateReportInput = {
  id: string | number;
  /** The report's, as you saw it. */
  version: number;
  note?: string;
  /** Ids of uploaded photos; at most 6. */
  photos?: Array<string>;
};

/** The note says why. */
export type ExtendReportInput = {
  id: string | number;
  /** The report's, as you saw it. */
  version: number;
  note?: string;
  /** Ids of uploaded photos; at most 6. */
  photos?: Array<string>;
  /** By when it is to be closed. */
  deadline: string;
};

/** A: from 90 on, B: from 80 on, C: from 70 on, D: from 60 on, E: from 0 on. */
export type GradeLetter =
  | 'A'
  | 'B'
  | 'C'
  | 'D'
  | 'E';

/** What one grid is to be. */
export type GridOutlineInput = {
  /** Of a grid that there is, or a free one for a new grid. Left out, a new grid has its community's code and the next 3 digits that no grid of it has ever had. */
  code?: string | null | undefined;
  /** Polygon or MultiPolygon, in the plan's datum. */
  outline?: import('geojson').Geometry | null | undefined;
  /** Instead of an outline: the codes of grids whose ground it has, all together. */
  together?: Array<string> | null | undefined;
  /** A new grid needs one; another keeps its own by default. */
  name?: string | null | undefined;
  /** Of a new grid. By default that of its code, or of the grid from which it has most of its ground. */
  community?: string | null | undefined;
};

export type HandlerInput = {
  kind: HandlerKind;
  code: string;
};

/** What kind of handler a report is dispatched to. */
export type HandlerKind =
  /** 包保单位; by its code */
  | 'SPONSOR'
  /** 网格员; by the worker's code */
  | 'GRID_WORKER'
  /** 楼栋党员; by the subject they sign in with */
  | 'BUILDING_MEMBER'
  /** 社区、街道、区; by the region's code */
  | 'REGION';

/** INSIDE: one grid, and the whole accuracy circle lies in it. UNCERTAIN: a grid, but the circle reaches beyond it. OUTSIDE: no grid. */
export type LocationOutcome =
  | 'INSIDE'
  | 'UNCERTAIN'
  | 'OUTSIDE';

export type LogVisitInput = {
  /** Made by the client, a UUIDv7 by preference. Send the visit again with the same id until it is answered: it is taken once. */
  id: string;
  /** Its code. */
  building: string;
  kind: VisitKind;
  /** When it was. */
  at: string;
  /** At most 2000 characters. Shown to those alone who look after the building. */
  note?: string;
  /** The code of the grid worker whose visit it was; left out by a grid worker. */
  worker?: string | null | undefined;
};

export type ManagementMode =
  /** 社区领办 */
  | 'COMMUNITY_LED'
  /** 专业引进 */
  | 'PROFESSIONAL'
  /** 底线保洁 */
  | 'BASELINE_CLEANING'
  /** 业主自治 */
  | 'SELF_MANAGED'
  /** 无人管理 */
  | 'UNMANAGED';

export type MergeReportInput = {
  id: string | number;
  /** The report's, as you saw it. */
  version: number;
  note?: string;
  /** Ids of uploaded photos; at most 6. */
  photos?: Array<string>;
  /** The id of the report to join it to. */
  into: string | number;
};

/** OWN: of what the viewer's codes name, or what they sent in. ALL: of everything. */
export type PermissionExtent =
  | 'OWN'
  | 'ALL';

/** What not everybody may do; `words` of a Permission says it in words. */
export type PermissionName =
  | 'SEE_PLACES'
  | 'SEE_REPORTS'
  | 'SUBMIT_REPORTS'
  | 'FOLLOW_REPORTS'
  | 'CHECK_REPORTS'
  | 'HANDLE_REPORTS'
  | 'DIRECT_REPORTS'
  | 'SEE_PERSONS'
  | 'ASSIGN_SPONSORS'
  | 'LOOK_AFTER_BUILDINGS'
  | 'CHANGE_BOUNDARIES'
  | 'SEE_AUDIT';

/** Which grids are to have which outlines, and from which day on. */
export type PlanBoundaryChangeInput = {
  /** The first day; today or later. */
  from: string;
  /** Those that change and those that are new; at most 1000 with ends. */
  grids?: Array<GridOutlineInput>;
  /** The codes of grids that are no more, as they are merged. */
  ends?: Array<string>;
  /** Of all outlines; always said, never guessed. */
  datum?: Datum;
  /** Metres, up to 10. What is nearer to a border is brought onto it. */
  tolerance?: number;
  /** Whether the grids may together give up ground, or take in some that no grid has. Otherwise such a plan cannot be applied. */
  groundMayChange?: boolean;
};

export type PointInput = {
  longitude: number;
  latitude: number;
  /** Always said, never guessed. */
  datum: Datum;
  /** Radius in metres within which the true position lies (95 %, as browsers report it). */
  accuracy?: number | null | undefined;
};

export type RateReportInput = {
  id: string | number;
  /** The report's, as you saw it. */
  version: number;
  note?: string;
  /** Ids of uploaded photos; at most 6. */
  photos?: Array<string>;
  /** 1 to 5. */
  rating: number;
};

export type RegionLevel =
  | 'PROVINCE'
  | 'CITY'
  | 'DISTRICT'
  | 'STREET'
  | 'COMMUNITY';

export type RegisterReportInput = {
  id: string | number;
  /** The report's, as you saw it. */
  version: number;
  note?: string;
  /** Ids of uploaded photos; at most 6. */
  photos?: Array<string>;
};

/** The note says why. */
export type RejectReportInput = {
  id: string | number;
  /** The report's, as you saw it. */
  version: number;
  note?: string;
  /** Ids of uploaded photos; at most 6. */
  photos?: Array<string>;
};

/** The note says why. */
export type ReopenReportInput = {
  id: string | number;
  /** The report's, as you saw it. */
  version: number;
  note?: string;
  /** Ids of uploaded photos; at most 6. */
  photos?: Array<string>;
};

/** What is done to it. */
export type ReportAction =
  | 'SUBMIT'
  | 'CHOOSE_GRID'
  | 'MOVE'
  | 'REASSIGN'
  | 'REGISTER'
  | 'REJECT'
  | 'MERGE'
  | 'DISPATCH'
  | 'RETURN'
  | 'ACCEPT'
  | 'START'
  | 'SUSPEND'
  | 'EXTEND'
  | 'DONE'
  | 'VERIFY'
  | 'REWORK'
  | 'CLOSE'
  | 'RATE'
  | 'REOPEN'
  | 'ESCALATE';

/** Which reports; what is said must all hold. */
export type ReportFilter = {
  number?: string | null | undefined;
  /** The region's code; all below it are meant. */
  region?: string | null | undefined;
  /** The code of the grid that it was reported in. */
  grid?: string | null | undefined;
  /** The code of who answers. */
  sponsor?: string | null | undefined;
  /** The code of the one that it is dispatched to. A member of a building is found by their own reports, and by those of an office's regions to that office. */
  handler?: string | null | undefined;
  states?: Array<ReportState> | null | undefined;
  /** Whether something is left to do. */
  open?: boolean | null | undefined;
  /** Its code; a main category means all of its own. */
  category?: string | null | undefined;
  urgency?: Urgency | null | undefined;
  source?: ReportSource | null | undefined;
  /** Received then or later. */
  since?: string | null | undefined;
  /** Received before. */
  until?: string | null | undefined;
  bounds?: BoundsInput | null | undefined;
  overdue?: boolean | null | undefined;
  /** Stands in the description, whatever its case. */
  text?: string | null | undefined;
};

/** How far up it went: 小事不出楼栋、大事不出社区. */
export type ReportLevel =
  | 'BUILDING'
  | 'GRID'
  | 'COMMUNITY'
  | 'STREET'
  | 'DISTRICT';

/** Of a list of reports. */
export type ReportOrder =
  | 'NEWEST'
  /** Those that are open, by the next deadline that is to be kept, the report's own or that of its step, the soonest first; what has none comes last. */
  | 'NEXT_DEADLINE';

/** How the report came. */
export type ReportSource =
  /** 随手拍: the phone page */
  | 'PHONE'
  /** 网格群 */
  | 'CHAT_GROUP'
  /** 12345 热线 */
  | 'HOTLINE_12345'
  /** 走访: seen by a grid worker */
  | 'WALK';

/** 点单: SUBMITTED, REGISTERED, REJECTED, MERGED. 派单: DISPATCHED, RETURNED. 接单: ACCEPTED, IN_PROGRESS, SUSPENDED, DONE. 评单: VERIFIED, REWORK, CLOSED, RATED. */
export type ReportState =
  | 'SUBMITTED'
  | 'REGISTERED'
  | 'REJECTED'
  | 'MERGED'
  | 'DISPATCHED'
  | 'RETURNED'
  | 'ACCEPTED'
  | 'IN_PROGRESS'
  | 'SUSPENDED'
  | 'DONE'
  | 'VERIFIED'
  | 'REWORK'
  | 'CLOSED'
  | 'RATED';

/** How to reach whoever reports. Kept apart, for those who handle it. */
export type ReporterInput = {
  name?: string | null | undefined;
  phone?: string | null | undefined;
};

/** The note says why. */
export type ReturnReportInput = {
  id: string | number;
  /** The report's, as you saw it. */
  version: number;
  note?: string;
  /** Ids of uploaded photos; at most 6. */
  photos?: Array<string>;
};

/** The note says why. */
export type ReworkReportInput = {
  id: string | number;
  /** The report's, as you saw it. */
  version: number;
  note?: string;
  /** Ids of uploaded photos; at most 6. */
  photos?: Array<string>;
};

/** ANONYMOUS: no token. RESIDENT: a resident, or whoever holds the receipt of a report. GRID_WORKER: 网格员. BUILDING_MEMBER: 楼栋党员. SPONSOR: 包保单位. COMMUNITY, STREET, DISTRICT: an office there. AUDITOR: sees all, changes nothing. ADMINISTRATOR: who runs the server. */
export type Role =
  | 'ANONYMOUS'
  | 'RESIDENT'
  | 'GRID_WORKER'
  | 'BUILDING_MEMBER'
  | 'SPONSOR'
  | 'COMMUNITY'
  | 'STREET'
  | 'DISTRICT'
  | 'AUDITOR'
  | 'ADMINISTRATOR';

export type SponsorLevel =
  | 'CITY'
  | 'DISTRICT'
  | 'STREET'
  | 'COMMUNITY';

export type StartReportInput = {
  id: string | number;
  /** The report's, as you saw it. */
  version: number;
  note?: string;
  /** Ids of uploaded photos; at most 6. */
  photos?: Array<string>;
};

export type SubmitReportInput = {
  /** Made by the client, a UUIDv7 by preference, and told to nobody else: whoever knows it may send the report again and gets the same reply. Do so until it is answered; it is taken once. The report's own id is another. */
  id: string;
  point: PointInput;
  /** When it was seen. */
  capturedAt: string;
  /** The code of a category. */
  category: string;
  description: string;
  urgency?: Urgency;
  source?: ReportSource;
  /** The code of the grid, where whoever reports knows it; one that the accuracy circle touches. */
  grid?: string | null | undefined;
  /** Ids of uploaded photos; at most 6. */
  photos?: Array<string>;
  reporter?: ReporterInput | null | undefined;
};

/** The note says why. The time until it goes on counts for nobody. */
export type SuspendReportInput = {
  id: string | number;
  /** The report's, as you saw it. */
  version: number;
  note?: string;
  /** Ids of uploaded photos; at most 6. */
  photos?: Array<string>;
  /** The last day of the suspension. */
  until: string;
};

export type Urgency =
  /** 一般 */
  | 'ROUTINE'
  /** 紧急 */
  | 'URGENT'
  /** 突发 */
  | 'EMERGENCY';

export type VerifyReportInput = {
  id: string | number;
  /** The report's, as you saw it. */
  version: number;
  note?: string;
  /** Ids of uploaded photos; at most 6. */
  photos?: Array<string>;
};

/** What grid workers do at buildings. */
export type VisitKind =
  /** 走访排查: to see how things are. */
  | 'VISIT'
  /** 收集民意: to hear what people want. */
  | 'OPINIONS'
  /** 宣传政策: to explain what holds. */
  | 'POLICY'
  /** 代办服务: to do something for somebody. */
  | 'ERRAND';

export type TopRegionsQueryVariables = Exact<{ [key: string]: never; }>;


export type TopRegionsQuery = { regions: Array<{ code: string, name: string, level: RegionLevel, children: Array<{ code: string, name: string, level: RegionLevel, children: Array<{ code: string }> }> }> };

export type RegionChildrenQueryVariables = Exact<{
  code: string;
}>;


export type RegionChildrenQuery = { region: { code: string, name: string, level: RegionLevel, children: Array<{ code: string, name: string, level: RegionLevel }> } | null };

export type RegionPathQueryVariables = Exact<{
  code: string;
}>;


export type RegionPathQuery = { region: { boundary: import('geojson').Geometry | null, code: string, name: string, level: RegionLevel, parent: { code: string, name: string, level: RegionLevel, parent: { code: string, name: string, level: RegionLevel, parent: { code: string, name: string, level: RegionLevel, parent: { code: string, name: string, level: RegionLevel } | null } | null } | null } | null } | null };

export type RegionNameFragment = { code: string, name: string, level: RegionLevel };

export type SearchQueryVariables = Exact<{
  text: string;
  on?: string | null | undefined;
}>;


export type SearchQuery = { search: Array<
    | { __typename: 'Region', code: string, name: string, parent: { name: string } | null }
    | { __typename: 'Sponsor', code: string, name: string, region: { name: string } }
    | { __typename: 'Grid', code: string, name: string, community: { name: string }, district: { name: string } }
    | { __typename: 'Building', code: string, name: string, grid: { name: string } | null, sponsor: { name: string } | null }
  > };

export type LocatePointQueryVariables = Exact<{
  point: PointInput;
  on?: string | null | undefined;
}>;


export type LocatePointQuery = { locate: { outcome: LocationOutcome, distanceToBoundary: number | null, point: { longitude: number, latitude: number }, grid: { code: string, name: string, boundary: import('geojson').Geometry, area: number, validFrom: string, community: { code: string, name: string }, street: { code: string, name: string }, district: { code: string, name: string }, workers: Array<{ code: string, name: string }>, sponsor: { code: string, name: string } | null, sponsors: Array<{ buildings: number, households: number, sponsor: { code: string, name: string, level: SponsorLevel } }> } | null, candidates: Array<{ share: number, distance: number, grid: { code: string, name: string, boundary: import('geojson').Geometry } }>, building: { code: string, name: string, location: import('geojson').Geometry, sponsor: { code: string, name: string } | null } | null, sponsor: { code: string, name: string, level: SponsorLevel, leaderRole: string | null } | null } };

export type GridPlaceFragment = { code: string, name: string, boundary: import('geojson').Geometry, area: number, validFrom: string, community: { code: string, name: string }, street: { code: string, name: string }, district: { code: string, name: string }, workers: Array<{ code: string, name: string }>, sponsor: { code: string, name: string } | null, sponsors: Array<{ buildings: number, households: number, sponsor: { code: string, name: string, level: SponsorLevel } }> };

export type BuildingRowFragment = { code: string, name: string, households: number, managementMode: ManagementMode, location: import('geojson').Geometry, sponsor: { code: string, name: string } | null };

export type GridPlaceByCodeQueryVariables = Exact<{
  code: string;
  on?: string | null | undefined;
}>;


export type GridPlaceByCodeQuery = { grid: { code: string, name: string, boundary: import('geojson').Geometry, area: number, validFrom: string, neighbours: Array<{ code: string, name: string }>, buildings: { totalCount: number, nodes: Array<{ code: string, name: string, households: number, managementMode: ManagementMode, location: import('geojson').Geometry, sponsor: { code: string, name: string } | null }> }, community: { code: string, name: string }, street: { code: string, name: string }, district: { code: string, name: string }, workers: Array<{ code: string, name: string }>, sponsor: { code: string, name: string } | null, sponsors: Array<{ buildings: number, households: number, sponsor: { code: string, name: string, level: SponsorLevel } }> } | null };

export type GridReportsQueryVariables = Exact<{
  grid: string;
}>;


export type GridReportsQuery = { reportFigures: Array<{ received: number, open: number, overdue: number, closedRate: number | null }> };

export type BuildingPlaceQueryVariables = Exact<{
  code: string;
  on?: string | null | undefined;
}>;


export type BuildingPlaceQuery = { building: { compound: string | null, code: string, name: string, households: number, managementMode: ManagementMode, location: import('geojson').Geometry, grid: { code: string, name: string, community: { code: string, name: string }, workers: Array<{ name: string }> } | null, sponsorships: Array<{ id: string, validFrom: string, validTo: string | null, sponsor: { code: string, name: string } }>, lastVisit: { kind: VisitKind, at: string } | null, memberCards: Array<{ id: string }>, sponsor: { code: string, name: string } | null } | null };

export type SponsorPlaceQueryVariables = Exact<{
  code: string;
  on?: string | null | undefined;
}>;


export type SponsorPlaceQuery = { sponsor: { code: string, name: string, level: SponsorLevel, leaderRole: string | null, buildingCount: number, householdCount: number, gridCount: number, region: { code: string, name: string }, hull: { outline: import('geojson').Geometry, area: number } | null, buildings: { nodes: Array<{ code: string, name: string, households: number, managementMode: ManagementMode, location: import('geojson').Geometry, sponsor: { code: string, name: string } | null }> } } | null };

export type SponsorReportsQueryVariables = Exact<{
  code: string;
}>;


export type SponsorReportsQuery = { sponsor: { openReportCount: number, overdueReportCount: number } | null };

export type ReportPlaceQueryVariables = Exact<{
  filter: ReportFilter;
}>;


export type ReportPlaceQuery = { reports: { nodes: Array<{ number: string, state: ReportState, urgency: Urgency, description: string, receivedAt: string, deadline: string | null, isOverdue: boolean, location: import('geojson').Geometry, category: { name: string, parent: { name: string } | null }, grid: { code: string, name: string } | null, building: { code: string, name: string } | null, sponsor: { code: string, name: string } | null, photos: Array<{ id: string, thumbnailUrl: string }> }> } };

export type NamesQueryVariables = Exact<{
  bounds: BoundsInput;
  on?: string | null | undefined;
  after?: string | null | undefined;
}>;


export type NamesQuery = { grids: { nodes: Array<{ code: string, name: string, boundary: import('geojson').Geometry, community: { code: string, name: string } }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } };

export type RegionSponsorsQueryVariables = Exact<{
  region?: string | null | undefined;
  on?: string | null | undefined;
  after?: string | null | undefined;
}>;


export type RegionSponsorsQuery = { sponsors: { nodes: Array<{ code: string, name: string, level: SponsorLevel, leaderRole: string | null, buildingCount: number, householdCount: number, gridCount: number, region: { code: string, name: string } }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } };

export type GapsQueryVariables = Exact<{
  region: string;
  on?: string | null | undefined;
  after?: string | null | undefined;
}>;


export type GapsQuery = { coverage: { list: { nodes: Array<{ outline: import('geojson').Geometry, area: number, buildings: number }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } } };

export type OverlapsQueryVariables = Exact<{
  region: string;
  on?: string | null | undefined;
  after?: string | null | undefined;
}>;


export type OverlapsQuery = { coverage: { list: { nodes: Array<{ outline: import('geojson').Geometry, area: number, buildings: number, grids: Array<{ code: string, name: string }> }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } } };

export type GridsWithoutWorkerQueryVariables = Exact<{
  region: string;
  on?: string | null | undefined;
  after?: string | null | undefined;
}>;


export type GridsWithoutWorkerQuery = { coverage: { list: { nodes: Array<{ code: string, name: string, boundary: import('geojson').Geometry }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } } };

export type GridsWithoutSponsorQueryVariables = Exact<{
  region: string;
  on?: string | null | undefined;
  after?: string | null | undefined;
}>;


export type GridsWithoutSponsorQuery = { coverage: { list: { nodes: Array<{ code: string, name: string, boundary: import('geojson').Geometry }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } } };

export type ClustersQueryVariables = Exact<{
  bounds: BoundsInput;
  zoom: number;
  filter?: ReportFilter | null | undefined;
}>;


export type ClustersQuery = { reportClusters: Array<{ count: number, key: string, location: import('geojson').Geometry, bounds: Array<number> }> };

export type HotspotsQueryVariables = Exact<{
  region: string;
  filter?: ReportFilter | null | undefined;
}>;


export type HotspotsQuery = { hotspots: Array<{ count: number, outline: import('geojson').Geometry }> };

export type ReportCategoriesQueryVariables = Exact<{ [key: string]: never; }>;


export type ReportCategoriesQuery = { reportCategories: Array<{ code: string, name: string, children: Array<{ code: string, name: string }> }> };

export type CoverageFiguresQueryVariables = Exact<{
  region: string;
  on?: string | null | undefined;
}>;


export type CoverageFiguresQuery = { coverage: { on: string, gridCount: number, buildingCount: number, areaCovered: number, region: { code: string, name: string, level: RegionLevel }, grade: { score: number | null, letter: GradeLetter | null, parts: Array<{ name: CoveragePart, value: number, weight: number, points: number }> }, gaps: { totalCount: number }, overlaps: { totalCount: number }, buildingsOutsideGrids: { totalCount: number }, buildingsWithoutSponsor: { totalCount: number }, buildingsWithoutManagement: { totalCount: number }, buildingsNotVisited: { totalCount: number }, buildingsWithoutMemberCard: { totalCount: number }, gridsWithoutWorker: { totalCount: number }, gridsWithoutSponsor: { totalCount: number }, gridsOverNorm: { totalCount: number }, sponsorLevels: Array<{ level: SponsorLevel, sponsors: number, buildings: number, households: number }>, regions: { nodes: Array<{ region: { code: string, name: string }, grade: { score: number | null, letter: GradeLetter | null } }> } } };

export type ReportFiguresOfQueryVariables = Exact<{
  filter: ReportFilter;
}>;


export type ReportFiguresOfQuery = { all: Array<{ received: number, due: number, closed: number, closedRate: number | null, inTimeRate: number | null, open: number, overdue: number, repliedRate: number | null, meanFirstReplyMinutes: number | null, medianFirstReplyMinutes: number | null, meanRating: number | null, rated: number, closedByLevel: Array<{ level: ReportLevel, closed: number, share: number | null }> }>, categories: Array<{ received: number, open: number, overdue: number, category: { code: string, name: string } | null }> };

export type ReportTrendsOfQueryVariables = Exact<{
  region: string;
  filter?: ReportFilter | null | undefined;
}>;


export type ReportTrendsOfQuery = { reportTrends: Array<{ reports: number, before: Array<number>, expected: number | null, probability: number | null, unusual: boolean, grid: { code: string, name: string } }> };

export type ReportsByGridQueryVariables = Exact<{
  filter: ReportFilter;
}>;


export type ReportsByGridQuery = { reportFigures: Array<{ received: number, grid: { code: string } | null }> };

export type GridListQueryVariables = Exact<{
  region?: string | null | undefined;
  bounds?: BoundsInput | null | undefined;
  on?: string | null | undefined;
  datum: Datum;
  after?: string | null | undefined;
}>;


export type GridListQuery = { grids: { nodes: Array<{ code: string, name: string, boundary: import('geojson').Geometry, area: number, community: { code: string, name: string }, street: { name: string }, district: { name: string }, workers: Array<{ name: string }>, sponsor: { code: string, name: string } | null }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } };

export type BuildingListQueryVariables = Exact<{
  region?: string | null | undefined;
  bounds?: BoundsInput | null | undefined;
  on?: string | null | undefined;
  datum: Datum;
  after?: string | null | undefined;
}>;


export type BuildingListQuery = { buildings: { nodes: Array<{ code: string, name: string, compound: string | null, households: number, managementMode: ManagementMode, location: import('geojson').Geometry, grid: { code: string, name: string } | null, sponsor: { code: string, name: string } | null }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } };

export type StateOfReportsQueryVariables = Exact<{ [key: string]: never; }>;


export type StateOfReportsQuery = { reports: { asOf: string } };

export type RegionReportsSubscriptionVariables = Exact<{
  region?: string | null | undefined;
  after?: string | null | undefined;
}>;


export type RegionReportsSubscription = { reportChanged: { cursor: string, report: { number: string, category: { name: string }, grid: { name: string } | null } | null, event: { action: ReportAction } | null } };

export type GridsAroundQueryVariables = Exact<{
  bounds: BoundsInput;
  on?: string | null | undefined;
  after?: string | null | undefined;
}>;


export type GridsAroundQuery = { grids: { nodes: Array<{ code: string, name: string, boundary: import('geojson').Geometry, community: { code: string, name: string }, district: { code: string, name: string } }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } };

export type GridToEditQueryVariables = Exact<{
  code: string;
  on?: string | null | undefined;
}>;


export type GridToEditQuery = { grid: { code: string, name: string, boundary: import('geojson').Geometry, community: { code: string, name: string }, district: { code: string, name: string } } | null };

export type GridAtQueryVariables = Exact<{
  point: PointInput;
  on?: string | null | undefined;
}>;


export type GridAtQuery = { locate: { grid: { code: string } | null } };

export type OutlinedFragment = { code: string, name: string, boundary: import('geojson').Geometry, community: { code: string, name: string }, district: { code: string, name: string } };

export type ToWgs84QueryVariables = Exact<{
  points: Array<PointInput> | PointInput;
}>;


export type ToWgs84Query = { locateMany: Array<{ point: { longitude: number, latitude: number, datum: Datum } }> };

export type PlanBoundaryChangeMutationVariables = Exact<{
  input: PlanBoundaryChangeInput;
}>;


export type PlanBoundaryChangeMutation = { planBoundaryChange: { id: string, from: string, madeAt: string, author: string, groundMayChange: boolean, obstacles: Array<string>, warned: Array<{ code: BoundaryWarningCode, message: string, grid: string | null, community: string | null, building: string | null, workerName: string | null, sponsor: string | null, area: number | null, buildings: number | null }>, district: { code: string, name: string }, change: { appliedAt: string, author: string, reason: string } | null, grids: Array<{ code: string, name: string, fate: BoundaryFate, areaBefore: number, areaAfter: number, outlineBefore: import('geojson').Geometry | null, outlineAfter: import('geojson').Geometry | null, community: { name: string }, workBefore: { buildings: number, households: number, workers: number }, workAfter: { buildings: number, households: number, workers: number } }>, snapped: { totalCount: number }, gaps: { totalCount: number, nodes: Array<{ area: number, grids: Array<string>, outline: import('geojson').Geometry }> }, taken: { totalCount: number, nodes: Array<{ area: number, grids: Array<string>, outline: import('geojson').Geometry }> }, overlaps: { totalCount: number, nodes: Array<{ area: number, grids: Array<string>, outline: import('geojson').Geometry, isNew: boolean }> }, moves: { totalCount: number, nodes: Array<{ gridBefore: string | null, gridAfter: string | null, area: number, buildings: number, households: number, openReports: number | null, sponsorships: number }> }, buildings: { totalCount: number, nodes: Array<{ gridBefore: string | null, gridAfter: string | null, households: number, building: { code: string, name: string, location: import('geojson').Geometry, sponsor: { name: string } | null } | null }> }, reports: { totalCount: number, nodes: Array<{ gridBefore: string | null, gridAfter: string | null, report: { number: string } | null }> }, sponsorships: { totalCount: number }, endingSponsorships: { totalCount: number, nodes: Array<{ gridBefore: string | null, sponsorship: { sponsor: { name: string } } | null }> }, endingAssignments: { totalCount: number, nodes: Array<{ grid: string, worker: { name: string } | null }> } } };

export type BoundaryPlanQueryVariables = Exact<{
  id: string | number;
}>;


export type BoundaryPlanQuery = { boundaryPlan: { id: string, from: string, madeAt: string, author: string, groundMayChange: boolean, obstacles: Array<string>, warned: Array<{ code: BoundaryWarningCode, message: string, grid: string | null, community: string | null, building: string | null, workerName: string | null, sponsor: string | null, area: number | null, buildings: number | null }>, district: { code: string, name: string }, change: { appliedAt: string, author: string, reason: string } | null, grids: Array<{ code: string, name: string, fate: BoundaryFate, areaBefore: number, areaAfter: number, outlineBefore: import('geojson').Geometry | null, outlineAfter: import('geojson').Geometry | null, community: { name: string }, workBefore: { buildings: number, households: number, workers: number }, workAfter: { buildings: number, households: number, workers: number } }>, snapped: { totalCount: number }, gaps: { totalCount: number, nodes: Array<{ area: number, grids: Array<string>, outline: import('geojson').Geometry }> }, taken: { totalCount: number, nodes: Array<{ area: number, grids: Array<string>, outline: import('geojson').Geometry }> }, overlaps: { totalCount: number, nodes: Array<{ area: number, grids: Array<string>, outline: import('geojson').Geometry, isNew: boolean }> }, moves: { totalCount: number, nodes: Array<{ gridBefore: string | null, gridAfter: string | null, area: number, buildings: number, households: number, openReports: number | null, sponsorships: number }> }, buildings: { totalCount: number, nodes: Array<{ gridBefore: string | null, gridAfter: string | null, households: number, building: { code: string, name: string, location: import('geojson').Geometry, sponsor: { name: string } | null } | null }> }, reports: { totalCount: number, nodes: Array<{ gridBefore: string | null, gridAfter: string | null, report: { number: string } | null }> }, sponsorships: { totalCount: number }, endingSponsorships: { totalCount: number, nodes: Array<{ gridBefore: string | null, sponsorship: { sponsor: { name: string } } | null }> }, endingAssignments: { totalCount: number, nodes: Array<{ grid: string, worker: { name: string } | null }> } } | null };

export type PlanFragment = { id: string, from: string, madeAt: string, author: string, groundMayChange: boolean, obstacles: Array<string>, warned: Array<{ code: BoundaryWarningCode, message: string, grid: string | null, community: string | null, building: string | null, workerName: string | null, sponsor: string | null, area: number | null, buildings: number | null }>, district: { code: string, name: string }, change: { appliedAt: string, author: string, reason: string } | null, grids: Array<{ code: string, name: string, fate: BoundaryFate, areaBefore: number, areaAfter: number, outlineBefore: import('geojson').Geometry | null, outlineAfter: import('geojson').Geometry | null, community: { name: string }, workBefore: { buildings: number, households: number, workers: number }, workAfter: { buildings: number, households: number, workers: number } }>, snapped: { totalCount: number }, gaps: { totalCount: number, nodes: Array<{ area: number, grids: Array<string>, outline: import('geojson').Geometry }> }, taken: { totalCount: number, nodes: Array<{ area: number, grids: Array<string>, outline: import('geojson').Geometry }> }, overlaps: { totalCount: number, nodes: Array<{ area: number, grids: Array<string>, outline: import('geojson').Geometry, isNew: boolean }> }, moves: { totalCount: number, nodes: Array<{ gridBefore: string | null, gridAfter: string | null, area: number, buildings: number, households: number, openReports: number | null, sponsorships: number }> }, buildings: { totalCount: number, nodes: Array<{ gridBefore: string | null, gridAfter: string | null, households: number, building: { code: string, name: string, location: import('geojson').Geometry, sponsor: { name: string } | null } | null }> }, reports: { totalCount: number, nodes: Array<{ gridBefore: string | null, gridAfter: string | null, report: { number: string } | null }> }, sponsorships: { totalCount: number }, endingSponsorships: { totalCount: number, nodes: Array<{ gridBefore: string | null, sponsorship: { sponsor: { name: string } } | null }> }, endingAssignments: { totalCount: number, nodes: Array<{ grid: string, worker: { name: string } | null }> } };

export type WarnedFragment = { code: BoundaryWarningCode, message: string, grid: string | null, community: string | null, building: string | null, workerName: string | null, sponsor: string | null, area: number | null, buildings: number | null };

export type PieceFragment = { area: number, grids: Array<string>, outline: import('geojson').Geometry };

export type ApplyBoundaryChangeMutationVariables = Exact<{
  input: ApplyBoundaryChangeInput;
}>;


export type ApplyBoundaryChangeMutation = { applyBoundaryChange: { plan: { id: string, from: string, madeAt: string, author: string, groundMayChange: boolean, obstacles: Array<string>, warned: Array<{ code: BoundaryWarningCode, message: string, grid: string | null, community: string | null, building: string | null, workerName: string | null, sponsor: string | null, area: number | null, buildings: number | null }>, district: { code: string, name: string }, change: { appliedAt: string, author: string, reason: string } | null, grids: Array<{ code: string, name: string, fate: BoundaryFate, areaBefore: number, areaAfter: number, outlineBefore: import('geojson').Geometry | null, outlineAfter: import('geojson').Geometry | null, community: { name: string }, workBefore: { buildings: number, households: number, workers: number }, workAfter: { buildings: number, households: number, workers: number } }>, snapped: { totalCount: number }, gaps: { totalCount: number, nodes: Array<{ area: number, grids: Array<string>, outline: import('geojson').Geometry }> }, taken: { totalCount: number, nodes: Array<{ area: number, grids: Array<string>, outline: import('geojson').Geometry }> }, overlaps: { totalCount: number, nodes: Array<{ area: number, grids: Array<string>, outline: import('geojson').Geometry, isNew: boolean }> }, moves: { totalCount: number, nodes: Array<{ gridBefore: string | null, gridAfter: string | null, area: number, buildings: number, households: number, openReports: number | null, sponsorships: number }> }, buildings: { totalCount: number, nodes: Array<{ gridBefore: string | null, gridAfter: string | null, households: number, building: { code: string, name: string, location: import('geojson').Geometry, sponsor: { name: string } | null } | null }> }, reports: { totalCount: number, nodes: Array<{ gridBefore: string | null, gridAfter: string | null, report: { number: string } | null }> }, sponsorships: { totalCount: number }, endingSponsorships: { totalCount: number, nodes: Array<{ gridBefore: string | null, sponsorship: { sponsor: { name: string } } | null }> }, endingAssignments: { totalCount: number, nodes: Array<{ grid: string, worker: { name: string } | null }> } }, grids: Array<{ code: string, name: string }> } };

export type DifferenceQueryVariables = Exact<{
  region: string;
  from: string;
  to: string;
}>;


export type DifferenceQuery = { boundaryDifference: { area: number, areas: { totalCount: number, nodes: Array<{ area: number, outline: import('geojson').Geometry, gridBefore: { code: string, name: string } | null, gridAfter: { code: string, name: string } | null }> }, grids: { totalCount: number, nodes: Array<{ before: { code: string, name: string, area: number, boundary: import('geojson').Geometry } | null, after: { code: string, name: string, area: number, boundary: import('geojson').Geometry } | null }> } } };

export type CoveredQueryVariables = Exact<{
  region: string;
  on: string;
}>;


export type CoveredQuery = { coverage: { on: string, gridCount: number, buildingCount: number, areaCovered: number, region: { code: string, name: string }, grade: { score: number | null, letter: GradeLetter | null }, gaps: { totalCount: number }, overlaps: { totalCount: number }, buildingsOutsideGrids: { totalCount: number }, buildingsWithoutSponsor: { totalCount: number }, gridsWithoutWorker: { totalCount: number }, gridsWithoutSponsor: { totalCount: number }, gridsOverNorm: { totalCount: number } } };

export type HistoryQueryVariables = Exact<{
  code: string;
}>;


export type HistoryQuery = { gridHistory: { totalCount: number, nodes: Array<{ name: string, validFrom: string, validTo: string | null, author: string | null, authorRole: string | null, appliedAt: string | null, reason: string | null, endAuthor: string | null, endReason: string | null, area: number, outline: import('geojson').Geometry, splitFrom: Array<{ code: string, name: string }>, mergedInto: Array<{ code: string, name: string }> }> } };

export type OfficeCountsQueryVariables = Exact<{
  incoming: ReportFilter;
  sending: ReportFilter;
  working: ReportFilter;
  late: ReportFilter;
  checking: ReportFilter;
}>;


export type OfficeCountsQuery = { incoming: { totalCount: number }, sending: { totalCount: number }, working: { totalCount: number }, late: { totalCount: number }, checking: { totalCount: number } };

export type OfficeReportsQueryVariables = Exact<{
  filter: ReportFilter;
  order: ReportOrder;
  after?: string | null | undefined;
}>;


export type OfficeReportsQuery = { reports: { nodes: Array<{ number: string, state: ReportState, urgency: Urgency, description: string, deadline: string | null, stepDeadline: string | null, isOverdue: boolean, category: { name: string }, grid: { name: string } | null, region: { name: string } }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } };

export type OfficeReportQueryVariables = Exact<{
  filter: ReportFilter;
}>;


export type OfficeReportQuery = { reports: { nodes: Array<{ id: string, number: string, version: number, state: ReportState, urgency: Urgency, source: ReportSource, level: ReportLevel, description: string, accuracy: number | null, capturedAt: string, receivedAt: string, deadline: string | null, stepDeadline: string | null, isOverdue: boolean, rating: number | null, actions: Array<ReportAction>, location: import('geojson').Geometry, point: { longitude: number, latitude: number, datum: Datum }, category: { code: string, name: string }, region: { code: string, name: string, level: RegionLevel, parent: { code: string, name: string, level: RegionLevel, parent: { code: string, name: string, level: RegionLevel } | null } | null }, grid: { code: string, name: string, workers: Array<{ code: string, name: string }>, sponsor: { code: string, name: string } | null } | null, building: { code: string, name: string } | null, sponsor: { code: string, name: string } | null, handler: { name: string | null } | null, mergedInto: { number: string } | null, photos: Array<{ id: string, url: string, thumbnailUrl: string }>, events: Array<{ version: number, action: ReportAction, state: ReportState, at: string, actorRole: string, note: string }> }> } };

export type OfficeCardFragment = { id: string, number: string, version: number, state: ReportState, urgency: Urgency, source: ReportSource, level: ReportLevel, description: string, accuracy: number | null, capturedAt: string, receivedAt: string, deadline: string | null, stepDeadline: string | null, isOverdue: boolean, rating: number | null, actions: Array<ReportAction>, location: import('geojson').Geometry, point: { longitude: number, latitude: number, datum: Datum }, category: { code: string, name: string }, region: { code: string, name: string, level: RegionLevel, parent: { code: string, name: string, level: RegionLevel, parent: { code: string, name: string, level: RegionLevel } | null } | null }, grid: { code: string, name: string, workers: Array<{ code: string, name: string }>, sponsor: { code: string, name: string } | null } | null, building: { code: string, name: string } | null, sponsor: { code: string, name: string } | null, handler: { name: string | null } | null, mergedInto: { number: string } | null, photos: Array<{ id: string, url: string, thumbnailUrl: string }>, events: Array<{ version: number, action: ReportAction, state: ReportState, at: string, actorRole: string, note: string }> };

export type OfficeReporterQueryVariables = Exact<{
  id: string | number;
}>;


export type OfficeReporterQuery = { report: { reporter: { name: string | null, phone: string | null } | null } | null };

export type OfficeNearbyQueryVariables = Exact<{
  filter: ReportFilter;
}>;


export type OfficeNearbyQuery = { reports: { nodes: Array<{ id: string, number: string, state: ReportState, description: string, receivedAt: string }> } };

export type OfficeFoundQueryVariables = Exact<{
  filter: ReportFilter;
}>;


export type OfficeFoundQuery = { reports: { nodes: Array<{ id: string, number: string }> } };

export type OfficeCandidatesQueryVariables = Exact<{
  point: PointInput;
  on?: string | null | undefined;
}>;


export type OfficeCandidatesQuery = { locate: { candidates: Array<{ share: number, grid: { code: string, name: string } }> } };

export type OfficeSponsorsQueryVariables = Exact<{
  text: string;
}>;


export type OfficeSponsorsQuery = { search: Array<
    | { __typename: 'Region' }
    | { __typename: 'Sponsor', code: string, name: string, region: { name: string } }
    | { __typename: 'Grid' }
    | { __typename: 'Building' }
  > };

export type OfficeRegisterMutationVariables = Exact<{
  input: RegisterReportInput;
}>;


export type OfficeRegisterMutation = { registerReport: { report: { version: number, state: ReportState } } };

export type OfficeChooseGridMutationVariables = Exact<{
  input: ChooseReportGridInput;
}>;


export type OfficeChooseGridMutation = { chooseReportGrid: { report: { version: number, state: ReportState } } };

export type OfficeRejectMutationVariables = Exact<{
  input: RejectReportInput;
}>;


export type OfficeRejectMutation = { rejectReport: { report: { version: number, state: ReportState } } };

export type OfficeMergeMutationVariables = Exact<{
  input: MergeReportInput;
}>;


export type OfficeMergeMutation = { mergeReport: { report: { version: number, state: ReportState } } };

export type OfficeDispatchMutationVariables = Exact<{
  input: DispatchReportInput;
}>;


export type OfficeDispatchMutation = { dispatchReport: { report: { version: number, state: ReportState } } };

export type OfficeReturnMutationVariables = Exact<{
  input: ReturnReportInput;
}>;


export type OfficeReturnMutation = { returnReport: { report: { version: number, state: ReportState } } };

export type OfficeEscalateMutationVariables = Exact<{
  input: EscalateReportInput;
}>;


export type OfficeEscalateMutation = { escalateReport: { report: { version: number, state: ReportState } } };

export type OfficeAcceptMutationVariables = Exact<{
  input: AcceptReportInput;
}>;


export type OfficeAcceptMutation = { acceptReport: { report: { version: number, state: ReportState } } };

export type OfficeStartMutationVariables = Exact<{
  input: StartReportInput;
}>;


export type OfficeStartMutation = { startReport: { report: { version: number, state: ReportState } } };

export type OfficeSuspendMutationVariables = Exact<{
  input: SuspendReportInput;
}>;


export type OfficeSuspendMutation = { suspendReport: { report: { version: number, state: ReportState } } };

export type OfficeExtendMutationVariables = Exact<{
  input: ExtendReportInput;
}>;


export type OfficeExtendMutation = { extendReport: { report: { version: number, state: ReportState } } };

export type OfficeDoneMutationVariables = Exact<{
  input: DoneReportInput;
}>;


export type OfficeDoneMutation = { doneReport: { report: { version: number, state: ReportState } } };

export type OfficeVerifyMutationVariables = Exact<{
  input: VerifyReportInput;
}>;


export type OfficeVerifyMutation = { verifyReport: { report: { version: number, state: ReportState } } };

export type OfficeReworkMutationVariables = Exact<{
  input: ReworkReportInput;
}>;


export type OfficeReworkMutation = { reworkReport: { report: { version: number, state: ReportState } } };

export type OfficeCloseMutationVariables = Exact<{
  input: CloseReportInput;
}>;


export type OfficeCloseMutation = { closeReport: { report: { version: number, state: ReportState } } };

export type OfficeReopenMutationVariables = Exact<{
  input: ReopenReportInput;
}>;


export type OfficeReopenMutation = { reopenReport: { report: { version: number, state: ReportState } } };

export type LocateQueryVariables = Exact<{
  point: PointInput;
}>;


export type LocateQuery = { locate: { outcome: LocationOutcome, distanceToBoundary: number | null, point: { longitude: number, latitude: number, datum: Datum }, grid: { code: string, name: string, boundary: import('geojson').Geometry, community: { name: string }, street: { name: string }, district: { code: string, name: string }, workers: Array<{ name: string }> } | null, candidates: Array<{ share: number, distance: number, grid: { code: string, name: string, boundary: import('geojson').Geometry, community: { name: string }, street: { name: string }, district: { code: string, name: string }, workers: Array<{ name: string }> } }>, building: { code: string, name: string } | null, sponsor: { name: string, level: SponsorLevel, leaderRole: string | null } | null } };

export type GridCardFragment = { code: string, name: string, boundary: import('geojson').Geometry, community: { name: string }, street: { name: string }, district: { code: string, name: string }, workers: Array<{ name: string }> };

export type CategoriesQueryVariables = Exact<{ [key: string]: never; }>;


export type CategoriesQuery = { reportCategories: Array<{ code: string, name: string, children: Array<{ code: string, name: string }> }> };

export type SubmitReportMutationVariables = Exact<{
  input: SubmitReportInput;
}>;


export type SubmitReportMutation = { submitReport: { number: string, deadline: string | null, receipt: string | null, isDefaultHandler: boolean, report: { id: string, version: number }, grid: { code: string, name: string } | null, candidates: Array<{ share: number, grid: { code: string, name: string } }>, workers: Array<{ name: string }>, sponsor: { name: string } | null, duplicates: Array<{ id: string, number: string, state: ReportState, receivedOn: string }> } };

export type ChooseReportGridMutationVariables = Exact<{
  input: ChooseReportGridInput;
}>;


export type ChooseReportGridMutation = { chooseReportGrid: { report: { id: string, version: number, deadline: string | null, grid: { code: string, name: string, workers: Array<{ name: string }> } | null, sponsor: { name: string } | null } } };

export type MergeReportMutationVariables = Exact<{
  input: MergeReportInput;
}>;


export type MergeReportMutation = { mergeReport: { report: { id: string, version: number, state: ReportState, mergedInto: { number: string } | null } } };

export type RateReportMutationVariables = Exact<{
  input: RateReportInput;
}>;


export type RateReportMutation = { rateReport: { report: { id: string, version: number, state: ReportState, rating: number | null } } };

export type ReportCardFragment = { id: string, number: string, version: number, state: ReportState, urgency: Urgency, description: string, receivedAt: string, deadline: string | null, stepDeadline: string | null, isOverdue: boolean, closedAt: string | null, rating: number | null, actions: Array<ReportAction>, location: import('geojson').Geometry, category: { name: string, parent: { name: string } | null }, grid: { code: string, name: string, workers: Array<{ name: string }> } | null, building: { name: string } | null, sponsor: { name: string } | null, mergedInto: { number: string } | null, photos: Array<{ id: string, url: string, thumbnailUrl: string, width: number, height: number }> };

export type MyReportQueryVariables = Exact<{
  number: string;
}>;


export type MyReportQuery = { reports: { asOf: string, nodes: Array<{ id: string, number: string, version: number, state: ReportState, urgency: Urgency, description: string, receivedAt: string, deadline: string | null, stepDeadline: string | null, isOverdue: boolean, closedAt: string | null, rating: number | null, actions: Array<ReportAction>, location: import('geojson').Geometry, events: Array<{ version: number, action: ReportAction, state: ReportState, at: string, note: string }>, category: { name: string, parent: { name: string } | null }, grid: { code: string, name: string, workers: Array<{ name: string }> } | null, building: { name: string } | null, sponsor: { name: string } | null, mergedInto: { number: string } | null, photos: Array<{ id: string, url: string, thumbnailUrl: string, width: number, height: number }> }> } };

export type ReportChangedSubscriptionVariables = Exact<{
  id?: string | number | null | undefined;
  grid?: string | null | undefined;
  after?: string | null | undefined;
}>;


export type ReportChangedSubscription = { reportChanged: { cursor: string, report: { version: number } | null } };

export type ViewerQueryVariables = Exact<{ [key: string]: never; }>;


export type ViewerQuery = { viewer: { role: Role, subject: string | null, codes: Array<string>, permissions: Array<{ name: PermissionName, extent: PermissionExtent }> } };

export type WorkReportsQueryVariables = Exact<{
  filter: ReportFilter;
}>;


export type WorkReportsQuery = { reports: { asOf: string, nodes: Array<{ id: string, number: string, version: number, state: ReportState, urgency: Urgency, description: string, receivedAt: string, deadline: string | null, stepDeadline: string | null, isOverdue: boolean, closedAt: string | null, rating: number | null, actions: Array<ReportAction>, location: import('geojson').Geometry, category: { name: string, parent: { name: string } | null }, grid: { code: string, name: string, workers: Array<{ name: string }> } | null, building: { name: string } | null, sponsor: { name: string } | null, mergedInto: { number: string } | null, photos: Array<{ id: string, url: string, thumbnailUrl: string, width: number, height: number }> }> } };

export type GridBuildingsQueryVariables = Exact<{
  grid: string;
  after?: string | null | undefined;
}>;


export type GridBuildingsQuery = { grid: { name: string, buildings: { nodes: Array<{ code: string, name: string, households: number, managementMode: ManagementMode, location: import('geojson').Geometry, sponsor: { name: string } | null, lastVisit: { kind: VisitKind, at: string } | null }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } } | null };

export type LogVisitMutationVariables = Exact<{
  input: LogVisitInput;
}>;


export type LogVisitMutation = { logVisit: { visit: { id: string } } };

export type RegisterReportMutationVariables = Exact<{
  input: RegisterReportInput;
}>;


export type RegisterReportMutation = { registerReport: { report: { id: string, version: number, state: ReportState } } };

export type AcceptReportMutationVariables = Exact<{
  input: AcceptReportInput;
}>;


export type AcceptReportMutation = { acceptReport: { report: { id: string, version: number, state: ReportState } } };

export type StartReportMutationVariables = Exact<{
  input: StartReportInput;
}>;


export type StartReportMutation = { startReport: { report: { id: string, version: number, state: ReportState } } };

export type DoneReportMutationVariables = Exact<{
  input: DoneReportInput;
}>;


export type DoneReportMutation = { doneReport: { report: { id: string, version: number, state: ReportState } } };

export type ReturnReportMutationVariables = Exact<{
  input: ReturnReportInput;
}>;


export type ReturnReportMutation = { returnReport: { report: { id: string, version: number, state: ReportState } } };

export type VerifyReportMutationVariables = Exact<{
  input: VerifyReportInput;
}>;


export type VerifyReportMutation = { verifyReport: { report: { id: string, version: number, state: ReportState } } };

export class TypedDocumentString<TResult, TVariables>
  extends String
  implements DocumentTypeDecoration<TResult, TVariables>
{
  __apiType?: NonNullable<DocumentTypeDecoration<TResult, TVariables>['__apiType']>;
  private value: string;
  public __meta__?: Record<string, any> | undefined;

  constructor(value: string, __meta__?: Record<string, any> | undefined) {
    super(value);
    this.value = value;
    this.__meta__ = __meta__;
  }

  override toString(): string & DocumentTypeDecoration<TResult, TVariables> {
    return this.value;
  }
}
export const RegionNameFragmentDoc = new TypedDocumentString(`
    fragment RegionName on Region {
  code
  name
  level
}
    `, {"fragmentName":"RegionName"}) as unknown as TypedDocumentString<RegionNameFragment, unknown>;
export const GridPlaceFragmentDoc = new TypedDocumentString(`
    fragment GridPlace on Grid {
  code
  name
  boundary
  area
  validFrom
  community {
    code
    name
  }
  street {
    code
    name
  }
  district {
    code
    name
  }
  workers {
    code
    name
  }
  sponsor {
    code
    name
  }
  sponsors {
    buildings
    households
    sponsor {
      code
      name
      level
    }
  }
}
    `, {"fragmentName":"GridPlace"}) as unknown as TypedDocumentString<GridPlaceFragment, unknown>;
export const BuildingRowFragmentDoc = new TypedDocumentString(`
    fragment BuildingRow on Building {
  code
  name
  households
  managementMode
  location
  sponsor {
    code
    name
  }
}
    `, {"fragmentName":"BuildingRow"}) as unknown as TypedDocumentString<BuildingRowFragment, unknown>;
export const OutlinedFragmentDoc = new TypedDocumentString(`
    fragment Outlined on Grid {
  code
  name
  boundary
  community {
    code
    name
  }
  district {
    code
    name
  }
}
    `, {"fragmentName":"Outlined"}) as unknown as TypedDocumentString<OutlinedFragment, unknown>;
export const WarnedFragmentDoc = new TypedDocumentString(`
    fragment Warned on BoundaryWarning {
  code
  message
  grid
  community
  building
  workerName
  sponsor
  area
  buildings
}
    `, {"fragmentName":"Warned"}) as unknown as TypedDocumentString<WarnedFragment, unknown>;
export const PieceFragmentDoc = new TypedDocumentString(`
    fragment Piece on PlannedPiece {
  area
  grids
  outline
}
    `, {"fragmentName":"Piece"}) as unknown as TypedDocumentString<PieceFragment, unknown>;
export const PlanFragmentDoc = new TypedDocumentString(`
    fragment Plan on BoundaryPlan {
  id
  from
  madeAt
  author
  groundMayChange
  warned {
    ...Warned
  }
  obstacles
  district {
    code
    name
  }
  change {
    appliedAt
    author
    reason
  }
  grids {
    code
    name
    fate
    areaBefore
    areaAfter
    community {
      name
    }
    workBefore {
      buildings
      households
      workers
    }
    workAfter {
      buildings
      households
      workers
    }
    outlineBefore
    outlineAfter
  }
  snapped(first: 1) {
    totalCount
  }
  gaps {
    totalCount
    nodes {
      ...Piece
    }
  }
  taken {
    totalCount
    nodes {
      ...Piece
    }
  }
  overlaps {
    totalCount
    nodes {
      area
      grids
      outline
      isNew
    }
  }
  moves {
    totalCount
    nodes {
      gridBefore
      gridAfter
      area
      buildings
      households
      openReports
      sponsorships
    }
  }
  buildings(first: 20) {
    totalCount
    nodes {
      gridBefore
      gridAfter
      households
      building {
        code
        name
        location
        sponsor {
          name
        }
      }
    }
  }
  reports(first: 20) {
    totalCount
    nodes {
      gridBefore
      gridAfter
      report {
        number
      }
    }
  }
  sponsorships(first: 1) {
    totalCount
  }
  endingSponsorships(first: 20) {
    totalCount
    nodes {
      gridBefore
      sponsorship {
        sponsor {
          name
        }
      }
    }
  }
  endingAssignments(first: 20) {
    totalCount
    nodes {
      grid
      worker {
        name
      }
    }
  }
}
    fragment Warned on BoundaryWarning {
  code
  message
  grid
  community
  building
  workerName
  sponsor
  area
  buildings
}
fragment Piece on PlannedPiece {
  area
  grids
  outline
}`, {"fragmentName":"Plan"}) as unknown as TypedDocumentString<PlanFragment, unknown>;
export const OfficeCardFragmentDoc = new TypedDocumentString(`
    fragment OfficeCard on Report {
  id
  number
  version
  state
  urgency
  source
  level
  description
  accuracy
  capturedAt
  receivedAt
  deadline
  stepDeadline
  isOverdue
  rating
  actions
  location
  point {
    longitude
    latitude
    datum
  }
  category {
    code
    name
  }
  region {
    code
    name
    level
    parent {
      code
      name
      level
      parent {
        code
        name
        level
      }
    }
  }
  grid {
    code
    name
    workers {
      code
      name
    }
    sponsor {
      code
      name
    }
  }
  building {
    code
    name
  }
  sponsor {
    code
    name
  }
  handler {
    name
  }
  mergedInto {
    number
  }
  photos {
    id
    url
    thumbnailUrl
  }
  events {
    version
    action
    state
    at
    actorRole
    note
  }
}
    `, {"fragmentName":"OfficeCard"}) as unknown as TypedDocumentString<OfficeCardFragment, unknown>;
export const GridCardFragmentDoc = new TypedDocumentString(`
    fragment GridCard on Grid {
  code
  name
  boundary
  community {
    name
  }
  street {
    name
  }
  district {
    code
    name
  }
  workers {
    name
  }
}
    `, {"fragmentName":"GridCard"}) as unknown as TypedDocumentString<GridCardFragment, unknown>;
export const ReportCardFragmentDoc = new TypedDocumentString(`
    fragment ReportCard on Report {
  id
  number
  version
  state
  urgency
  description
  receivedAt
  deadline
  stepDeadline
  isOverdue
  closedAt
  rating
  actions
  location
  category {
    name
    parent {
      name
    }
  }
  grid {
    code
    name
    workers {
      name
    }
  }
  building {
    name
  }
  sponsor {
    name
  }
  mergedInto {
    number
  }
  photos {
    id
    url
    thumbnailUrl
    width
    height
  }
}
    `, {"fragmentName":"ReportCard"}) as unknown as TypedDocumentString<ReportCardFragment, unknown>;
export const TopRegionsDocument = new TypedDocumentString(`
    query TopRegions {
  regions {
    code
    name
    level
    children {
      code
      name
      level
      children {
        code
      }
    }
  }
}
    `, {"hash":"sha256:2aab703ed85e3dcb84b71e5db07d0ea4cf5049dbac863fa2d752c94ce818bb4f"}) as unknown as TypedDocumentString<TopRegionsQuery, TopRegionsQueryVariables>;
export const RegionChildrenDocument = new TypedDocumentString(`
    query RegionChildren($code: String!) {
  region(code: $code) {
    code
    name
    level
    children {
      code
      name
      level
    }
  }
}
    `, {"hash":"sha256:f6eeb5cdc388196777b58733dedfafc90e26008d0f923f74963228cf53ab5783"}) as unknown as TypedDocumentString<RegionChildrenQuery, RegionChildrenQueryVariables>;
export const RegionPathDocument = new TypedDocumentString(`
    query RegionPath($code: String!) {
  region(code: $code) {
    ...RegionName
    boundary(toleranceMetres: 20)
    parent {
      ...RegionName
      parent {
        ...RegionName
        parent {
          ...RegionName
          parent {
            ...RegionName
          }
        }
      }
    }
  }
}
    fragment RegionName on Region {
  code
  name
  level
}`, {"hash":"sha256:8910f5b3ff822c34bfe7fc2bc604c1e0696a50a0b58fdf7a5a852e4793518819"}) as unknown as TypedDocumentString<RegionPathQuery, RegionPathQueryVariables>;
export const SearchDocument = new TypedDocumentString(`
    query Search($text: String!, $on: Date) {
  search(text: $text, on: $on, first: 12) {
    __typename
    ... on Region {
      code
      name
      parent {
        name
      }
    }
    ... on Grid {
      code
      name
      community {
        name
      }
      district {
        name
      }
    }
    ... on Building {
      code
      name
      grid {
        name
      }
      sponsor {
        name
      }
    }
    ... on Sponsor {
      code
      name
      region {
        name
      }
    }
  }
}
    `, {"hash":"sha256:bb0067511fb1010692e7e92e1e73973896104a9980bcc05ddd7fb7a5902a0251"}) as unknown as TypedDocumentString<SearchQuery, SearchQueryVariables>;
export const LocatePointDocument = new TypedDocumentString(`
    query LocatePoint($point: PointInput!, $on: Date) {
  locate(point: $point, on: $on) {
    outcome
    distanceToBoundary
    point {
      longitude
      latitude
    }
    grid {
      ...GridPlace
    }
    candidates {
      share
      distance
      grid {
        code
        name
        boundary
      }
    }
    building {
      code
      name
      location
      sponsor {
        code
        name
      }
    }
    sponsor {
      code
      name
      level
      leaderRole
    }
  }
}
    fragment GridPlace on Grid {
  code
  name
  boundary
  area
  validFrom
  community {
    code
    name
  }
  street {
    code
    name
  }
  district {
    code
    name
  }
  workers {
    code
    name
  }
  sponsor {
    code
    name
  }
  sponsors {
    buildings
    households
    sponsor {
      code
      name
      level
    }
  }
}`, {"hash":"sha256:19a12432ab91a0a6bf8aab645dcbd976e068bc9058a7b948a30d04c45fc43b88"}) as unknown as TypedDocumentString<LocatePointQuery, LocatePointQueryVariables>;
export const GridPlaceByCodeDocument = new TypedDocumentString(`
    query GridPlaceByCode($code: String!, $on: Date) {
  grid(code: $code, on: $on) {
    ...GridPlace
    neighbours {
      code
      name
    }
    buildings(first: 100) {
      totalCount
      nodes {
        ...BuildingRow
      }
    }
  }
}
    fragment GridPlace on Grid {
  code
  name
  boundary
  area
  validFrom
  community {
    code
    name
  }
  street {
    code
    name
  }
  district {
    code
    name
  }
  workers {
    code
    name
  }
  sponsor {
    code
    name
  }
  sponsors {
    buildings
    households
    sponsor {
      code
      name
      level
    }
  }
}
fragment BuildingRow on Building {
  code
  name
  households
  managementMode
  location
  sponsor {
    code
    name
  }
}`, {"hash":"sha256:934714026df47654628e992608044ef83cef47f9bc13537132c9a93d085e1443"}) as unknown as TypedDocumentString<GridPlaceByCodeQuery, GridPlaceByCodeQueryVariables>;
export const GridReportsDocument = new TypedDocumentString(`
    query GridReports($grid: String!) {
  reportFigures(filter: {grid: $grid}) {
    received
    open
    overdue
    closedRate
  }
}
    `, {"hash":"sha256:1b3546ab570aa361f3416c1a56c432675f76c281bbad1996d67adb7eca51d0a6"}) as unknown as TypedDocumentString<GridReportsQuery, GridReportsQueryVariables>;
export const BuildingPlaceDocument = new TypedDocumentString(`
    query BuildingPlace($code: String!, $on: Date) {
  building(code: $code, on: $on) {
    ...BuildingRow
    compound
    grid {
      code
      name
      community {
        code
        name
      }
      workers {
        name
      }
    }
    sponsorships {
      id
      validFrom
      validTo
      sponsor {
        code
        name
      }
    }
    lastVisit {
      kind
      at
    }
    memberCards {
      id
    }
  }
}
    fragment BuildingRow on Building {
  code
  name
  households
  managementMode
  location
  sponsor {
    code
    name
  }
}`, {"hash":"sha256:4d34a8e6bb1a68dc8fe79135075519a8bdd334d0d1be797edb0b41a74ba3d902"}) as unknown as TypedDocumentString<BuildingPlaceQuery, BuildingPlaceQueryVariables>;
export const SponsorPlaceDocument = new TypedDocumentString(`
    query SponsorPlace($code: String!, $on: Date) {
  sponsor(code: $code, on: $on) {
    code
    name
    level
    leaderRole
    region {
      code
      name
    }
    buildingCount
    householdCount
    gridCount
    hull {
      outline
      area
    }
    buildings(first: 100) {
      nodes {
        ...BuildingRow
      }
    }
  }
}
    fragment BuildingRow on Building {
  code
  name
  households
  managementMode
  location
  sponsor {
    code
    name
  }
}`, {"hash":"sha256:18dd85168724cc54adccd3a4b54bd5fe2bb452fd35abb66e41336d4eac425762"}) as unknown as TypedDocumentString<SponsorPlaceQuery, SponsorPlaceQueryVariables>;
export const SponsorReportsDocument = new TypedDocumentString(`
    query SponsorReports($code: String!) {
  sponsor(code: $code) {
    openReportCount
    overdueReportCount
  }
}
    `, {"hash":"sha256:3be3a921a7ed9dbf5a00001b57a5ef2d3d8efc8c2e7a9ce681ed024c5d3df7c6"}) as unknown as TypedDocumentString<SponsorReportsQuery, SponsorReportsQueryVariables>;
export const ReportPlaceDocument = new TypedDocumentString(`
    query ReportPlace($filter: ReportFilter!) {
  reports(filter: $filter, first: 1) {
    nodes {
      number
      state
      urgency
      description
      receivedAt
      deadline
      isOverdue
      location
      category {
        name
        parent {
          name
        }
      }
      grid {
        code
        name
      }
      building {
        code
        name
      }
      sponsor {
        code
        name
      }
      photos {
        id
        thumbnailUrl
      }
    }
  }
}
    `, {"hash":"sha256:c65b1db143acd503480378bf1933de3e6372d7fb2787fd5f2094041d4d24dd5d"}) as unknown as TypedDocumentString<ReportPlaceQuery, ReportPlaceQueryVariables>;
export const NamesDocument = new TypedDocumentString(`
    query Names($bounds: BoundsInput!, $on: Date, $after: Cursor) {
  grids(bounds: $bounds, on: $on, after: $after) {
    nodes {
      code
      name
      boundary(toleranceMetres: 30)
      community {
        code
        name
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
    `, {"hash":"sha256:1e0818dc726901dac4a95af318a146114539b2c31114dc6c256b798cbf9ec9e6"}) as unknown as TypedDocumentString<NamesQuery, NamesQueryVariables>;
export const RegionSponsorsDocument = new TypedDocumentString(`
    query RegionSponsors($region: String, $on: Date, $after: Cursor) {
  sponsors(region: $region, on: $on, after: $after) {
    nodes {
      code
      name
      level
      leaderRole
      buildingCount
      householdCount
      gridCount
      region {
        code
        name
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
    `, {"hash":"sha256:38af03d68ba8e0e4a97e652dcde96b51191ff9603b4e600a9169a9dc0ae4986b"}) as unknown as TypedDocumentString<RegionSponsorsQuery, RegionSponsorsQueryVariables>;
export const GapsDocument = new TypedDocumentString(`
    query Gaps($region: String!, $on: Date, $after: Cursor) {
  coverage(region: $region, on: $on) {
    list: gaps(after: $after) {
      nodes {
        outline
        area
        buildings
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
}
    `, {"hash":"sha256:d4f7ebe772d62cf1d6ab617a943cee23d45389264c78b593bf45ee57d33e2757"}) as unknown as TypedDocumentString<GapsQuery, GapsQueryVariables>;
export const OverlapsDocument = new TypedDocumentString(`
    query Overlaps($region: String!, $on: Date, $after: Cursor) {
  coverage(region: $region, on: $on) {
    list: overlaps(after: $after) {
      nodes {
        outline
        area
        buildings
        grids {
          code
          name
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
}
    `, {"hash":"sha256:b6576e4dc50373967dc9ac08050549d425bf94c1a9b86ffeb8d1c4ae626c04ac"}) as unknown as TypedDocumentString<OverlapsQuery, OverlapsQueryVariables>;
export const GridsWithoutWorkerDocument = new TypedDocumentString(`
    query GridsWithoutWorker($region: String!, $on: Date, $after: Cursor) {
  coverage(region: $region, on: $on) {
    list: gridsWithoutWorker(after: $after) {
      nodes {
        code
        name
        boundary
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
}
    `, {"hash":"sha256:3a93a3a5b49f2c914ff9ea196764c90d342028c5441f7626b96ff7d113ac34fb"}) as unknown as TypedDocumentString<GridsWithoutWorkerQuery, GridsWithoutWorkerQueryVariables>;
export const GridsWithoutSponsorDocument = new TypedDocumentString(`
    query GridsWithoutSponsor($region: String!, $on: Date, $after: Cursor) {
  coverage(region: $region, on: $on) {
    list: gridsWithoutSponsor(after: $after) {
      nodes {
        code
        name
        boundary
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
}
    `, {"hash":"sha256:b29e27c653abc397e5090edde92fe8565af9e6d1c13d979021736982e5967184"}) as unknown as TypedDocumentString<GridsWithoutSponsorQuery, GridsWithoutSponsorQueryVariables>;
export const ClustersDocument = new TypedDocumentString(`
    query Clusters($bounds: BoundsInput!, $zoom: Int!, $filter: ReportFilter) {
  reportClusters(bounds: $bounds, zoom: $zoom, filter: $filter) {
    count
    key
    location
    bounds
  }
}
    `, {"hash":"sha256:0a167c30ca6d4cf855bdb28510f83a682649d4cdd81634a3e74bfbe5ebe9ccdc"}) as unknown as TypedDocumentString<ClustersQuery, ClustersQueryVariables>;
export const HotspotsDocument = new TypedDocumentString(`
    query Hotspots($region: String!, $filter: ReportFilter) {
  hotspots(region: $region, filter: $filter) {
    count
    outline
  }
}
    `, {"hash":"sha256:e0fe43b2b5dab69860aa75246f1e657319d9e3e6a2e207be0f8ea36ad30f3e08"}) as unknown as TypedDocumentString<HotspotsQuery, HotspotsQueryVariables>;
export const ReportCategoriesDocument = new TypedDocumentString(`
    query ReportCategories {
  reportCategories {
    code
    name
    children {
      code
      name
    }
  }
}
    `, {"hash":"sha256:4981236d1a9d2ccfa991a3c34cc568d1cc53f3db12462efb18a2cbd2a3c8697f"}) as unknown as TypedDocumentString<ReportCategoriesQuery, ReportCategoriesQueryVariables>;
export const CoverageFiguresDocument = new TypedDocumentString(`
    query CoverageFigures($region: String!, $on: Date) {
  coverage(region: $region, on: $on) {
    region {
      code
      name
      level
    }
    on
    gridCount
    buildingCount
    areaCovered
    grade {
      score
      letter
      parts {
        name
        value
        weight
        points
      }
    }
    gaps {
      totalCount
    }
    overlaps {
      totalCount
    }
    buildingsOutsideGrids {
      totalCount
    }
    buildingsWithoutSponsor {
      totalCount
    }
    buildingsWithoutManagement {
      totalCount
    }
    buildingsNotVisited(days: 30) {
      totalCount
    }
    buildingsWithoutMemberCard {
      totalCount
    }
    gridsWithoutWorker {
      totalCount
    }
    gridsWithoutSponsor {
      totalCount
    }
    gridsOverNorm {
      totalCount
    }
    sponsorLevels {
      level
      sponsors
      buildings
      households
    }
    regions(first: 100) {
      nodes {
        region {
          code
          name
        }
        grade {
          score
          letter
        }
      }
    }
  }
}
    `, {"hash":"sha256:07cf6712759c7686e6c338ce02c9321cfece010a12c83865c7e3c0173d821bc7"}) as unknown as TypedDocumentString<CoverageFiguresQuery, CoverageFiguresQueryVariables>;
export const ReportFiguresOfDocument = new TypedDocumentString(`
    query ReportFiguresOf($filter: ReportFilter!) {
  all: reportFigures(filter: $filter) {
    received
    due
    closed
    closedRate
    inTimeRate
    open
    overdue
    repliedRate
    meanFirstReplyMinutes
    medianFirstReplyMinutes
    meanRating
    rated
    closedByLevel {
      level
      closed
      share
    }
  }
  categories: reportFigures(
    filter: $filter
    by: [MAIN_CATEGORY]
    order: MOST_RECEIVED
  ) {
    category {
      code
      name
    }
    received
    open
    overdue
  }
}
    `, {"hash":"sha256:a2e90d9846b440ea0e64da43d8b4c683e79942369c85ddf84e6a4ba091d59507"}) as unknown as TypedDocumentString<ReportFiguresOfQuery, ReportFiguresOfQueryVariables>;
export const ReportTrendsOfDocument = new TypedDocumentString(`
    query ReportTrendsOf($region: String!, $filter: ReportFilter) {
  reportTrends(region: $region, filter: $filter, first: 8) {
    grid {
      code
      name
    }
    reports
    before
    expected
    probability
    unusual
  }
}
    `, {"hash":"sha256:57a31406f357afa94fc976db9f085531b73c29d4c6c800359322e60cb5234289"}) as unknown as TypedDocumentString<ReportTrendsOfQuery, ReportTrendsOfQueryVariables>;
export const ReportsByGridDocument = new TypedDocumentString(`
    query ReportsByGrid($filter: ReportFilter!) {
  reportFigures(filter: $filter, by: [GRID]) {
    received
    grid {
      code
    }
  }
}
    `, {"hash":"sha256:07f61ff10ba43bbee159df1168064aadae573cc845be8211c29b0118cfde40bb"}) as unknown as TypedDocumentString<ReportsByGridQuery, ReportsByGridQueryVariables>;
export const GridListDocument = new TypedDocumentString(`
    query GridList($region: String, $bounds: BoundsInput, $on: Date, $datum: Datum!, $after: Cursor) {
  grids(region: $region, bounds: $bounds, on: $on, after: $after) {
    nodes {
      code
      name
      boundary(datum: $datum)
      area
      community {
        code
        name
      }
      street {
        name
      }
      district {
        name
      }
      workers {
        name
      }
      sponsor {
        code
        name
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
    `, {"hash":"sha256:d302c9f84108a1eb87c2fa34e3e10c87748efafa22efdf1e7118971b6c21ef82"}) as unknown as TypedDocumentString<GridListQuery, GridListQueryVariables>;
export const BuildingListDocument = new TypedDocumentString(`
    query BuildingList($region: String, $bounds: BoundsInput, $on: Date, $datum: Datum!, $after: Cursor) {
  buildings(region: $region, bounds: $bounds, on: $on, after: $after) {
    nodes {
      code
      name
      compound
      households
      managementMode
      location(datum: $datum)
      grid {
        code
        name
      }
      sponsor {
        code
        name
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
    `, {"hash":"sha256:a053b0a73f6ce18e9a135dfb2d91158e94c68de7197f3061062bcf5afde33ea2"}) as unknown as TypedDocumentString<BuildingListQuery, BuildingListQueryVariables>;
export const StateOfReportsDocument = new TypedDocumentString(`
    query StateOfReports {
  reports(first: 0) {
    asOf
  }
}
    `, {"hash":"sha256:162dfa9ae1f99248c25f2f9b34c285d7b26df160ab63647afff02de27b071d2f"}) as unknown as TypedDocumentString<StateOfReportsQuery, StateOfReportsQueryVariables>;
export const RegionReportsDocument = new TypedDocumentString(`
    subscription RegionReports($region: String, $after: Cursor) {
  reportChanged(region: $region, after: $after) {
    report {
      number
      category {
        name
      }
      grid {
        name
      }
    }
    event {
      action
    }
    cursor
  }
}
    `, {"hash":"sha256:31aa41b1ad9fda367736aecb1b03876f0c2e4edcf3fb25846cab5f15d3727607"}) as unknown as TypedDocumentString<RegionReportsSubscription, RegionReportsSubscriptionVariables>;
export const GridsAroundDocument = new TypedDocumentString(`
    query GridsAround($bounds: BoundsInput!, $on: Date, $after: Cursor) {
  grids(bounds: $bounds, on: $on, after: $after) {
    nodes {
      ...Outlined
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
    fragment Outlined on Grid {
  code
  name
  boundary
  community {
    code
    name
  }
  district {
    code
    name
  }
}`, {"hash":"sha256:1d5c4bd9ffcfde2468d0766d695996767f61bc18d6145dc75cba23ea75ab880d"}) as unknown as TypedDocumentString<GridsAroundQuery, GridsAroundQueryVariables>;
export const GridToEditDocument = new TypedDocumentString(`
    query GridToEdit($code: String!, $on: Date) {
  grid(code: $code, on: $on) {
    ...Outlined
  }
}
    fragment Outlined on Grid {
  code
  name
  boundary
  community {
    code
    name
  }
  district {
    code
    name
  }
}`, {"hash":"sha256:fdf490fa3edf28896388df9c11a5daaa6ff5d64148958eb86ba807ffe5f30daf"}) as unknown as TypedDocumentString<GridToEditQuery, GridToEditQueryVariables>;
export const GridAtDocument = new TypedDocumentString(`
    query GridAt($point: PointInput!, $on: Date) {
  locate(point: $point, on: $on) {
    grid {
      code
    }
  }
}
    `, {"hash":"sha256:6df46a4f23fd86758122512ca70f60f174252134e9592c81ccf8d4ea8eee932f"}) as unknown as TypedDocumentString<GridAtQuery, GridAtQueryVariables>;
export const ToWgs84Document = new TypedDocumentString(`
    query ToWgs84($points: [PointInput!]!) {
  locateMany(points: $points) {
    point {
      longitude
      latitude
      datum
    }
  }
}
    `, {"hash":"sha256:6c0ee8949117ab87d9cfac40c47f7917cea57b2d032db4a75d2b5ca118e05782"}) as unknown as TypedDocumentString<ToWgs84Query, ToWgs84QueryVariables>;
export const PlanBoundaryChangeDocument = new TypedDocumentString(`
    mutation PlanBoundaryChange($input: PlanBoundaryChangeInput!) {
  planBoundaryChange(input: $input) {
    ...Plan
  }
}
    fragment Plan on BoundaryPlan {
  id
  from
  madeAt
  author
  groundMayChange
  warned {
    ...Warned
  }
  obstacles
  district {
    code
    name
  }
  change {
    appliedAt
    author
    reason
  }
  grids {
    code
    name
    fate
    areaBefore
    areaAfter
    community {
      name
    }
    workBefore {
      buildings
      households
      workers
    }
    workAfter {
      buildings
      households
      workers
    }
    outlineBefore
    outlineAfter
  }
  snapped(first: 1) {
    totalCount
  }
  gaps {
    totalCount
    nodes {
      ...Piece
    }
  }
  taken {
    totalCount
    nodes {
      ...Piece
    }
  }
  overlaps {
    totalCount
    nodes {
      area
      grids
      outline
      isNew
    }
  }
  moves {
    totalCount
    nodes {
      gridBefore
      gridAfter
      area
      buildings
      households
      openReports
      sponsorships
    }
  }
  buildings(first: 20) {
    totalCount
    nodes {
      gridBefore
      gridAfter
      households
      building {
        code
        name
        location
        sponsor {
          name
        }
      }
    }
  }
  reports(first: 20) {
    totalCount
    nodes {
      gridBefore
      gridAfter
      report {
        number
      }
    }
  }
  sponsorships(first: 1) {
    totalCount
  }
  endingSponsorships(first: 20) {
    totalCount
    nodes {
      gridBefore
      sponsorship {
        sponsor {
          name
        }
      }
    }
  }
  endingAssignments(first: 20) {
    totalCount
    nodes {
      grid
      worker {
        name
      }
    }
  }
}
fragment Warned on BoundaryWarning {
  code
  message
  grid
  community
  building
  workerName
  sponsor
  area
  buildings
}
fragment Piece on PlannedPiece {
  area
  grids
  outline
}`, {"hash":"sha256:6a5dcd2c0981eb2a8aab25d3d65a01342aee537ae7f87263ed858c9c9b4dd9f0"}) as unknown as TypedDocumentString<PlanBoundaryChangeMutation, PlanBoundaryChangeMutationVariables>;
export const BoundaryPlanDocument = new TypedDocumentString(`
    query BoundaryPlan($id: ID!) {
  boundaryPlan(id: $id) {
    ...Plan
  }
}
    fragment Plan on BoundaryPlan {
  id
  from
  madeAt
  author
  groundMayChange
  warned {
    ...Warned
  }
  obstacles
  district {
    code
    name
  }
  change {
    appliedAt
    author
    reason
  }
  grids {
    code
    name
    fate
    areaBefore
    areaAfter
    community {
      name
    }
    workBefore {
      buildings
      households
      workers
    }
    workAfter {
      buildings
      households
      workers
    }
    outlineBefore
    outlineAfter
  }
  snapped(first: 1) {
    totalCount
  }
  gaps {
    totalCount
    nodes {
      ...Piece
    }
  }
  taken {
    totalCount
    nodes {
      ...Piece
    }
  }
  overlaps {
    totalCount
    nodes {
      area
      grids
      outline
      isNew
    }
  }
  moves {
    totalCount
    nodes {
      gridBefore
      gridAfter
      area
      buildings
      households
      openReports
      sponsorships
    }
  }
  buildings(first: 20) {
    totalCount
    nodes {
      gridBefore
      gridAfter
      households
      building {
        code
        name
        location
        sponsor {
          name
        }
      }
    }
  }
  reports(first: 20) {
    totalCount
    nodes {
      gridBefore
      gridAfter
      report {
        number
      }
    }
  }
  sponsorships(first: 1) {
    totalCount
  }
  endingSponsorships(first: 20) {
    totalCount
    nodes {
      gridBefore
      sponsorship {
        sponsor {
          name
        }
      }
    }
  }
  endingAssignments(first: 20) {
    totalCount
    nodes {
      grid
      worker {
        name
      }
    }
  }
}
fragment Warned on BoundaryWarning {
  code
  message
  grid
  community
  building
  workerName
  sponsor
  area
  buildings
}
fragment Piece on PlannedPiece {
  area
  grids
  outline
}`, {"hash":"sha256:e734558dc39a58d77fe3ed32b5dde83b2829bd83e5dec817f19cfbe19970ffbc"}) as unknown as TypedDocumentString<BoundaryPlanQuery, BoundaryPlanQueryVariables>;
export const ApplyBoundaryChangeDocument = new TypedDocumentString(`
    mutation ApplyBoundaryChange($input: ApplyBoundaryChangeInput!) {
  applyBoundaryChange(input: $input) {
    plan {
      ...Plan
    }
    grids {
      code
      name
    }
  }
}
    fragment Plan on BoundaryPlan {
  id
  from
  madeAt
  author
  groundMayChange
  warned {
    ...Warned
  }
  obstacles
  district {
    code
    name
  }
  change {
    appliedAt
    author
    reason
  }
  grids {
    code
    name
    fate
    areaBefore
    areaAfter
    community {
      name
    }
    workBefore {
      buildings
      households
      workers
    }
    workAfter {
      buildings
      households
      workers
    }
    outlineBefore
    outlineAfter
  }
  snapped(first: 1) {
    totalCount
  }
  gaps {
    totalCount
    nodes {
      ...Piece
    }
  }
  taken {
    totalCount
    nodes {
      ...Piece
    }
  }
  overlaps {
    totalCount
    nodes {
      area
      grids
      outline
      isNew
    }
  }
  moves {
    totalCount
    nodes {
      gridBefore
      gridAfter
      area
      buildings
      households
      openReports
      sponsorships
    }
  }
  buildings(first: 20) {
    totalCount
    nodes {
      gridBefore
      gridAfter
      households
      building {
        code
        name
        location
        sponsor {
          name
        }
      }
    }
  }
  reports(first: 20) {
    totalCount
    nodes {
      gridBefore
      gridAfter
      report {
        number
      }
    }
  }
  sponsorships(first: 1) {
    totalCount
  }
  endingSponsorships(first: 20) {
    totalCount
    nodes {
      gridBefore
      sponsorship {
        sponsor {
          name
        }
      }
    }
  }
  endingAssignments(first: 20) {
    totalCount
    nodes {
      grid
      worker {
        name
      }
    }
  }
}
fragment Warned on BoundaryWarning {
  code
  message
  grid
  community
  building
  workerName
  sponsor
  area
  buildings
}
fragment Piece on PlannedPiece {
  area
  grids
  outline
}`, {"hash":"sha256:8571bb637326170bbd9b570dba97e2f8b88778ff924f60acb416b40c84a5b6aa"}) as unknown as TypedDocumentString<ApplyBoundaryChangeMutation, ApplyBoundaryChangeMutationVariables>;
export const DifferenceDocument = new TypedDocumentString(`
    query Difference($region: String!, $from: Date!, $to: Date!) {
  boundaryDifference(region: $region, from: $from, to: $to) {
    area
    areas {
      totalCount
      nodes {
        area
        outline
        gridBefore {
          code
          name
        }
        gridAfter {
          code
          name
        }
      }
    }
    grids {
      totalCount
      nodes {
        before {
          code
          name
          area
          boundary
        }
        after {
          code
          name
          area
          boundary
        }
      }
    }
  }
}
    `, {"hash":"sha256:7228cd62201a34f559ef75cd329fc89b9d312d1c670c4256c0e16feb4ca7706c"}) as unknown as TypedDocumentString<DifferenceQuery, DifferenceQueryVariables>;
export const CoveredDocument = new TypedDocumentString(`
    query Covered($region: String!, $on: Date!) {
  coverage(region: $region, on: $on) {
    region {
      code
      name
    }
    on
    gridCount
    buildingCount
    areaCovered
    grade {
      score
      letter
    }
    gaps {
      totalCount
    }
    overlaps {
      totalCount
    }
    buildingsOutsideGrids {
      totalCount
    }
    buildingsWithoutSponsor {
      totalCount
    }
    gridsWithoutWorker {
      totalCount
    }
    gridsWithoutSponsor {
      totalCount
    }
    gridsOverNorm {
      totalCount
    }
  }
}
    `, {"hash":"sha256:f217deb9ff635fb3bdc02d89156d410724dddff849f22cea9dada26d6bb7e693"}) as unknown as TypedDocumentString<CoveredQuery, CoveredQueryVariables>;
export const HistoryDocument = new TypedDocumentString(`
    query History($code: String!) {
  gridHistory(code: $code) {
    totalCount
    nodes {
      name
      validFrom
      validTo
      author
      authorRole
      appliedAt
      reason
      endAuthor
      endReason
      area
      outline
      splitFrom {
        code
        name
      }
      mergedInto {
        code
        name
      }
    }
  }
}
    `, {"hash":"sha256:32c7c36d0e954bd7d4f0a595ecdf10fa31ac11734d71ea41b3726c89d518b3aa"}) as unknown as TypedDocumentString<HistoryQuery, HistoryQueryVariables>;
export const OfficeCountsDocument = new TypedDocumentString(`
    query OfficeCounts($incoming: ReportFilter!, $sending: ReportFilter!, $working: ReportFilter!, $late: ReportFilter!, $checking: ReportFilter!) {
  incoming: reports(filter: $incoming, first: 0) {
    totalCount
  }
  sending: reports(filter: $sending, first: 0) {
    totalCount
  }
  working: reports(filter: $working, first: 0) {
    totalCount
  }
  late: reports(filter: $late, first: 0) {
    totalCount
  }
  checking: reports(filter: $checking, first: 0) {
    totalCount
  }
}
    `, {"hash":"sha256:b4ba06c3002f1fdcd37ffab619080f70f5685127bbeb3e9205e53a061ad7ac5b"}) as unknown as TypedDocumentString<OfficeCountsQuery, OfficeCountsQueryVariables>;
export const OfficeReportsDocument = new TypedDocumentString(`
    query OfficeReports($filter: ReportFilter!, $order: ReportOrder!, $after: Cursor) {
  reports(filter: $filter, order: $order, first: 20, after: $after) {
    nodes {
      number
      state
      urgency
      description
      deadline
      stepDeadline
      isOverdue
      category {
        name
      }
      grid {
        name
      }
      region {
        name
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
    `, {"hash":"sha256:07eebe2c260bef7d77b05728dc454f6475da97f9fcef304863ad2aed514b15e9"}) as unknown as TypedDocumentString<OfficeReportsQuery, OfficeReportsQueryVariables>;
export const OfficeReportDocument = new TypedDocumentString(`
    query OfficeReport($filter: ReportFilter!) {
  reports(filter: $filter, first: 1) {
    nodes {
      ...OfficeCard
    }
  }
}
    fragment OfficeCard on Report {
  id
  number
  version
  state
  urgency
  source
  level
  description
  accuracy
  capturedAt
  receivedAt
  deadline
  stepDeadline
  isOverdue
  rating
  actions
  location
  point {
    longitude
    latitude
    datum
  }
  category {
    code
    name
  }
  region {
    code
    name
    level
    parent {
      code
      name
      level
      parent {
        code
        name
        level
      }
    }
  }
  grid {
    code
    name
    workers {
      code
      name
    }
    sponsor {
      code
      name
    }
  }
  building {
    code
    name
  }
  sponsor {
    code
    name
  }
  handler {
    name
  }
  mergedInto {
    number
  }
  photos {
    id
    url
    thumbnailUrl
  }
  events {
    version
    action
    state
    at
    actorRole
    note
  }
}`, {"hash":"sha256:bceae7a4cda4b81fe9aaf1ba6e9f162e8c53074445a216f36a6084ed5fee51e3"}) as unknown as TypedDocumentString<OfficeReportQuery, OfficeReportQueryVariables>;
export const OfficeReporterDocument = new TypedDocumentString(`
    query OfficeReporter($id: ID!) {
  report(id: $id) {
    reporter {
      name
      phone
    }
  }
}
    `, {"hash":"sha256:f243d151039eb09693df78a20c87fb45490403328761cfa560bf14c140402e96"}) as unknown as TypedDocumentString<OfficeReporterQuery, OfficeReporterQueryVariables>;
export const OfficeNearbyDocument = new TypedDocumentString(`
    query OfficeNearby($filter: ReportFilter!) {
  reports(filter: $filter, first: 6) {
    nodes {
      id
      number
      state
      description
      receivedAt
    }
  }
}
    `, {"hash":"sha256:51c7daa760c3241042dc98ee35d64663eb2eb2d694ade209f2b0d3df013fcff9"}) as unknown as TypedDocumentString<OfficeNearbyQuery, OfficeNearbyQueryVariables>;
export const OfficeFoundDocument = new TypedDocumentString(`
    query OfficeFound($filter: ReportFilter!) {
  reports(filter: $filter, first: 1) {
    nodes {
      id
      number
    }
  }
}
    `, {"hash":"sha256:320c350019bce3bd5100855760112c034043906bac52b999cfb6ffe4b8cd8f14"}) as unknown as TypedDocumentString<OfficeFoundQuery, OfficeFoundQueryVariables>;
export const OfficeCandidatesDocument = new TypedDocumentString(`
    query OfficeCandidates($point: PointInput!, $on: Date) {
  locate(point: $point, on: $on) {
    candidates {
      share
      grid {
        code
        name
      }
    }
  }
}
    `, {"hash":"sha256:1223fcb0c9416fc5fa13cbeaa7beb30b3f6d3433804aabff5172bcf539499e82"}) as unknown as TypedDocumentString<OfficeCandidatesQuery, OfficeCandidatesQueryVariables>;
export const OfficeSponsorsDocument = new TypedDocumentString(`
    query OfficeSponsors($text: String!) {
  search(text: $text, first: 20) {
    __typename
    ... on Sponsor {
      code
      name
      region {
        name
      }
    }
  }
}
    `, {"hash":"sha256:d0a30ebb936e3d620f288d5f495ab1fa0f000bb5115bdd9363c8203c5624c48a"}) as unknown as TypedDocumentString<OfficeSponsorsQuery, OfficeSponsorsQueryVariables>;
export const OfficeRegisterDocument = new TypedDocumentString(`
    mutation OfficeRegister($input: RegisterReportInput!) {
  registerReport(input: $input) {
    report {
      version
      state
    }
  }
}
    `, {"hash":"sha256:7c9602a03216223dd6baa70bc5e9e6f937fc2a5c5b055e2ee1c0d5d4168dc99e"}) as unknown as TypedDocumentString<OfficeRegisterMutation, OfficeRegisterMutationVariables>;
export const OfficeChooseGridDocument = new TypedDocumentString(`
    mutation OfficeChooseGrid($input: ChooseReportGridInput!) {
  chooseReportGrid(input: $input) {
    report {
      version
      state
    }
  }
}
    `, {"hash":"sha256:1bdb68c4ebb730abad7df5897e2649620a7137d7180b36363e092e6be20b63c0"}) as unknown as TypedDocumentString<OfficeChooseGridMutation, OfficeChooseGridMutationVariables>;
export const OfficeRejectDocument = new TypedDocumentString(`
    mutation OfficeReject($input: RejectReportInput!) {
  rejectReport(input: $input) {
    report {
      version
      state
    }
  }
}
    `, {"hash":"sha256:e0328b8b2f72f5c651ca6437fb9e44c1d145dae08e3683313b9a238dfff365cd"}) as unknown as TypedDocumentString<OfficeRejectMutation, OfficeRejectMutationVariables>;
export const OfficeMergeDocument = new TypedDocumentString(`
    mutation OfficeMerge($input: MergeReportInput!) {
  mergeReport(input: $input) {
    report {
      version
      state
    }
  }
}
    `, {"hash":"sha256:a6433236b408a11a892ec884d73a7a50f376adedc2510862bd7455fb1065981f"}) as unknown as TypedDocumentString<OfficeMergeMutation, OfficeMergeMutationVariables>;
export const OfficeDispatchDocument = new TypedDocumentString(`
    mutation OfficeDispatch($input: DispatchReportInput!) {
  dispatchReport(input: $input) {
    report {
      version
      state
    }
  }
}
    `, {"hash":"sha256:4b7a23a70fd21e673f865a446b14947aca77e5017ee351e11ee14423044fdd71"}) as unknown as TypedDocumentString<OfficeDispatchMutation, OfficeDispatchMutationVariables>;
export const OfficeReturnDocument = new TypedDocumentString(`
    mutation OfficeReturn($input: ReturnReportInput!) {
  returnReport(input: $input) {
    report {
      version
      state
    }
  }
}
    `, {"hash":"sha256:6c3f4a3788cda8f94a0c3a2844d47a43efb82647cec8c61751ce23651d9266de"}) as unknown as TypedDocumentString<OfficeReturnMutation, OfficeReturnMutationVariables>;
export const OfficeEscalateDocument = new TypedDocumentString(`
    mutation OfficeEscalate($input: EscalateReportInput!) {
  escalateReport(input: $input) {
    report {
      version
      state
    }
  }
}
    `, {"hash":"sha256:c00729788a58b75714684ffd04cf8e4ed21f82f8a3e12936ade6611eeb029a65"}) as unknown as TypedDocumentString<OfficeEscalateMutation, OfficeEscalateMutationVariables>;
export const OfficeAcceptDocument = new TypedDocumentString(`
    mutation OfficeAccept($input: AcceptReportInput!) {
  acceptReport(input: $input) {
    report {
      version
      state
    }
  }
}
    `, {"hash":"sha256:bd61b76fb25b0b2b232cb86b076bfb9fbadffc46e39a3b8e9af5cff9ed3925da"}) as unknown as TypedDocumentString<OfficeAcceptMutation, OfficeAcceptMutationVariables>;
export const OfficeStartDocument = new TypedDocumentString(`
    mutation OfficeStart($input: StartReportInput!) {
  startReport(input: $input) {
    report {
      version
      state
    }
  }
}
    `, {"hash":"sha256:6944d041a9540903581e58263fdfbc07c4c20524a94bc47a2708af297a5bbaf2"}) as unknown as TypedDocumentString<OfficeStartMutation, OfficeStartMutationVariables>;
export const OfficeSuspendDocument = new TypedDocumentString(`
    mutation OfficeSuspend($input: SuspendReportInput!) {
  suspendReport(input: $input) {
    report {
      version
      state
    }
  }
}
    `, {"hash":"sha256:eb121ec41e51612d0463a2d62beb23501259e0889f3bea0a41e9c93abc48da73"}) as unknown as TypedDocumentString<OfficeSuspendMutation, OfficeSuspendMutationVariables>;
export const OfficeExtendDocument = new TypedDocumentString(`
    mutation OfficeExtend($input: ExtendReportInput!) {
  extendReport(input: $input) {
    report {
      version
      state
    }
  }
}
    `, {"hash":"sha256:99c12ce21b45297791c92fdbd506a7b046c35928b9c362a569144ee58fbbd24f"}) as unknown as TypedDocumentString<OfficeExtendMutation, OfficeExtendMutationVariables>;
export const OfficeDoneDocument = new TypedDocumentString(`
    mutation OfficeDone($input: DoneReportInput!) {
  doneReport(input: $input) {
    report {
      version
      state
    }
  }
}
    `, {"hash":"sha256:82cfe613235ff29179095e469961cd481b8dab2c8e0ac1b866bc2d0c36df196e"}) as unknown as TypedDocumentString<OfficeDoneMutation, OfficeDoneMutationVariables>;
export const OfficeVerifyDocument = new TypedDocumentString(`
    mutation OfficeVerify($input: VerifyReportInput!) {
  verifyReport(input: $input) {
    report {
      version
      state
    }
  }
}
    `, {"hash":"sha256:5768ca8b986b62f5062650fa61117796440ffa7ccf26f04a3198ce773de0de57"}) as unknown as TypedDocumentString<OfficeVerifyMutation, OfficeVerifyMutationVariables>;
export const OfficeReworkDocument = new TypedDocumentString(`
    mutation OfficeRework($input: ReworkReportInput!) {
  reworkReport(input: $input) {
    report {
      version
      state
    }
  }
}
    `, {"hash":"sha256:64be29d26271b4f7b4c82f9233b0a4b5f33a85df30531a07bb2b25bd33bcc1c6"}) as unknown as TypedDocumentString<OfficeReworkMutation, OfficeReworkMutationVariables>;
export const OfficeCloseDocument = new TypedDocumentString(`
    mutation OfficeClose($input: CloseReportInput!) {
  closeReport(input: $input) {
    report {
      version
      state
    }
  }
}
    `, {"hash":"sha256:e965d5c73ea2ed159f2801e2d3b0dc6a70f4b06b72c9971f26eb2d79eed74783"}) as unknown as TypedDocumentString<OfficeCloseMutation, OfficeCloseMutationVariables>;
export const OfficeReopenDocument = new TypedDocumentString(`
    mutation OfficeReopen($input: ReopenReportInput!) {
  reopenReport(input: $input) {
    report {
      version
      state
    }
  }
}
    `, {"hash":"sha256:57f57016b30dd3e05641cc19b463881a23294763277de51621e332a28831935b"}) as unknown as TypedDocumentString<OfficeReopenMutation, OfficeReopenMutationVariables>;
export const LocateDocument = new TypedDocumentString(`
    query Locate($point: PointInput!) {
  locate(point: $point) {
    outcome
    distanceToBoundary
    point {
      longitude
      latitude
      datum
    }
    grid {
      ...GridCard
    }
    candidates {
      share
      distance
      grid {
        ...GridCard
      }
    }
    building {
      code
      name
    }
    sponsor {
      name
      level
      leaderRole
    }
  }
}
    fragment GridCard on Grid {
  code
  name
  boundary
  community {
    name
  }
  street {
    name
  }
  district {
    code
    name
  }
  workers {
    name
  }
}`, {"hash":"sha256:5c6662b2812ed62625cb9a5a9ee36c63990f09a19d1ae19249ed00a3d4d35ca5"}) as unknown as TypedDocumentString<LocateQuery, LocateQueryVariables>;
export const CategoriesDocument = new TypedDocumentString(`
    query Categories {
  reportCategories {
    code
    name
    children {
      code
      name
    }
  }
}
    `, {"hash":"sha256:f36d298affae847a0dab9b25f6e5a64286bc94dc5ee2374466f89402dd8911a4"}) as unknown as TypedDocumentString<CategoriesQuery, CategoriesQueryVariables>;
export const SubmitReportDocument = new TypedDocumentString(`
    mutation SubmitReport($input: SubmitReportInput!) {
  submitReport(input: $input) {
    number
    deadline
    receipt
    isDefaultHandler
    report {
      id
      version
    }
    grid {
      code
      name
    }
    candidates {
      share
      grid {
        code
        name
      }
    }
    workers {
      name
    }
    sponsor {
      name
    }
    duplicates {
      id
      number
      state
      receivedOn
    }
  }
}
    `, {"hash":"sha256:de130ee5ee0a6d971b63c635baa51af8c7c69d0e31ee99d1a4e1f4e3b572aebe"}) as unknown as TypedDocumentString<SubmitReportMutation, SubmitReportMutationVariables>;
export const ChooseReportGridDocument = new TypedDocumentString(`
    mutation ChooseReportGrid($input: ChooseReportGridInput!) {
  chooseReportGrid(input: $input) {
    report {
      id
      version
      grid {
        code
        name
        workers {
          name
        }
      }
      sponsor {
        name
      }
      deadline
    }
  }
}
    `, {"hash":"sha256:c443e75e70ffb572d26fab25bd62ae41a76bcd6ca914254f6272b4574fa4e0b3"}) as unknown as TypedDocumentString<ChooseReportGridMutation, ChooseReportGridMutationVariables>;
export const MergeReportDocument = new TypedDocumentString(`
    mutation MergeReport($input: MergeReportInput!) {
  mergeReport(input: $input) {
    report {
      id
      version
      state
      mergedInto {
        number
      }
    }
  }
}
    `, {"hash":"sha256:f429fe137f85f70c090ab7dea9a0dccb61a2bc330a87ecadedfd79ca28d8a01f"}) as unknown as TypedDocumentString<MergeReportMutation, MergeReportMutationVariables>;
export const RateReportDocument = new TypedDocumentString(`
    mutation RateReport($input: RateReportInput!) {
  rateReport(input: $input) {
    report {
      id
      version
      state
      rating
    }
  }
}
    `, {"hash":"sha256:925c06085d55355d0c0c3ea1b2fc60a9f2f0dbb9bcd3e2d6eb813aa98f5cd4fd"}) as unknown as TypedDocumentString<RateReportMutation, RateReportMutationVariables>;
export const MyReportDocument = new TypedDocumentString(`
    query MyReport($number: String!) {
  reports(filter: {number: $number}) {
    nodes {
      ...ReportCard
      events {
        version
        action
        state
        at
        note
      }
    }
    asOf
  }
}
    fragment ReportCard on Report {
  id
  number
  version
  state
  urgency
  description
  receivedAt
  deadline
  stepDeadline
  isOverdue
  closedAt
  rating
  actions
  location
  category {
    name
    parent {
      name
    }
  }
  grid {
    code
    name
    workers {
      name
    }
  }
  building {
    name
  }
  sponsor {
    name
  }
  mergedInto {
    number
  }
  photos {
    id
    url
    thumbnailUrl
    width
    height
  }
}`, {"hash":"sha256:8fcdd70c51262d95dd9a80a093e4e448db855af280b1b4be4dcf9c63066f143f"}) as unknown as TypedDocumentString<MyReportQuery, MyReportQueryVariables>;
export const ReportChangedDocument = new TypedDocumentString(`
    subscription ReportChanged($id: ID, $grid: String, $after: Cursor) {
  reportChanged(id: $id, grid: $grid, after: $after) {
    report {
      version
    }
    cursor
  }
}
    `, {"hash":"sha256:d9cb0fcf8e03ab159a52ec25fc9bb023719a5b8c275473339a8b12456792fb55"}) as unknown as TypedDocumentString<ReportChangedSubscription, ReportChangedSubscriptionVariables>;
export const ViewerDocument = new TypedDocumentString(`
    query Viewer {
  viewer {
    role
    subject
    codes
    permissions {
      name
      extent
    }
  }
}
    `, {"hash":"sha256:df12815b1d4be4290f8e9089059c887768d23f37a4354d84b07d3e0b63ab7ce3"}) as unknown as TypedDocumentString<ViewerQuery, ViewerQueryVariables>;
export const WorkReportsDocument = new TypedDocumentString(`
    query WorkReports($filter: ReportFilter!) {
  reports(filter: $filter, first: 100) {
    nodes {
      ...ReportCard
    }
    asOf
  }
}
    fragment ReportCard on Report {
  id
  number
  version
  state
  urgency
  description
  receivedAt
  deadline
  stepDeadline
  isOverdue
  closedAt
  rating
  actions
  location
  category {
    name
    parent {
      name
    }
  }
  grid {
    code
    name
    workers {
      name
    }
  }
  building {
    name
  }
  sponsor {
    name
  }
  mergedInto {
    number
  }
  photos {
    id
    url
    thumbnailUrl
    width
    height
  }
}`, {"hash":"sha256:d8a1651f271bbe02a8677f0b1f968814920fa0ed95f4c754c3f2eace8d9dc64a"}) as unknown as TypedDocumentString<WorkReportsQuery, WorkReportsQueryVariables>;
export const GridBuildingsDocument = new TypedDocumentString(`
    query GridBuildings($grid: String!, $after: Cursor) {
  grid(code: $grid) {
    name
    buildings(first: 100, after: $after) {
      nodes {
        code
        name
        households
        managementMode
        location
        sponsor {
          name
        }
        lastVisit {
          kind
          at
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
}
    `, {"hash":"sha256:7bd9ff5a1b2cc95decdfc754e858d01959ef2a5190232d8ad49aacde5069b9ca"}) as unknown as TypedDocumentString<GridBuildingsQuery, GridBuildingsQueryVariables>;
export const LogVisitDocument = new TypedDocumentString(`
    mutation LogVisit($input: LogVisitInput!) {
  logVisit(input: $input) {
    visit {
      id
    }
  }
}
    `, {"hash":"sha256:fe9901247a17435783f45ca6d1aab329d341d7dc4ea0f9504b25bde89f73387f"}) as unknown as TypedDocumentString<LogVisitMutation, LogVisitMutationVariables>;
export const RegisterReportDocument = new TypedDocumentString(`
    mutation RegisterReport($input: RegisterReportInput!) {
  registerReport(input: $input) {
    report {
      id
      version
      state
    }
  }
}
    `, {"hash":"sha256:75b966181619bf9ed4b929a0e739c6f138ce4721947924ae46b15695cc5baeb4"}) as unknown as TypedDocumentString<RegisterReportMutation, RegisterReportMutationVariables>;
export const AcceptReportDocument = new TypedDocumentString(`
    mutation AcceptReport($input: AcceptReportInput!) {
  acceptReport(input: $input) {
    report {
      id
      version
      state
    }
  }
}
    `, {"hash":"sha256:4e2f19ac72e5ca898fcd5456e92c445f09ab8b86c8f938918cd2833a5863c565"}) as unknown as TypedDocumentString<AcceptReportMutation, AcceptReportMutationVariables>;
export const StartReportDocument = new TypedDocumentString(`
    mutation StartReport($input: StartReportInput!) {
  startReport(input: $input) {
    report {
      id
      version
      state
    }
  }
}
    `, {"hash":"sha256:6696b3526aaea9d8be65dffca717c55354d3c52139bd5e15a99fd3b9ddb530a9"}) as unknown as TypedDocumentString<StartReportMutation, StartReportMutationVariables>;
export const DoneReportDocument = new TypedDocumentString(`
    mutation DoneReport($input: DoneReportInput!) {
  doneReport(input: $input) {
    report {
      id
      version
      state
    }
  }
}
    `, {"hash":"sha256:307fde1c072113060045efe1d62c0f426867f7d3ad1fd11659572dba3620a634"}) as unknown as TypedDocumentString<DoneReportMutation, DoneReportMutationVariables>;
export const ReturnReportDocument = new TypedDocumentString(`
    mutation ReturnReport($input: ReturnReportInput!) {
  returnReport(input: $input) {
    report {
      id
      version
      state
    }
  }
}
    `, {"hash":"sha256:3afc1ffe8416ce54ef73c4dc174846e860be5353ba060d5d8e07c6396964c0d5"}) as unknown as TypedDocumentString<ReturnReportMutation, ReturnReportMutationVariables>;
export const VerifyReportDocument = new TypedDocumentString(`
    mutation VerifyReport($input: VerifyReportInput!) {
  verifyReport(input: $input) {
    report {
      id
      version
      state
    }
  }
}
    `, {"hash":"sha256:e54302c76437c033c9365b376a3d5ffa62899a25af35d5db26f3c467269b833f"}) as unknown as TypedDocumentString<VerifyReportMutation, VerifyReportMutationVariables>;