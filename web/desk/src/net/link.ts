import {
  KEYS,
  type ClientFrame,
  type DraftKind,
  type Hello,
  type Refusal,
  type ServerFrame,
  type ViewName,
  type WireRow,
} from "@guichet/protocol";
import { createStore } from "zustand/vanilla";

import { align } from "./clock.ts";
import { Refused } from "./http.ts";
import type { Outbox } from "./outbox.ts";

/** The part of a WebSocket that the link uses; tests hand in their own. */
export type Line = Pick<WebSocket, "send" | "close" | "addEventListener">;

export interface Subscriber {
  view: ViewName;
  partition: string;
  snapshot(rows: WireRow[]): void;
  delta(set: WireRow[], del: WireRow[]): void;
  refused(refusal: Refusal): void;
}

export interface LinkStatus {
  phase: "connecting" | "online" | "offline" | "over";
  /** Since when the line has been down, by this machine's clock; null while it is up. */
  downSince: number | null;
  /** Why the session is over, as the server put it. */
  reason: string | null;
  hello: Hello | null;
}

export type Signal = Extract<ServerFrame, { op: "signal" }>;

interface Subscription {
  id: string;
  /** The number last seen; null until the snapshot is there. */
  n: number | null;
  subscriber: Subscriber;
}

interface Waiting {
  key: string;
  /** What it is about; null: nothing that has an order. */
  lane: string | null;
  kept: boolean;
  frame: Extract<ClientFrame, { op: "command" }>;
  resolve(ok: Record<string, unknown>): void;
  reject(error: Refused): void;
  tries: number;
}

interface LinkOptions {
  open(): Line;
  outbox: Outbox;
  onSignal(signal: Signal): void;
  random?(): number;
}

const PING_EVERY = 15_000;
const SILENT_AFTER = 35_000;
const FIRST_WAIT = 400;
const LONGEST_WAIT = 30_000;
const PASSING: ReadonlySet<Refusal["kind"]> = new Set(["unavailable", "limited"]);

/** What a command is about: those about one thing arrive in the order in which they were made. */
function laneOf(payload: Record<string, unknown>): string | null {
  const about = payload["conversation"] ?? payload["task"] ?? payload["customer"];
  return typeof about === "string" ? about : null;
}

/** A key that no other command of this agent has: what makes a repeat harmless. */
export function newKey(): string {
  return crypto.randomUUID();
}

/** How long to wait before attempt `n` (from 0): doubling, and never two desks at the same moment. */
export function backOff(n: number, random: () => number): number {
  const ceiling = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** n);
  return ceiling * (0.5 + random() / 2);
}

/**
 * The one line to the server. Keeps the subscriptions alive over any number of connections, and sends
 * each command of the outbox until it is answered. One about the same conversation waits for that answer, so
 * that a second reply never overtakes the first.
 */
export class Link {
  readonly status = createStore<LinkStatus>(() => ({
    phase: "connecting",
    downSince: null,
    reason: null,
    hello: null,
  }));
  private line: Line | null = null;
  private attempts = 0;
  private counter = 0;
  private heard = 0;
  private pinged = 0;
  private reconnecting: ReturnType<typeof setTimeout> | undefined;
  private pinging: ReturnType<typeof setInterval> | undefined;
  private readonly subscriptions = new Map<string, Subscription>();
  private readonly waiting = new Map<string, Waiting>();
  private readonly options: Required<LinkOptions>;

  constructor(options: LinkOptions) {
    this.options = { random: Math.random, ...options };
  }

  start(): void {
    for (const entry of this.options.outbox.entries()) {
      if (!entry.failed) this.enqueue(entry.key, entry.name, entry.payload, true).catch(() => {});
    }
    this.connect();
  }

  /** Ends for good: signed out here, or the page goes away. Kept commands stay in the outbox. */
  stop(reason = "stopped"): void {
    clearTimeout(this.reconnecting);
    clearInterval(this.pinging);
    this.status.setState({ phase: "over", reason });
    const line = this.line;
    this.line = null;
    line?.close();
    for (const wait of this.waiting.values()) wait.reject(unreachable());
    this.waiting.clear();
  }

