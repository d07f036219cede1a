/**
 * What the desk and the server say to each other. Made by `python -m tools.protocol`; do not edit.
 * Times are milliseconds since the epoch by the server's clock.
 */

/** One reason of a decision, as a code and its numbers. */
export type WhyPart = { code: string } & Record<string, string | number>;

export type WorkState = "offered" | "assigned" | "wrapup" | "parked";

export type TaskState = "queued" | "offered" | "assigned" | "wrapup" | "ended";

export type ConversationState = "open" | "waiting" | "active" | "parked" | "closed";

export type Author = "customer" | "agent";

export type MessageKind = "customer" | "agent" | "note" | "system";

export type MessageStatus = "received" | "held" | "queued" | "sent" | "delivered" | "read" | "failed" | "bounced";

export type Party = "agent" | "customer" | "supervisor";

export type Presence = "offline" | "available" | "break" | "training" | "meeting" | "back_office" | "missed";

export type Role = "agent" | "leader" | "administrator";

/** A file beside a message: `address` in the blob store, `size` in bytes; `cid` marks an image inside the text. */
export interface Attachment {
  address: string;
  name: string;
  type: string;
  size: number;
  cid?: string;
}

export interface WorkRow {
  agent: string;
  task: string;
  conversation: string;
  client: string;
  queue: string;
  live: boolean;
  state: WorkState;
  since: number;
  answer_by: number | null;
  deadline: number | null;
  offer: string | null;
  why: WhyPart[] | null;
  forced: boolean;
}

export interface ConversationRow {
  conversation: string;
  customer: string;
  client: string;
  channel: string;
  entry_point: string;
  queue: string;
  live: boolean;
  language: string;
  state: ConversationState;
  subject_line: string | null;
  customer_name: string | null;
  reply_to: string | null;
  last_words: string | null;
  last_author: Author | null;
  last_at: number;
  waiting_since: number | null;
  parked_until: number | null;
  left_at: number | null;
  n: number;
  unread: number;
  agent: string | null;
  tags: string[];
  disposition: string | null;
  opened_at: number;
  closed_at: number | null;
}

export interface MessageRow {
  conversation: string;
  n: number;
  message: string;
  client: string;
  kind: MessageKind;
  author: string | null;
  text: string;
  html_blob: string | null;
  attachments: Attachment[];
  headers: Record<string, string> | null;
  status: MessageStatus | null;
  reason: string | null;
  at: number;
  sent_at: number | null;
  release_at: number | null;
  internal: boolean;
}

export interface LegRow {
  conversation: string;
  leg: string;
  party: Party;
  agent: string | null;
  site: string | null;
  country: string | null;
  employer: string | null;
  started: number;
  ended: number | null;
  reason: string | null;
}

export interface QueueStateRow {
  queue: string;
  client: string;
  open: boolean;
  waiting: number;
  oldest: number | null;
  offered: number;
  assigned: number;
  answered_today: number;
  answered_in_time_today: number;
  abandoned_today: number;
}

export interface AgentStateRow {
  agent: string;
  presence: Presence;
  reason: string | null;
  since: number;
  load: number;
  capacity: number;
  offered: number;
  connected: boolean;
  site: string | null;
  team: string | null;
  wrapup_until: number | null;
}

export interface TaskRow {
  task: string;
  conversation: string;
  client: string;
  queue: string;
  live: boolean;
  state: TaskState;
  agent: string | null;
  since: number;
  priority: number;
  answer_by: number | null;
  place: number | null;
}

export interface ConfigRow {
  kind: string;
  id: string;
  version: number;
  value: Record<string, unknown>;
}

/** Each view's rows. */
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

/** The columns that name a row in each view. */
export const KEYS = {
  my_work: ["agent", "task"],
  conversation: ["conversation"],
  thread: ["conversation", "n"],
  legs: ["conversation", "leg"],
  queues: ["queue"],
  agents: ["agent"],
  waiting: ["task"],
  me: ["agent"],
  config: ["kind", "id"],
} as const satisfies { [V in ViewName]: readonly (keyof Views[V])[] };

/** What a view's partition is: one's own organisation or oneself (may be left out), or a conversation. */
export const PARTITIONS = {
  my_work: "own",
  conversation: "conversation",
  thread: "conversation",
  legs: "conversation",
  queues: "own",
  agents: "own",
  waiting: "own",
  me: "own",
  config: "own",
} as const satisfies Record<ViewName, string>;

