import type { Attachment, MessageRow, Refusal } from "@guichet/protocol";

import type { Entry } from "../../net/index.ts";

/** One line of the thread. */
export type ThreadItem =
  | { kind: "day"; key: string; at: number }
  | { kind: "message"; key: string; row: MessageRow; head: boolean; pending: Pending | null };

/** A message that the server has not confirmed: on its way, or refused. */
export interface Pending {
  key: string;
  refusal: Refusal | null;
}

/** Within this time the same speaker goes on without a new heading. */
const GROUP = 5 * 60_000;

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
    message: payload.message ?? null,
    client: "",
    kind: note ? "note" : "agent",
    author: agent,
    text: payload.text,
    html_blob: null,
    attachments: payload.attachments ?? null,
    headers: null,
    status: null,
    reason: null,
    at: entry.at,
    release_at: null,
    internal: note,
  };
}

/** Rows by their number, what is under way at the end; a heading where the speaker or the day changes. */
export function itemsOf(
  rows: readonly MessageRow[],
  unanswered: readonly Entry[],
  agent: string,
): ThreadItem[] {
  const known = new Set(rows.map((row) => row.message));
  const lines = rows
    .filter((row) => row.kind !== undefined && row.status !== "withdrawn")
    .toSorted((a, b) => a.n - b.n)
    .map((row): { row: MessageRow; pending: Pending | null } => ({ row, pending: null }));
  for (const entry of unanswered) {
    if (entry.name !== "send_message" && entry.name !== "add_note") continue;
    if (entry.name === "send_message" && known.has(String(entry.payload["message"]))) continue;
    lines.push({
      row: pendingRow(entry, agent),
      pending: { key: entry.key, refusal: entry.failed ?? null },
    });
  }
  const items: ThreadItem[] = [];
  let before: MessageRow | null = null;
  for (const { row, pending } of lines) {
    const day = new Date(row.at).toDateString();
    if (before === null || new Date(before.at).toDateString() !== day) {
      items.push({ kind: "day", key: `day ${day}`, at: row.at });
      before = null;
    }
    const head =
      before === null ||
      before.kind !== row.kind ||
      before.author !== row.author ||
      row.at - before.at > GROUP;
    items.push({ kind: "message", key: pending?.key ?? row.message ?? `n${row.n}`, row, head, pending });
    before = row;
  }
  return items;
}
