/**
 * What the desk and the server say to each other: rows by view, frames of the WebSocket, refusals.
 * Times are milliseconds since the epoch by the server's clock.
 */
export type Presence = "offline" | "available" | "break" | "training" | "meeting" | "back_office" | "missed";
export type Role = "agent" | "leader" | "administrator";

export interface Attachment {
  address: string;
  name: string;
  type: string;
  size: number;
}

/** One line of an agent's own list: an offer, a conversation in hand, a wrap-up, a parked one. */
export interface WorkRow {
  agent: string;
  task: string;
  conversation: string;
  client: string;
  queue: string;
  live: boolean;
  state: "offered" | "assigned" | "wrapup" | "parked";
  since: number;
  /** When the customer should have an answer. */
  answer_by: number | null;
  /** When the offer or the wrap-up ends. */
  deadline: number | null;
  offer: string | null;
  why: unknown;
  forced: boolean;
}

export type ConversationState = "open" | "waiting" | "active" | "parked" | "closed";

export interface ConversationRow {
  conversation: string;
  customer: string;
  client: string;
  channel: string;
  entry_point: string;
  queue: string;
  live: boolean;
  state: ConversationState;
  subject_line: string | null;
  customer_name: string | null;
  last_words: string | null;
  last_author: string | null;
  last_at: number | null;
  waiting_since: number | null;
  parked_until: number | null;
  /** Since when the customer of a live conversation is gone. */
  left_at: number | null;
  n: number;
  agent: string | null;
  tags: string[] | null;
  disposition: string | null;
  opened_at: number;
  closed_at: number | null;
  language: string | null;
}

export type MessageStatus =
  "held" | "queued" | "sent" | "delivered" | "read" | "failed" | "bounced" | "withdrawn" | "received";

export interface MessageRow {
  conversation: string;
  n: number;
  message: string | null;
  client: string;
  kind: "customer" | "agent" | "note";
  author: string | null;
  text: string | null;
  html_blob: string | null;
  attachments: Attachment[] | null;
  headers: Record<string, unknown> | null;
  status: MessageStatus | null;
  reason: string | null;
  at: number;
  release_at: number | null;
  internal: boolean;
}

export interface TaskRow {
  task: string;
  conversation: string;
  client: string;
  queue: string;
  live: boolean;
  state: "queued" | "offered" | "assigned" | "wrapup" | "ended";
  agent: string | null;
  since: number;
  priority: number;
  answer_by: number | null;
  place: number | null;
}

export interface AgentStateRow {
  agent: string;
  presence: Presence;
  reason: string | null;
  since: number;
  load: number;
  capacity: number;
  offered: number | boolean | null;
  connected: boolean;
  site: string | null;
  team: string | null;
  wrapup_until: number | null;
}

export interface QueueStateRow {
  queue: string;
  client: string;
  /** Within its opening hours. */
  open: boolean;
  waiting: number;
  oldest: number | null;
  offered: number;
  assigned: number;
  answered_today: number;
  answered_in_time_today: number;
  abandoned_today: number;
}

export interface LegRow {
  conversation: string;
  leg: string;
  party: "customer" | "agent" | "supervisor";
  agent: string | null;
  site: string | null;
  country: string | null;
  employer: string | null;
  started: number;
  ended: number | null;
  reason: string | null;
}

export interface ConfigRow {
  kind: string;
  id: string;
  version: number;
  value: Record<string, unknown>;
}

/** Each view's row, and the columns that name a row in it. */
export interface Views {
  my_work: WorkRow;
  conversation: ConversationRow;
  thread: MessageRow;
  legs: LegRow;
  queues: QueueStateRow;
  agents: AgentStateRow;
  waiting: TaskRow;
  me: AgentStateRow;
  config: ConfigRow;
}
export type ViewName = keyof Views;

export const KEYS: { readonly [V in ViewName]: readonly (keyof Views[V] & string)[] } = {
  my_work: ["agent", "task"],
  conversation: ["conversation"],
  thread: ["conversation", "n"],
  legs: ["conversation", "leg"],
  queues: ["queue"],
  agents: ["agent"],
  waiting: ["task"],
  me: ["agent"],
  config: ["kind", "id"],
};

export type RefusalKind =
  "invalid" | "forbidden" | "not_found" | "conflict" | "too_large" | "limited" | "unavailable" | "signed_out";

/** The one way the server says no: what was wrong, where, and what to do about it. */
export interface Refusal {
  kind: RefusalKind;
  code: string;
  remedy: string;
  field?: string;
  limit?: number;
}

export type DraftKind = "reply" | "note";
export interface Draft {
  text: string;
  attachments: Attachment[];
  revision: number;
}

export type WireRow = Record<string, unknown>;

export type ClientFrame =
  | { op: "subscribe"; sub: string; view: ViewName; partition: string }
  | { op: "unsubscribe"; sub: string }
  | { op: "command"; id: string; name: string; key: string; payload: object }
  | { op: "writing"; conversation: string; kind: DraftKind }
  | { op: "ping" };

export interface Hello {
  op: "hello";
  t: number;
  org: string;
  agent: string;
  name: string;
  role: Role;
  clients: string[];
  build: string;
}

export type ServerFrame =
  | Hello
  | { op: "snapshot"; sub: string; n: number; rows: WireRow[] }
  | { op: "delta"; sub: string; prev: number; n: number; set?: WireRow[]; del?: WireRow[] }
  | { op: "refused"; sub?: string; id?: string; error: Refusal }
  | { op: "answer"; id: string; ok?: Record<string, unknown>; error?: Refusal }
  | {
      op: "signal";
      conversation: string;
      kind: "writing";
      who: string;
      agent: string | null;
      until: number;
    }
  | { op: "pong"; t: number }
  | { op: "bye"; reason: string };