  /** Tries at once instead of waiting for the next attempt (the machine says that it is online). */
  hurry(): void {
    if (this.status.getState().phase !== "offline") return;
    clearTimeout(this.reconnecting);
    this.connect();
  }

  /** Lets go of the line without waiting for its silence (the machine says that its network is gone). */
  cut(): void {
    const line = this.line;
    if (line === null) return;
    this.dropped();
    line.close();
  }

  subscribe(subscriber: Subscriber): () => void {
    const subscription: Subscription = { id: this.nextId("s"), n: null, subscriber };
    this.subscriptions.set(subscription.id, subscription);
    this.ask(subscription);
    return () => {
      this.subscriptions.delete(subscription.id);
      this.say({ op: "unsubscribe", sub: subscription.id });
    };
  }

  /**
   * Sends a command. `keep`: it survives a lost line and a reload and is sent once afterwards; without,
   * it fails at once when the line is down, since nobody wants it carried out later. While the first line is
   * being opened, both wait for it.
   */
  command(
    name: string,
    payload: Record<string, unknown>,
    { key = newKey(), keep = true }: { key?: string; keep?: boolean } = {},
  ): Promise<Record<string, unknown>> {
    if (keep) this.options.outbox.add(key, name, payload);
    else if (this.isDown()) return Promise.reject(unreachable());
    return this.enqueue(key, name, payload, keep);
  }

  /** Sends a failed command again, under its own key. */
  retry(key: string): Promise<Record<string, unknown>> {
    const entry = this.options.outbox.revive(key);
    if (!entry) return Promise.reject(unreachable());
    return this.enqueue(entry.key, entry.name, entry.payload, true);
  }

  writing(conversation: string, kind: DraftKind): void {
    this.say({ op: "writing", conversation, kind });
  }

  private isDown(): boolean {
    const { phase } = this.status.getState();
    return phase === "offline" || phase === "over";
  }

  private nextId(letter: string): string {
    this.counter += 1;
    return `${letter}${this.counter}`;
  }

  private connect(): void {
    if (this.status.getState().downSince === null) this.status.setState({ phase: "connecting" });
    const line = this.options.open();
    this.line = line;
    this.heard = Date.now();
    line.addEventListener("open", () => {
      this.pinged = Date.now();
    });
    line.addEventListener("message", ({ data }) => {
      if (this.line === line && typeof data === "string") this.hear(JSON.parse(data) as ServerFrame);
    });
    line.addEventListener("close", () => {
      if (this.line === line) this.dropped();
    });
    clearInterval(this.pinging);
    this.pinging = setInterval(() => this.ping(), PING_EVERY);
  }

  private ping(): void {
    if (Date.now() - this.heard > SILENT_AFTER) {
      this.cut();
      return;
    }
    this.pinged = Date.now();
    this.say({ op: "ping" });
  }

  private dropped(): void {
    this.line = null;
    clearInterval(this.pinging);
    const { downSince } = this.status.getState();
    this.status.setState({ phase: "offline", downSince: downSince ?? Date.now() });
    for (const subscription of this.subscriptions.values()) subscription.n = null;
    for (const [id, wait] of this.waiting) {
      if (wait.kept) continue;
      this.waiting.delete(id);
      wait.reject(unreachable());
    }
    clearTimeout(this.reconnecting);
    this.reconnecting = setTimeout(() => this.connect(), backOff(this.attempts, this.options.random));
    this.attempts += 1;
  }

  private say(frame: ClientFrame): void {
    if (this.line && this.status.getState().phase === "online") this.line.send(JSON.stringify(frame));
  }

  private ask(subscription: Subscription): void {
    const { view, partition } = subscription.subscriber;
    subscription.n = null;
    this.say({ op: "subscribe", sub: subscription.id, view, partition });
  }

