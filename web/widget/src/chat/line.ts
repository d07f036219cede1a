import type { ClientFrame, ServerFrame } from "../wire.ts";

/** The part of a WebSocket that we use. */
export interface Socket {
  send(text: string): void;
  close(): void;
  addEventListener(type: "open" | "message" | "close", listener: (event: Event) => void): void;
}

export type LineState = "idle" | "connecting" | "on" | "down";

/** Ends all trying: the server said that it will never work. */
export class Final extends Error {}

export interface Ear {
  /** The line is up; say `resume`. */
  up(): void;
  frame(frame: ServerFrame): void;
  /** Whether words are out that the server has not acknowledged. */
  owed(): boolean;
  /** Nothing was heard for a while: ask for something. */
  quiet(): void;
  state(state: LineState): void;
  final(error: unknown): void;
}

const CONNECT_WITHIN = 10_000;
const QUIET_AFTER = 25_000;
const ANSWER_WITHIN = 8_000;
const LONGEST_PAUSE = 30_000;
/** A first failure is often a blip; nobody is told before the second. */
const DOWN_AFTER = 2;

/**
 * A line that comes back: dials, listens, notices silence, and dials again with growing, scattered pauses
 * (a server that restarts must not be met by everybody at once).
 */
export class Line {
  private socket: Socket | null = null;
  private wanted = false;
  private failures = 0;
  private call = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private current: LineState = "idle";

  constructor(
    private readonly dial: (failures: number) => Promise<Socket>,
    private readonly ear: Ear,
    private readonly chance: () => number = Math.random,
  ) {}

  get state(): LineState {
    return this.current;
  }

  start(): void {
    if (this.wanted) return;
    this.wanted = true;
    this.failures = 0;
    void this.connect();
  }

  stop(): void {
    this.wanted = false;
    this.hangUp();
    this.become("idle");
  }

  /** Tries at once: the browser came back online, the page became visible, the visitor asked. */
  nudge(): void {
    if (!this.wanted) return;
    if (this.current === "on") this.ask();
    else if (!this.socket) void this.connect();
  }

  /** The browser says that the network is gone. */
  lost(): void {
    if (!this.wanted) return;
    this.failures = Math.max(this.failures, DOWN_AFTER - 1);
    this.failed();
  }

  /** False when the line is not up: keep the words. */
  send(frame: ClientFrame): boolean {
    if (this.current !== "on" || !this.socket) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  /** An answer is owed: without one in time the line counts as dead. */
  expect(): void {
    if (this.current === "on") this.after(ANSWER_WITHIN, () => this.failed());
  }

  private async connect(): Promise<void> {
    this.hangUp();
    const call = this.call;
    if (this.current !== "down") this.become("connecting");
    this.after(CONNECT_WITHIN, () => this.failed());
    let socket: Socket;
    try {
      socket = await this.dial(this.failures);
    } catch (error) {
      if (call !== this.call) return;
      if (error instanceof Final) {
        this.stop();
        this.ear.final(error);
      } else {
        this.failed();
      }
      return;
    }
    if (call !== this.call) {
      socket.close();
      return;
    }
    this.socket = socket;
    const on = (type: "open" | "message" | "close", then: (event: Event) => void): void =>
      socket.addEventListener(type, (event) => {
        if (call === this.call) then(event); // a socket that was given up may still talk
      });
    on("open", () => {
      this.become("on");
      this.ear.up();
      this.expect();
    });
    on("message", (event) => this.hear((event as MessageEvent<unknown>).data));
    on("close", () => this.failed());
  }

  private hear(data: unknown): void {
    let frame: ServerFrame;
    try {
      frame = JSON.parse(String(data)) as ServerFrame;
    } catch {
      return; // not ours: a proxy's words
    }
    this.failures = 0;
    this.ear.frame(frame);
    // Other frames do not answer for an acknowledgement that is owed: its own clock runs on.
    if (this.current === "on" && !this.ear.owed()) this.after(QUIET_AFTER, () => this.ask());
  }

  private ask(): void {
    this.ear.quiet();
    this.expect();
  }

  private failed(): void {
    this.hangUp();
    if (!this.wanted) return;
    this.failures += 1;
    this.become(this.failures >= DOWN_AFTER ? "down" : "connecting");
    const ceiling = Math.min(LONGEST_PAUSE, 500 * 2 ** (this.failures - 1));
    this.after(ceiling * (0.5 + this.chance() / 2), () => void this.connect());
  }

  private hangUp(): void {
    this.call += 1;
    clearTimeout(this.timer);
    this.socket?.close();
    this.socket = null;
  }

  /** One timer is enough: whichever wait is the present one. */
  private after(millis: number, then: () => void): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(then, millis);
  }

  private become(state: LineState): void {
    if (state === this.current) return;
    this.current = state;
    this.ear.state(state);
  }
}
