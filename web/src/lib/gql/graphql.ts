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

export type DoneReportInput = {
  id: string | number;
  /** The report's, as you saw it. */
  version: number;
  note?: string;
  /** Ids of uploaded photos; at most 6. */
  photos?: Array<string>;
};

/** A: from 90 on, B: from 80 on, C: from 70 on, D: from 60 on, E: from 0 on. */
export type GradeLetter =
  | 'A'
  | 'B'
  | 'C'
  | 'D'
  | 'E';

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
  | 'CHANGE_BOUNDARIES';

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

export type RegionReportsSubscriptionVariables = Exact<{
  region?: string | null | undefined;
  after?: string | null | undefined;
}>;


export type RegionReportsSubscription = { reportChanged: { cursor: string, report: { number: string, category: { name: string }, grid: { name: string } | null }, event: { action: ReportAction } } };

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


export type SubmitReportMutation = { submitReport: { number: string, deadline: string | null, receipt: string | null, isDefaultHandler: boolean, report: { id: string, version: number }, grid: { code: string, name: string } | null, candidates: Array<{ share: number, grid: { code: string, name: string } }>, workers: Array<{ name: string }>, sponsor: { name: string } | null, duplicates: Array<{ id: string, number: string, description: string, receivedAt: string, state: ReportState, location: import('geojson').Geometry, photos: Array<{ thumbnailUrl: string }> }> } };

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
  id: string | number;
}>;


export type MyReportQuery = { report: { id: string, number: string, version: number, state: ReportState, urgency: Urgency, description: string, receivedAt: string, deadline: string | null, stepDeadline: string | null, isOverdue: boolean, closedAt: string | null, rating: number | null, actions: Array<ReportAction>, location: import('geojson').Geometry, events: Array<{ version: number, action: ReportAction, state: ReportState, at: string, note: string }>, category: { name: string, parent: { name: string } | null }, grid: { code: string, name: string, workers: Array<{ name: string }> } | null, building: { name: string } | null, sponsor: { name: string } | null, mergedInto: { number: string } | null, photos: Array<{ id: string, url: string, thumbnailUrl: string, width: number, height: number }> } | null };

export type ReportChangedSubscriptionVariables = Exact<{
  id?: string | number | null | undefined;
  grid?: string | null | undefined;
  after?: string | null | undefined;
}>;


export type ReportChangedSubscription = { reportChanged: { cursor: string, report: { id: string, version: number } } };

export type ViewerQueryVariables = Exact<{ [key: string]: never; }>;


export type ViewerQuery = { viewer: { role: Role, subject: string | null, codes: Array<string>, permissions: Array<{ name: PermissionName, extent: PermissionExtent }> } };

export type WorkReportsQueryVariables = Exact<{
  filter: ReportFilter;
}>;


