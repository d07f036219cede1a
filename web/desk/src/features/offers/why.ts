import type { Key } from "../../i18n/index.ts";

/** The decision record as the server keeps it: see `events/routing.py`, `Decision`. */
export interface Decision {
  side: "task" | "agent" | "known";
  policy: string;
  config: number;
  agents: number;
  removed: Partial<Record<Criterion, number>>;
  candidates: number;
  waited: number;
  idle_since: number;
  load: number;
  runners_up?: { agent: string; idle_since: number; load: number }[];
  tasks?: number;
  other_tasks?: { task: string; queue: string; priority: number; since: number }[];
}

export const CRITERIA = [
  "clearance",
  "queue",
  "language",
  "skill",
  "presence",
  "capacity",
  "skipped",
] as const;
export type Criterion = (typeof CRITERIA)[number];

/** Reads a record that arrives as JSON text or as an object; null when there is none. */
export function decisionFrom(why: unknown): Decision | null {
  let read: unknown = why;
  if (typeof why === "string") {
    try {
      read = JSON.parse(why);
    } catch {
      return null;
    }
  }
  if (typeof read !== "object" || read === null || !("side" in read)) return null;
  return read as Decision;
}

/** The same about a colleague. */
export function whyOther(decision: Decision): Key {
  if (decision.side !== "task") return decision.side === "known" ? "why.other.known" : "why.other.agent";
  return decision.candidates <= 1 ? "why.other.only" : "why.other.task";
}

/** The one line of the offer card: which sentence, and its figures. */
export function whyLine(decision: Decision): { key: Key; values: Record<string, number> } {
  const values = { candidates: decision.candidates, agents: decision.agents, count: decision.candidates };
  if (decision.side === "known") return { key: "why.known", values };
  if (decision.side === "agent")
    return { key: "why.agent", values: { ...values, count: decision.tasks ?? 1 } };
  if (decision.candidates <= 1) return { key: "why.only", values };
  return { key: "why.task", values };
}
