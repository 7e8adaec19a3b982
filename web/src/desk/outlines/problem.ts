// What of a drawing cannot be: by a name that messages have words for, and where.

import type { Position } from "../../lib/earth.ts";

export class Problem extends Error {
  readonly code: string;
  readonly place: Position | null;
  readonly values: Record<string, string | number>;

  constructor(
    code: string,
    place: Position | null = null,
    values: Record<string, string | number> = {},
  ) {
    super(code);
    this.code = code;
    this.place = place;
    this.values = values;
  }
}
