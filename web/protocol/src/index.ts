/** What the desk and the server say to each other: the server's own types, and what only the web has a name for. */
import type { Attachment, Problem } from "./generated/index.ts";

export * from "./generated/index.ts";

/** The one way the server says no: what was wrong, where, and what to do about it. */
export type Refusal = Problem;
export type RefusalKind = Problem["kind"];

export type DraftKind = "reply" | "note";
export interface Draft {
  text: string;
  attachments: Attachment[];
  revision: number;
}

export type WireRow = Record<string, unknown>;
