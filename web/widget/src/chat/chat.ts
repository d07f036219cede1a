import type { Attachment, Door, Opened, ServerFrame, Waiting, WireError } from "../wire.ts";
import { Final, Line, type LineState, type Socket } from "./line.ts";
import { Outbox, type Outgoing } from "./outbox.ts";
import type { Outside } from "./outside.ts";
import { Refusal } from "./outside.ts";
import type { Shelf } from "./shelf.ts";
import { Thread, type Shown } from "./thread.ts";

/** What the screen draws. */
export interface View {
  door: Door | null;
  /** `new`: nothing said yet; `talking`: a conversation runs; `ended`: it is over, words stay readable. */
  stage: "new" | "talking" | "ended";
  messages: Shown[];
  line: LineState;
  /** Since when the line is down, milliseconds since the epoch. */
  downSince: number | null;
  agent: { name: string; country: string | null } | null;
  waiting: Waiting | null;
  typing: string | null;
  unread: number;
  /** Why this chat will not work at all. */
  fault: WireError | null;
}

export interface Who {
  name?: string;
  email?: string;
}

const TYPING_LASTS = 6_000;
const TYPING_EVERY = 3_000;
const TRY_AGAIN_AFTER = 2_000;
const LOOK_AGAIN_AFTER = 5_000;

/** One visitor at one entry point: token, outbox, thread and line put together. */
export class Chat {
  private readonly line: Line;
  private readonly outbox: Outbox;
  private readonly thread = new Thread();
  private readonly listeners = new Set<() => void>();
  private door: Door | null = null;
  private stage: View["stage"];
  private downSince: number | null = null;
  private agent: View["agent"] = null;
  private waiting: Waiting | null = null;
  private typing: string | null = null;
  private fault: WireError | null = null;
  private identity: string | undefined;
  private watching = false;
  private readSent = 0;
  private typedAt = 0;
  private typingTimer: ReturnType<typeof setTimeout> | undefined;
  private againTimer: ReturnType<typeof setTimeout> | undefined;
  private lookTimer: ReturnType<typeof setTimeout> | undefined;
  private looked = false;
  private cached: View | null = null;

  constructor(
    private readonly outside: Outside,
    private readonly shelf: Shelf,
    private readonly language: string,
    chance?: () => number,
  ) {
    this.outbox = new Outbox(shelf);
    this.stage = shelf.get("live") ? "talking" : "new";
    // As it was last time, so that colours and form are there at once, also without a connection.
    this.door = readJson<Door>(shelf.get("door"));
    this.line = new Line(
      (failures) => this.dial(failures),
      {
        up: () => this.resume(),
        frame: (frame) => this.hear(frame),
        owed: () => this.outbox.waiting().length > 0,
        quiet: () => this.resume(),
        state: (state) => this.lineBecame(state),
        final: (error) => this.giveUp(error),
      },
      chance,
    );
  }

  // -- what the screen reads ---------------------------------------------------------------------------

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  view(): View {
    this.cached ??= {
      door: this.door,
      stage: this.stage,
      messages: this.thread.show(this.outbox.all()),
      line: this.line.state,
      downSince: this.downSince,
      agent: this.agent,
      waiting: this.waiting,
      typing: this.typing,
      unread: this.thread.heardAfter(this.lastRead()),
      fault: this.fault,
    };
    return this.cached;
  }

  /** Who they said they are, last time. */
  who(): Who {
    return readJson<Who>(this.shelf.get("who")) ?? {};
  }

  draft(): string {
    return this.shelf.get("draft") ?? "";
  }

  // -- what the visitor does ---------------------------------------------------------------------------

  /** Called once, when the page has loaded: goes on with a conversation that runs, or only looks at the door. */
  async begin(): Promise<void> {
    if (this.stage === "talking" || this.outbox.waiting().length > 0) this.line.start();
    await this.look();
  }

  /** Asks the door how it stands; what cannot be asked now is asked again while somebody looks. */
  private async look(): Promise<void> {
    clearTimeout(this.lookTimer);
    try {
      this.door = await this.outside.door(this.language);
      this.shelf.set("door", JSON.stringify(this.door));
      this.looked = true;
    } catch (error) {
      if (error instanceof Refusal && error.isFinal) this.fault = error.error;
      else if (this.watching) this.lookTimer = setTimeout(() => void this.look(), LOOK_AGAIN_AFTER);
    }
    this.changed();
  }