  private hear(frame: ServerFrame): void {
    this.heard = Date.now();
    switch (frame.op) {
      case "hello":
        return this.welcome(frame);
      case "pong":
        return align(frame.t, Date.now() - this.pinged);
      case "snapshot":
        return this.snapshot(frame);
      case "delta":
        return this.delta(frame);
      case "answer":
        return this.answered(frame.id, frame.ok, frame.error);
      case "refused":
        if (frame.id !== undefined) return this.answered(frame.id, undefined, frame.error);
        if (frame.sub !== undefined) this.subscriptions.get(frame.sub)?.subscriber.refused(frame.error);
        return undefined;
      case "signal":
        return this.options.onSignal(frame);
      case "bye":
        return this.farewell(frame.reason);
      default:
        return undefined;
    }
  }

  private welcome(hello: Hello): void {
    this.attempts = 0;
    align(hello.t, Date.now() - this.pinged, true);
    this.status.setState({ phase: "online", downSince: null, reason: null, hello });
    for (const subscription of this.subscriptions.values()) this.ask(subscription);
    for (const wait of this.waiting.values()) if (this.isFirst(wait)) this.say(wait.frame);
  }

  private snapshot(frame: Extract<ServerFrame, { op: "snapshot" }>): void {
    const subscription = this.subscriptions.get(frame.sub);
    if (!subscription) return;
    subscription.n = frame.n;
    subscription.subscriber.snapshot(frame.rows);
  }

  private delta(frame: Extract<ServerFrame, { op: "delta" }>): void {
    const subscription = this.subscriptions.get(frame.sub);
    // Without a number the snapshot is still under way: it will hold what this delta says.
    if (!subscription || subscription.n === null) return;
    if (frame.prev !== subscription.n) return this.restart(subscription);
    subscription.n = frame.n;
    subscription.subscriber.delta(frame.set ?? [], frame.del ?? []);
    return undefined;
  }

  /** The chain is broken: a delta was lost. A new number, so that late deltas of the old one fall away. */
  private restart(subscription: Subscription): void {
    this.subscriptions.delete(subscription.id);
    this.say({ op: "unsubscribe", sub: subscription.id });
    subscription.id = this.nextId("s");
    this.subscriptions.set(subscription.id, subscription);
    this.ask(subscription);
  }

  private enqueue(
    key: string,
    name: string,
    payload: Record<string, unknown>,
    kept: boolean,
  ): Promise<Record<string, unknown>> {
    return new Promise((resolve, reject) => {
      const id = this.nextId("c");
      const frame = { op: "command", id, name, key, payload } as const;
      const wait = { key, lane: laneOf(payload), kept, frame, resolve, reject, tries: 0 };
      this.waiting.set(id, wait);
      if (this.isFirst(wait)) this.say(frame);
    });
  }

  private firstIn(lane: string): Waiting | undefined {
    for (const wait of this.waiting.values()) if (wait.lane === lane) return wait;
    return undefined;
  }

  private isFirst(wait: Waiting): boolean {
    return wait.lane === null || this.firstIn(wait.lane) === wait;
  }

  private answered(id: string, ok: Record<string, unknown> | undefined, error: Refusal | undefined): void {
    const wait = this.waiting.get(id);
    if (!wait) return;
    if (error && wait.kept && PASSING.has(error.kind)) {
      wait.tries += 1;
      setTimeout(
        () => {
          if (this.waiting.has(id)) this.say(wait.frame);
        },
        backOff(wait.tries, this.options.random),
      );
      return;
    }
    this.waiting.delete(id);
    const next = wait.lane === null ? undefined : this.firstIn(wait.lane);
    if (next) this.say(next.frame);
    if (error) {
      if (wait.kept) this.options.outbox.fail(wait.key, error);
      wait.reject(new Refused(error));
      return;
    }
    if (wait.kept) this.options.outbox.remove(wait.key);
    wait.resolve(ok ?? {});
  }

  private farewell(reason: string): void {
    // After anything else (the server stops, this desk was too slow) the line closes and is opened again.
    if (reason === "signed_out") this.stop(reason);
  }
}

function unreachable(): Refused {
  return new Refused({ kind: "unavailable", code: "desk.unreachable", remedy: "Try again when online." });
}

/** The text that names a row within its view. */
export function rowKey(view: ViewName, row: WireRow): string {
  return KEYS[view].map((column) => String(row[column])).join("\u0000");
}