export type WorkReportsQuery = { reports: { nodes: Array<{ id: string, number: string, version: number, state: ReportState, urgency: Urgency, description: string, receivedAt: string, deadline: string | null, stepDeadline: string | null, isOverdue: boolean, closedAt: string | null, rating: number | null, actions: Array<ReportAction>, location: import('geojson').Geometry, category: { name: string, parent: { name: string } | null }, grid: { code: string, name: string, workers: Array<{ name: string }> } | null, building: { name: string } | null, sponsor: { name: string } | null, mergedInto: { number: string } | null, photos: Array<{ id: string, url: string, thumbnailUrl: string, width: number, height: number }> }> } };

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
    `) as unknown as TypedDocumentString<TopRegionsQuery, TopRegionsQueryVariables>;
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
    `) as unknown as TypedDocumentString<RegionChildrenQuery, RegionChildrenQueryVariables>;
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
}`) as unknown as TypedDocumentString<RegionPathQuery, RegionPathQueryVariables>;
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
    `) as unknown as TypedDocumentString<SearchQuery, SearchQueryVariables>;
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
}`) as unknown as TypedDocumentString<LocatePointQuery, LocatePointQueryVariables>;
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
}`) as unknown as TypedDocumentString<GridPlaceByCodeQuery, GridPlaceByCodeQueryVariables>;
export const GridReportsDocument = new TypedDocumentString(`
    query GridReports($grid: String!) {
  reportFigures(filter: {grid: $grid}) {
    received
    open
    overdue
    closedRate
  }
}
    `) as unknown as TypedDocumentString<GridReportsQuery, GridReportsQueryVariables>;
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
}`) as unknown as TypedDocumentString<BuildingPlaceQuery, BuildingPlaceQueryVariables>;
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
}`) as unknown as TypedDocumentString<SponsorPlaceQuery, SponsorPlaceQueryVariables>;
export const SponsorReportsDocument = new TypedDocumentString(`
    query SponsorReports($code: String!) {
  sponsor(code: $code) {
    openReportCount
    overdueReportCount
  }
}
    `) as unknown as TypedDocumentString<SponsorReportsQuery, SponsorReportsQueryVariables>;
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
    `) as unknown as TypedDocumentString<ReportPlaceQuery, ReportPlaceQueryVariables>;
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
    `) as unknown as TypedDocumentString<NamesQuery, NamesQueryVariables>;
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
    `) as unknown as TypedDocumentString<RegionSponsorsQuery, RegionSponsorsQueryVariables>;
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
    `) as unknown as TypedDocumentString<GapsQuery, GapsQueryVariables>;
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
    `) as unknown as TypedDocumentString<OverlapsQuery, OverlapsQueryVariables>;
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
    `) as unknown as TypedDocumentString<GridsWithoutWorkerQuery, GridsWithoutWorkerQueryVariables>;
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
    `) as unknown as TypedDocumentString<GridsWithoutSponsorQuery, GridsWithoutSponsorQueryVariables>;
export const ClustersDocument = new TypedDocumentString(`
    query Clusters($bounds: BoundsInput!, $zoom: Int!, $filter: ReportFilter) {
  reportClusters(bounds: $bounds, zoom: $zoom, filter: $filter) {
    count
    key
    location
    bounds
  }
}
    `) as unknown as TypedDocumentString<ClustersQuery, ClustersQueryVariables>;
export const HotspotsDocument = new TypedDocumentString(`
    query Hotspots($region: String!, $filter: ReportFilter) {
  hotspots(region: $region, filter: $filter) {
    count
    outline
  }
}
    `) as unknown as TypedDocumentString<HotspotsQuery, HotspotsQueryVariables>;
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
    `) as unknown as TypedDocumentString<ReportCategoriesQuery, ReportCategoriesQueryVariables>;
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
    `) as unknown as TypedDocumentString<CoverageFiguresQuery, CoverageFiguresQueryVariables>;
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
    `) as unknown as TypedDocumentString<ReportFiguresOfQuery, ReportFiguresOfQueryVariables>;
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
    `) as unknown as TypedDocumentString<ReportTrendsOfQuery, ReportTrendsOfQueryVariables>;
export const ReportsByGridDocument = new TypedDocumentString(`
    query ReportsByGrid($filter: ReportFilter!) {
  reportFigures(filter: $filter, by: [GRID]) {
    received
    grid {
      code
    }
  }
}
    `) as unknown as TypedDocumentString<ReportsByGridQuery, ReportsByGridQueryVariables>;
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
    `) as unknown as TypedDocumentString<GridListQuery, GridListQueryVariables>;
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
    `) as unknown as TypedDocumentString<BuildingListQuery, BuildingListQueryVariables>;
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
    `) as unknown as TypedDocumentString<RegionReportsSubscription, RegionReportsSubscriptionVariables>;
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
}`) as unknown as TypedDocumentString<LocateQuery, LocateQueryVariables>;
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
    `) as unknown as TypedDocumentString<CategoriesQuery, CategoriesQueryVariables>;
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
      description
      receivedAt
      state
      location
      photos {
        thumbnailUrl
      }
    }
  }
}
    `) as unknown as TypedDocumentString<SubmitReportMutation, SubmitReportMutationVariables>;
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
    `) as unknown as TypedDocumentString<ChooseReportGridMutation, ChooseReportGridMutationVariables>;
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
    `) as unknown as TypedDocumentString<MergeReportMutation, MergeReportMutationVariables>;
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
    `) as unknown as TypedDocumentString<RateReportMutation, RateReportMutationVariables>;
export const MyReportDocument = new TypedDocumentString(`
    query MyReport($id: ID!) {
  report(id: $id) {
    ...ReportCard
    events {
      version
      action
      state
      at
      note
    }
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
}`) as unknown as TypedDocumentString<MyReportQuery, MyReportQueryVariables>;
export const ReportChangedDocument = new TypedDocumentString(`
    subscription ReportChanged($id: ID, $grid: String, $after: Cursor) {
  reportChanged(id: $id, grid: $grid, after: $after) {
    report {
      id
      version
    }
    cursor
  }
}
    `) as unknown as TypedDocumentString<ReportChangedSubscription, ReportChangedSubscriptionVariables>;
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
    `) as unknown as TypedDocumentString<ViewerQuery, ViewerQueryVariables>;
export const WorkReportsDocument = new TypedDocumentString(`
    query WorkReports($filter: ReportFilter!) {
  reports(filter: $filter, first: 100) {
    nodes {
      ...ReportCard
    }
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
}`) as unknown as TypedDocumentString<WorkReportsQuery, WorkReportsQueryVariables>;
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
    `) as unknown as TypedDocumentString<GridBuildingsQuery, GridBuildingsQueryVariables>;
export const LogVisitDocument = new TypedDocumentString(`
    mutation LogVisit($input: LogVisitInput!) {
  logVisit(input: $input) {
    visit {
      id
    }
  }
}
    `) as unknown as TypedDocumentString<LogVisitMutation, LogVisitMutationVariables>;
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
    `) as unknown as TypedDocumentString<RegisterReportMutation, RegisterReportMutationVariables>;
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
    `) as unknown as TypedDocumentString<AcceptReportMutation, AcceptReportMutationVariables>;
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
    `) as unknown as TypedDocumentString<StartReportMutation, StartReportMutationVariables>;
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
    `) as unknown as TypedDocumentString<DoneReportMutation, DoneReportMutationVariables>;
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
    `) as unknown as TypedDocumentString<ReturnReportMutation, ReturnReportMutationVariables>;
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
    `) as unknown as TypedDocumentString<VerifyReportMutation, VerifyReportMutationVariables>;