/** Watch a view. `partition` may be left out where there is only one: the own agent, the own organisation. */
export interface Subscribe {
  op: "subscribe";
  sub: string;
  view: string;
  partition?: string;
}

/** Stop watching; an unknown name is harmless. */
export interface Unsubscribe { op: "unsubscribe"; sub: string; }

/** A command; `id` comes back in the answer, `key` makes a repetition harmless. */
export interface Ask {
  op: "command";
  id: string;
  name: string;
  key: string;
  payload: unknown;
}

/** I am writing; sent again every few seconds while it is true. Of a note the customer learns nothing. */
export interface Writing {
  op: "writing";
  conversation: string;
  kind?: "note" | "reply";
}

/** Asks for the time, and whether the session still stands. */
export interface Ping { op: "ping"; }

/** The first frame: the server's time and who one is. */
export interface Hello {
  op: "hello";
  t: number;
  org: string;
  agent: string;
  name: string;
  role: string;
  clients: string[];
  build: string;
}

/** All rows, in place of those held before. Only documents the wire: the socket splices these frames. */
export interface Snapshot {
  op: "snapshot";
  sub: string;
  n: number;
  rows: (Record<string, unknown>)[];
}

/** Rows set (their key and what changed) and keys gone. `prev` is the `n` of the frame before it on this subscription; if it is not, subscribe again. Spliced like snapshots. */
export interface Delta {
  op: "delta";
  sub: string;
  prev: number;
  n: number;
  set: (Record<string, unknown>)[];
  del: (Record<string, unknown>)[];
}

/** A subscription that was not made or has ended, or a frame that made no sense (neither `sub` nor `id`). */
export interface RefusedFrame {
  op: "refused";
  error: Problem;
  sub?: string;
  id?: string;
}

/** A refusal, as everywhere: see `kit.errors`. */
export interface Problem {
  kind: "conflict" | "forbidden" | "invalid" | "limited" | "not_found" | "signed_out" | "too_large" | "unavailable";
  code: string;
  remedy: string;
  field?: string;
  limit?: number;
}

/** What became of a command: `ok` or `error`. */
export interface Answer {
  op: "answer";
  id: string;
  ok?: Record<string, unknown>;
  error?: Problem;
}

/** Somebody is writing in a conversation whose thread one watches; over at `until` unless repeated. */
export interface SignalFrame {
  op: "signal";
  conversation: string;
  kind: "writing";
  who: "agent" | "customer";
  agent: string | null;
  until: number;
}

/** The answer to a ping: the server's time. */
export interface Pong { op: "pong"; t: number; }

/** The last frame. After `signed_out` one must sign in; after the others one connects again. */
export interface Bye {
  op: "bye";
  reason: "signed_out" | "stopping" | "too_many" | "too_slow";
}

export type ClientFrame = Subscribe | Unsubscribe | Ask | Writing | Ping;

export type ServerFrame = Hello | Snapshot | Delta | RefusedFrame | Answer | SignalFrame | Pong | Bye;

/** The commands that a desk may send, and what each one takes. */
export interface Commands {
  accept_offer: { offer: string; };
  add_note: { conversation: string; text: string; };
  assign: { conversation: string; agent: string; };
  close: { conversation: string; };
  decline_offer: { offer: string; };
  describe_customer: {
    customer: string;
    name?: string | null;
    email?: string | null;
    phone?: string | null;
    language?: string | null;
  };
  erase_customer: { customer: string; };
  finish_wrapup: {
    task: string;
    disposition?: string | null;
    note?: string;
  };
  park: { conversation: string; until?: number | null; };
  retry_message: { conversation: string; message: string; };
  send_message: {
    conversation: string;
    message: string;
    text: string;
    attachments?: Attachment[];
  };
  set_config: {
    kind: string;
    id: string;
    value: Record<string, unknown>;
    expected_version: number;
  };
  set_presence: {
    agent?: string | null;
    presence: "available" | "back_office" | "break" | "meeting" | "offline" | "training";
    reason?: string;
  };
  tag: { conversation: string; tags: string[]; };
  take: { conversation: string; };
  transfer: {
    conversation: string;
    queue?: string | null;
    agent?: string | null;
    note?: string;
  };
  undo_message: { conversation: string; message: string; };
}

