import type { Attachment, LegRow, MessageRow, Refusal } from "@guichet/protocol";

import type { Entry } from "../../net/index.ts";

/** One line of the thread. */
export type ThreadItem =
  | { kind: "day"; key: string; at: number }
  | { kind: "event"; key: string; at: number; event: Event; agent: string | null }
  | { kind: "message"; key: string; row: MessageRow; head: boolean; pending: Pending | null };

export type Event = "joined" | "closed" | "parked" | "transferred" | "vanished" | "taken" | "left" | "ended";
const ENDINGS: ReadonlySet<string> = new Set<Event>(["closed", "parked", "transferred", "vanished", "taken"]);

/** A message that the server has not confirmed: on its way, or refused. */
export interface Pending {
  key: string;
  refusal: Refusal | null;
}

/** Within this time the same speaker goes on without a new heading. */
const GROUP = 5 * 60_000;
/** After every message of the same moment. */
const LAST = Number.MAX_SAFE_INTEGER;

function pendingRow(entry: Entry, agent: string): MessageRow {
  const payload = entry.payload as {
    conversation: string;
    message?: string;
    text: string;
    attachments?: Attachment[];
  };
  const note = entry.name === "add_note";
  return {
    conversation: payload.conversation,
    n: Number.MAX_SAFE_INTEGER,
    message: payload.message ?? "",
    client: "",
    kind: note ? "note" : "agent",
    author: agent,
    text: payload.text,
    html_blob: null,
    attachments: payload.attachments ?? [],
    headers: null,
    status: null,
    reason: null,
    at: entry.at,
    sent_at: null,
    release_at: null,
    internal: note,
  };
}

/** Whether a mail in the thread came from somebody else than its customer. */
export function isOthers(headers: Record<string, string> | null): boolean {
  return headers?.["other_sender"] !== undefined;
}

/** By whom a message is, as its heading shows it. */
function voiceOf({ kind, author, headers }: MessageRow): string {
  const from = isOthers(headers) ? headers?.["from"] : author;
  return [kind, from, headers?.["sender"]].join(" ");
}

type Line = { at: number; n: number } & (
  { row: MessageRow; pending: Pending | null } | { event: Event; agent: string | null; key: string }
);

/** Who came and went, as thin lines: agents and supervisors when they join and leave, the customer when gone. */
function eventsOf(legs: readonly LegRow[]): Line[] {
  return legs.flatMap((leg): Line[] => {
    if (leg.party === "customer") {
      return leg.ended !== null && leg.reason === "left"
        ? [{ at: leg.ended, n: LAST, event: "left", agent: null, key: `${leg.leg} left` }]
        : [];
    }
    const joined: Line = {
      at: leg.started,
      n: 0,
      event: "joined",
      agent: leg.agent,
      key: `${leg.leg} joined`,
    };
    // That somebody answered, or that the customer left, the thread shows already.
    if (leg.ended === null || leg.reason === "left" || leg.reason === "replied") return [joined];
    const event = ENDINGS.has(leg.reason ?? "") ? (leg.reason as Event) : "ended";
    return [joined, { at: leg.ended, n: LAST, event, agent: leg.agent, key: `${leg.leg} ended` }];
  });
}

/**
 * Rows by their number with events between them, what is under way at the end; a heading where the speaker
 * or the day changes.
 */
export function itemsOf(
  rows: readonly MessageRow[],
  legs: readonly LegRow[],
  unanswered: readonly Entry[],
  agent: string,
): ThreadItem[] {
  const known = new Set(rows.map((row) => row.message));
  const lines: Line[] = rows
    // A row of which only a part is here came by a delta beyond the snapshot's bound.
    .filter((row) => row.kind !== undefined)
    .map((row) => ({ at: row.at, n: row.n, row, pending: null }));
  lines.push(...eventsOf(legs));
  lines.sort((a, b) => a.at - b.at || a.n - b.n);
  for (const entry of unanswered) {
    if (entry.name !== "send_message" && entry.name !== "add_note") continue;
    if (entry.name === "send_message" && known.has(String(entry.payload["message"]))) continue;
    const pending = { key: entry.key, refusal: entry.failed ?? null };
    lines.push({ at: entry.at, n: 0, row: pendingRow(entry, agent), pending });
  }
  const items: ThreadItem[] = [];
  let before: MessageRow | null = null;
  let day = "";
  for (const line of lines) {
    const today = new Date(line.at).toDateString();
    if (today !== day) {
      items.push({ kind: "day", key: `day ${today}`, at: line.at });
      before = null;
      day = today;
    }
    if ("event" in line) {
      items.push({ kind: "event", key: line.key, at: line.at, event: line.event, agent: line.agent });
      before = null;
      continue;
    }
    const { row, pending } = line;
    const head = before === null || voiceOf(before) !== voiceOf(row) || row.at - before.at > GROUP;
    items.push({ kind: "message", key: pending?.key ?? row.message ?? `n${row.n}`, row, head, pending });
    before = row;
  }
  return items;
}