  /** The shop says who is logged in. Takes effect when the next session opens. */
  identify(identity: string): void {
    this.identity = identity;
  }

  get identified(): boolean {
    return this.identity !== undefined;
  }

  introduce(who: Who): void {
    this.shelf.set("who", JSON.stringify(who));
    // A name given now must reach the server, also where an earlier visit left a token.
    this.shelf.remove("told");
  }

  say(text: string, attachments: Attachment[] = []): void {
    const message = this.outbox.add(text, attachments);
    this.shelf.remove("draft");
    this.shelf.set("live", "1");
    this.stage = "talking";
    this.typedAt = 0;
    if (this.line.state === "on") this.send(message);
    else this.line.start();
    this.changed();
  }

  keepDraft(text: string): void {
    if (text) this.shelf.set("draft", text);
    else this.shelf.remove("draft");
    const now = Date.now();
    if (text && this.agent && now - this.typedAt >= TYPING_EVERY && this.line.send({ op: "typing" }))
      this.typedAt = now;
  }

  /** Draws again: another hand changed what is kept. */
  refresh(): void {
    this.changed();
  }

  /** Takes refused words back out of the thread and gives them to the composer. */
  takeBack(key: string): Outgoing | undefined {
    const message = this.outbox.settle(key);
    this.changed();
    return message;
  }

  async attach(file: File, progress: (share: number) => void): Promise<Attachment> {
    if (!this.shelf.get("token")) await this.open();
    return this.outside.upload(file, this.shelf.get("token") ?? "", progress);
  }

  download(address: string): Promise<Blob> {
    return this.outside.download(address, this.shelf.get("token") ?? "");
  }

  /** Whether the visitor has the thread before their eyes. */
  watch(watching: boolean): void {
    this.watching = watching;
    if (watching && !this.looked) void this.look();
    this.read();
  }

  leave(): void {
    this.line.send({ op: "leave" });
    this.end();
  }

  /** After the end: the composer comes back; what the server makes of the next words is its affair. */
  again(): void {
    this.stage = this.thread.n > 0 ? "talking" : "new";
    this.changed();
  }

  retryNow(): void {
    this.line.nudge();
  }

  offline(): void {
    this.line.lost();
  }

  // -- the line ----------------------------------------------------------------------------------------

  private async dial(failures: number): Promise<Socket> {
    // A refused handshake does not say why; asking at the door does (expired token, closed door).
    if (!this.shelf.get("token") || !this.shelf.get("told") || failures >= 2) await this.open();
    return this.outside.socket(this.shelf.get("token") ?? "");
  }

  private async open(): Promise<void> {
    const ask = (token: string | null): Promise<Opened> =>
      this.outside.open({
        language: this.language,
        ...this.who(),
        ...(token ? { token } : {}),
        ...(this.identity ? { identity: this.identity } : {}),
      });
    let opened: Opened;
    try {
      opened = await ask(this.shelf.get("token")).catch((error: unknown) => {
        if (!(error instanceof Refusal)) throw error;
        if (error.error.kind === "signed_out") {
          this.shelf.remove("token"); // expired: a new visit, with the same words waiting
        } else if (this.identity && error.error.code.startsWith("identity.")) {
          this.identity = undefined; // the shop's signature ran out: better a stranger than nobody
        } else {
          throw error;
        }
        return ask(this.shelf.get("token"));
      });
    } catch (error) {
      if (error instanceof Refusal && error.isFinal) throw new Final(error.message, { cause: error });
      throw error;
    }
    this.shelf.set("token", opened.token);
    this.shelf.set("told", "1");
    if (this.door && opened.open !== undefined)
      this.door = { ...this.door, open: opened.open, hours: opened.hours ?? this.door.hours ?? null };
    this.changed();
  }

  private resume(): void {
    const { n, conversation } = this.thread;
    this.line.send({ op: "resume", after: n, ...(conversation ? { conversation } : {}) });
    for (const message of this.outbox.waiting()) this.send(message);
  }