export type CommandName = keyof Commands;

/** Values of the configuration by kind, as administrators read them. */
export interface ConfigValues {
  organisation: {
    active: boolean;
    name: string;
    default_language: "fr" | "en";
    offer_seconds: number;
    wrapup_seconds: number;
    vanish_seconds: number;
    known_agent_seconds: number;
    missed_limit: number;
  };
  client: {
    active: boolean;
    name: string;
    colour: string;
    mark: string;
  };
  site: {
    active: boolean;
    name: string;
    country: string;
    zone: string;
    time_zone: string;
    employer: string;
  };
  team: { active: boolean; name: string; };
  skill: { active: boolean; name: string; };
  agent: {
    active: boolean;
    name: string;
    email: string;
    role: "agent" | "leader" | "administrator";
    site: string;
    team: string | null;
    languages: string[];
    skills: { skill: string; level: number; }[];
    clients: string[];
    queues: string[];
    capacity: number;
  };
  hours: {
    active: boolean;
    name: string;
    time_zone: string;
    slots: { day: number; start: string; end: string; }[];
    closed_days: string[];
  };
  queue: {
    active: boolean;
    name: string;
    client: string;
    skills: { skill: string; level: number; }[];
    language: string | null;
    priority: number;
    cost: number;
    interruptible: boolean;
    policy: string;
    hours: string | null;
    answer_within_seconds: number;
    wrapup_seconds: number | null;
  };
  entry_point: {
    active: boolean;
    name: string;
    client: string;
    channel: string;
    queue: string;
    language: string;
    settings: Record<string, unknown>;
  };
  reason: {
    active: boolean;
    name: string;
    presence: "break" | "training" | "meeting" | "back_office";
  };
  disposition: { active: boolean; name: string; client: string | null; };
  tag: { active: boolean; name: string; client: string | null; };
  canned_reply: {
    active: boolean;
    shortcut: string;
    text: string;
    client: string | null;
    language: string;
  };
  trunk: {
    active: boolean;
    name: string;
    peer: string;
    transport: "udp" | "tcp" | "tls";
    encrypted: boolean;
    allow: string[];
    domain: string;
    username: string;
    secret: string;
    register_with_it: boolean;
    in_username: string;
    in_secret: string;
    codecs: ("G722" | "PCMA" | "PCMU")[];
    session_seconds: number;
    options_seconds: number;
    max_calls: number;
    max_calls_per_second: number;
    countries: string[];
    spend_per_day: number;
    prices: { prefix: string; per_minute: number; }[];
    call_again: boolean;
  };
  number: {
    active: boolean;
    name: string;
    number: string;
    trunk: string;
  };
}

export type ConfigKind = keyof ConfigValues;

/** What the view `config` shows of them to everybody. */
export interface PublicConfig {
  organisation: Pick<ConfigValues["organisation"], "name" | "default_language" | "offer_seconds" | "wrapup_seconds" | "active">;
  client: Pick<ConfigValues["client"], "name" | "colour" | "mark" | "active">;
  site: Pick<ConfigValues["site"], "name" | "country" | "active">;
  team: Pick<ConfigValues["team"], "name" | "active">;
  skill: Pick<ConfigValues["skill"], "name" | "active">;
  agent: Pick<ConfigValues["agent"], "name" | "role" | "site" | "team" | "active">;
  hours: Pick<ConfigValues["hours"], "name" | "active">;
  queue: Pick<ConfigValues["queue"], "name" | "client" | "language" | "answer_within_seconds" | "active">;
  entry_point: Pick<ConfigValues["entry_point"], "name" | "client" | "channel" | "queue" | "active">;
  reason: Pick<ConfigValues["reason"], "name" | "presence" | "active">;
  disposition: Pick<ConfigValues["disposition"], "name" | "client" | "active">;
  tag: Pick<ConfigValues["tag"], "name" | "client" | "active">;
  canned_reply: Pick<ConfigValues["canned_reply"], "shortcut" | "text" | "client" | "language" | "active">;
  trunk: Pick<ConfigValues["trunk"], "name" | "active">;
  number: Pick<ConfigValues["number"], "name" | "number" | "active">;
}
