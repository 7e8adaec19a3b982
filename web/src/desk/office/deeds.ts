// What an office does to a report: the document of each action, and what its form asks for. Which
// are possible now is the server's to say.

import type { TypedDocumentString } from "../../lib/gql/graphql";
import {
  OfficeAcceptDocument,
  OfficeChooseGridDocument,
  OfficeCloseDocument,
  OfficeDispatchDocument,
  OfficeDoneDocument,
  OfficeEscalateDocument,
  OfficeExtendDocument,
  OfficeMergeDocument,
  OfficeRegisterDocument,
  OfficeRejectDocument,
  OfficeReopenDocument,
  OfficeReturnDocument,
  OfficeReworkDocument,
  OfficeStartDocument,
  OfficeSuspendDocument,
  OfficeVerifyDocument,
} from "../../lib/gql/graphql";

interface Form {
  document: TypedDocumentString<unknown, { input: never }>;
  /** What it takes beside the note. */
  asks?: "grid" | "handler" | "report" | "day" | "moment";
  /** Whether the note gives a reason that the server asks for. */
  needsReason?: boolean;
}

/** In the order in which they are offered: what leads on comes first. */
const DEEDS = {
  CHOOSE_GRID: { document: OfficeChooseGridDocument, asks: "grid" },
  REGISTER: { document: OfficeRegisterDocument },
  DISPATCH: { document: OfficeDispatchDocument, asks: "handler" },
  ACCEPT: { document: OfficeAcceptDocument },
  START: { document: OfficeStartDocument },
  DONE: { document: OfficeDoneDocument },
  VERIFY: { document: OfficeVerifyDocument },
  CLOSE: { document: OfficeCloseDocument },
  REOPEN: { document: OfficeReopenDocument, needsReason: true },
  REWORK: { document: OfficeReworkDocument, needsReason: true },
  MERGE: { document: OfficeMergeDocument, asks: "report" },
  EXTEND: { document: OfficeExtendDocument, asks: "moment", needsReason: true },
  SUSPEND: { document: OfficeSuspendDocument, asks: "day", needsReason: true },
  ESCALATE: { document: OfficeEscalateDocument, needsReason: true },
  RETURN: { document: OfficeReturnDocument, needsReason: true },
  REJECT: { document: OfficeRejectDocument, needsReason: true },
} as const satisfies Record<string, Form>;

export type Deed = keyof typeof DEEDS;

export const formOf = (deed: Deed): Form => DEEDS[deed] as Form;

export const deedsAmong = (actions: readonly string[]): Deed[] =>
  (Object.keys(DEEDS) as Deed[]).filter((each) => actions.includes(each));
