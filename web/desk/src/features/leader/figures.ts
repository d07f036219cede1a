import type { AgentStateRow, Presence, QueueStateRow } from "@guichet/protocol";

/** The figures of a queue, or of all of them. */
export type Figured = Omit<QueueStateRow, "queue" | "client" | "open">;

/** What an agent is doing as a leader sees it: `available` is split by whether they have work in hand. */
export type Doing = "free" | "busy" | Exclude<Presence, "available">;

export const DOINGS: readonly Doing[] = [
  "free",
  "busy",
  "missed",
  "break",
  "training",
  "meeting",
  "back_office",
  "offline",
];

export function doing(row: AgentStateRow): Doing {
  if (row.presence !== "available") return row.presence;
  return row.load > 0 ? "busy" : "free";
}

export function countDoings(rows: readonly AgentStateRow[]): Record<Doing, number> {
  const counts = Object.fromEntries(DOINGS.map((one) => [one, 0])) as Record<Doing, number>;
  for (const row of rows) counts[doing(row)] += 1;
  return counts;
}

/** The share answered in time, or null where nothing was answered: there is no "0 %" without data. */
export function inTime(row: Pick<QueueStateRow, "answered_today" | "answered_in_time_today">): number | null {
  return row.answered_today > 0 ? row.answered_in_time_today / row.answered_today : null;
}

/** The line of totals: sums, and the oldest of all. */
export function totals(rows: readonly QueueStateRow[]): Figured {
  const sum = (pick: (row: QueueStateRow) => number) => rows.reduce((all, row) => all + pick(row), 0);
  const oldest = rows.flatMap((row) => (row.oldest === null ? [] : [row.oldest]));
  return {
    waiting: sum((row) => row.waiting),
    oldest: oldest.length === 0 ? null : Math.min(...oldest),
    offered: sum((row) => row.offered),
    assigned: sum((row) => row.assigned),
    answered_today: sum((row) => row.answered_today),
    answered_in_time_today: sum((row) => row.answered_in_time_today),
    abandoned_today: sum((row) => row.abandoned_today),
  };
}
