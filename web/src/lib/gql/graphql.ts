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
  id: string | number;
}>;


export type MyReportQuery = { report: { id: string, number: string, version: number, state: ReportState, urgency: Urgency, description: string, receivedAt: string, deadline: string | null, stepDeadline: string | null, isOverdue: boolean, closedAt: string | null, rating: number | null, actions: Array<ReportAction>, location: import('geojson').Geometry, events: Array<{ version: number, action: ReportAction, state: ReportState, at: string, note: string }>, category: { name: string, parent: { name: string } | null }, grid: { code: string, name: string, workers: Array<{ name: string }> } | null, building: { name: string } | null, sponsor: { name: string } | null, mergedInto: { number: string } | null, photos: Array<{ id: string, url: string, thumbnailUrl: string, width: number, height: number }> } | null };

export type ReportChangedSubscriptionVariables = Exact<{
  id?: string | number | null | undefined;
  grid?: string | null | undefined;
  after?: string | null | undefined;
}>;


export type ReportChangedSubscription = { reportChanged: { cursor: string, report: { version: number } | null } };

export type ViewerQueryVariables = Exact<{ [key: string]: never; }>;


export type ViewerQuery = { viewer: { role: Role, subject: string | null, codes: Array<string> } };

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
      state
      receivedOn
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