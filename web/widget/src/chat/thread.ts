import type { Attachment, ServerFrame, Status, WireError, WireMessage } from "../wire.ts";
import type { Outgoing } from "./outbox.ts";

/** One message as shown. */
export interface Shown {
  key: string;
  author: "me" | "agent" | "system";
  name: string | null;
  text: string;
  attachments: Attachment[];
  at: number;
  /** Of the visitor's own words only. */
  state: "sending" | "delivered" | "read" | "refused" | null;
  error: WireError | null;
}

/**
 * What was said, in the server's order; below it what is acknowledged but not yet told back, then what is
 * still on its way. One id is shown once, whichever of the three it is in.
 */
export class Thread {
  conversation: string | null = null;
  /** The highest place seen: where to resume. */
  n = 0;
  private readonly said = new Map<number, WireMessage>();
  private landed: Outgoing[] = [];

  /** Takes messages in; true when the visitor sees another conversation than before. */
  take(frame: Extract<ServerFrame, { op: "thread" }>): boolean {
    const anew = this.enter(frame.conversation);
    for (const message of frame.messages) {
      this.said.set(message.n, message);
      this.landed = this.landed.filter((own) => own.id !== message.id);
    }
    this.n = Math.max(this.n, frame.n, ...frame.messages.map((message) => message.n));
    return anew;
  }

  /** The server has these words. */
  land(own: Outgoing, conversation?: string | null): void {
    this.enter(conversation);
    if (![...this.said.values()].some((message) => message.author === "me" && message.id === own.id))
      this.landed.push(own);
  }

  mark(n: number, status: Status): void {
    const message = this.said.get(n);
    if (message) this.said.set(n, { ...message, status });
  }

  /** The newest place at which somebody else spoke. */
  lastHeard(): number {
    let last = 0;
    for (const [n, message] of this.said) if (message.author === "agent" && n > last) last = n;
    return last;
  }

  heardAfter(n: number): number {
    let count = 0;
    for (const [at, message] of this.said) if (message.author === "agent" && at > n) count += 1;
    return count;
  }

  show(waiting: Outgoing[]): Shown[] {
    const said = [...this.said.values()].toSorted((a, b) => a.n - b.n);
    const known = new Set(said.filter((m) => m.author === "me").map((m) => m.id));
    const own = [...this.landed, ...waiting].filter((m) => !known.has(m.id));
    const landed = new Set(this.landed);
    return [
      ...said.map((m): Shown => ({
        key: m.author === "me" ? m.id : String(m.n),
        author: m.author,
        name: m.name ?? null,
        text: m.text,
        attachments: m.attachments ?? [],
        at: m.at,
        state: m.author === "me" ? (m.status === "read" ? "read" : "delivered") : null,
        error: null,
      })),
      ...own.map((m): Shown => ({
        key: m.id,
        author: "me",
        name: null,
        text: m.text,
        attachments: m.attachments,
        at: m.at,
        state: landed.has(m) ? "delivered" : m.refused ? "refused" : "sending",
        error: m.refused ?? null,
      })),
    ];
  }

  clear(): void {
    this.said.clear();
    this.landed = [];
    this.n = 0;
    this.conversation = null;
  }

  private enter(conversation: string | null | undefined): boolean {
    if (!conversation || conversation === this.conversation) return false;
    const anew = this.conversation !== null;
    if (anew) {
      this.said.clear();
      this.landed = [];
      this.n = 0;
    }
    this.conversation = conversation;
    return anew;
  }
}