  private send({ id, text, attachments }: Outgoing): void {
    if (this.line.send({ op: "say", id, text, attachments })) this.line.expect();
  }

  private hear(frame: ServerFrame): void {
    switch (frame.op) {
      case "thread":
        this.takeThread(frame);
        break;
      case "ack": {
        const message = this.outbox.settle(frame.id);
        if (message) this.thread.land(message, frame.conversation);
        break;
      }
      case "nack":
        this.refused(frame.id, frame.error);
        break;
      case "typing":
        this.typing = frame.name ?? this.agent?.name ?? "";
        clearTimeout(this.typingTimer);
        this.typingTimer = setTimeout(() => this.stopTyping(), TYPING_LASTS);
        break;
      case "place":
        this.waiting = frame.waiting;
        break;
      case "agent":
        this.agent = frame.name ? { name: frame.name, country: frame.country ?? null } : null;
        if (this.agent) this.waiting = null;
        break;
      case "closed":
        // Words still on their way open it again: they are not dropped for a farewell that crossed them.
        if (this.outbox.waiting().length === 0) this.end();
        break;
      case "status":
        if (frame.n !== undefined && frame.status) this.thread.mark(frame.n, frame.status);
        if (this.door && frame.open !== undefined)
          this.door = { ...this.door, open: frame.open, hours: frame.hours ?? null };
        break;
    }
    this.changed();
  }

  private takeThread(frame: Extract<ServerFrame, { op: "thread" }>): void {
    if (this.thread.take(frame)) this.readSent = 0;
    for (const message of frame.messages) {
      if (message.author === "me") this.outbox.settle(message.id);
      if (message.author === "agent") this.stopTyping();
    }
    this.read();
  }

  private refused(id: string, error: WireError): void {
    if (error.kind === "limited" || error.kind === "unavailable") {
      clearTimeout(this.againTimer);
      this.againTimer = setTimeout(() => {
        for (const message of this.outbox.waiting()) this.send(message);
      }, TRY_AGAIN_AFTER);
    } else {
      this.outbox.refuse(id, error);
    }
  }

  private read(): void {
    const heard = this.thread.lastHeard();
    if (!this.watching || heard === 0) return;
    if (heard > this.lastRead()) this.shelf.set("read", `${this.thread.conversation ?? ""} ${heard}`);
    if (heard > this.readSent && this.line.send({ op: "read", n: heard })) this.readSent = heard;
    this.changed();
  }

  private lastRead(): number {
    const [conversation, n] = (this.shelf.get("read") ?? " 0").split(" ");
    return conversation === (this.thread.conversation ?? "") ? Number(n) : 0;
  }

  private end(): void {
    this.stage = "ended";
    this.agent = this.waiting = this.typing = null;
    this.shelf.remove("live");
    this.line.stop();
    this.changed();
  }

  private lineBecame(state: LineState): void {
    if (state === "down") this.downSince ??= Date.now();
    if (state === "on" || state === "idle") this.downSince = null;
    if (state !== "on") this.typing = null;
    this.changed();
  }

  private giveUp(error: unknown): void {
    const cause = error instanceof Error ? error.cause : null;
    if (cause instanceof Refusal && cause.error.kind === "invalid") this.askAgain();
    else if (cause instanceof Refusal) this.fault = cause.error;
    this.changed();
  }

  /** The server wants to know more, or something else, than the form asked: back to it, with the words. */
  private askAgain(): void {
    const words = this.outbox.waiting().map(({ id, text }) => {
      this.outbox.settle(id);
      return text;
    });
    this.shelf.set("draft", [...words, this.draft()].filter(Boolean).join("\n"));
    this.shelf.remove("live");
    this.stage = "new";
  }

  private stopTyping(): void {
    clearTimeout(this.typingTimer);
    this.typing = null;
    this.changed();
  }

  private changed(): void {
    this.cached = null;
    for (const listener of this.listeners) listener();
  }
}

function readJson<T>(text: string | null): T | null {
  try {
    return text === null ? null : (JSON.parse(text) as T);
  } catch {
    return null; // something else wrote under our name
  }
}
