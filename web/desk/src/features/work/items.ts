import type { ConversationRow, WorkRow } from "@guichet/protocol";

/** One line of the work list. */
export interface WorkItem {
  work: WorkRow;
  /** Null while its row is not here: what no one looks at is not asked for. */
  conversation: ConversationRow | null;
}

export type Section = "live" | "deferred" | "parked";

export interface Sections {
  offers: WorkItem[];
  live: WorkItem[];
  deferred: WorkItem[];
  parked: WorkItem[];
}

const NOBODY_WAITS = Number.MAX_SAFE_INTEGER - 1;

/** Since when the customer waits for a word of ours; a wrap-up, which has its time, comes before who is answered. */
function waits(item: WorkItem): number {
  if (item.work.state === "wrapup") return NOBODY_WAITS;
  // Deferred work is there because an answer is owed.
  if (item.conversation === null && !item.work.live) return item.work.since;
  return item.conversation?.waiting_since ?? Number.MAX_SAFE_INTEGER;
}

/** When something must be done about it: the offer ends, the answer is due, it comes back. */
export function dueAt({ work }: WorkItem): number | null {
  if (work.state === "assigned") return work.live ? null : (work.answer_by ?? null);
  return work.deadline;
}

function due(item: WorkItem): number {
  return dueAt(item) ?? Number.MAX_SAFE_INTEGER;
}

/**
 * Offers by deadline; live work by how long the customer waits, what awaits the customer after it; deferred
 * work by when the answer is due; parked work by when it comes back.
 */
export function arrange(
  rows: readonly WorkRow[],
  conversations: ReadonlyMap<string, ConversationRow>,
): Sections {
  const sections: Sections = { offers: [], live: [], deferred: [], parked: [] };
  for (const work of rows) {
    const item = { work, conversation: conversations.get(work.conversation) ?? null };
    if (work.state === "offered") sections.offers.push(item);
    else if (work.state === "parked") sections.parked.push(item);
    else sections[work.live ? "live" : "deferred"].push(item);
  }
  sections.offers.sort((a, b) => due(a) - due(b));
  sections.live.sort((a, b) => waits(a) - waits(b) || a.work.since - b.work.since);
  sections.deferred.sort((a, b) => due(a) - due(b) || a.work.since - b.work.since);
  sections.parked.sort((a, b) => due(a) - due(b) || a.work.since - b.work.since);
  return sections;
}

/** Live conversations whose order by the customer's wait is watched: more than anybody holds at once. */
const WATCHED = 24;

/** Whose conversation the list itself must know, to order it: offers and what is live. Its lines ask for the rest. */
export function watched(rows: readonly WorkRow[]): string[] {
  const told = rows.filter((row) => row.state === "offered" || (row.live && row.state !== "parked"));
  return told
    .toSorted((a, b) => a.since - b.since)
    .slice(0, WATCHED)
    .map((row) => row.conversation);
}

/** The order in which the keys walk through the list. */
export function walk(sections: Sections): string[] {
  return [...sections.live, ...sections.deferred, ...sections.parked].map((item) => item.work.conversation);
}

/** After a close: the next one in which a customer waits, else the first of the list. */
export function nextAfter(sections: Sections, closed: string): string | null {
  const left = [...sections.live, ...sections.deferred].filter((item) => item.work.conversation !== closed);
  const waiting = left.find((item) => waits(item) < NOBODY_WAITS) ?? left[0];
  return waiting?.work.conversation ?? null;
}
