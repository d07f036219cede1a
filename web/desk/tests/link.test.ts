import type { ClientFrame, Refusal, ServerFrame } from "@guichet/protocol";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { backOff, Link, type Line, type Subscriber } from "../src/net/link.ts";
import { Outbox } from "../src/net/outbox.ts";

/** The server's end of one connection, in the test's hands. */
class FakeLine extends EventTarget implements Pick<Line, "send" | "close"> {
  readonly sent: ClientFrame[] = [];
  closed = false;

  send(text: string): void {
    this.sent.push(JSON.parse(text) as ClientFrame);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.dispatchEvent(new Event("close"));
  }

  say(frame: ServerFrame): void {
    this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(frame) }));
  }

  hello(): void {
    this.dispatchEvent(new Event("open"));
    this.say({
      op: "hello",
      t: Date.now(),
      org: "o",
      agent: "a",
      name: "A",
      role: "agent",
      clients: [],
      build: "1",
    });
  }

  commands(): Extract<ClientFrame, { op: "command" }>[] {
    return this.sent.filter((frame) => frame.op === "command");
  }

  subscriptions(): Extract<ClientFrame, { op: "subscribe" }>[] {
    return this.sent.filter((frame) => frame.op === "subscribe");
  }
}

let lines: FakeLine[];
let outbox: Outbox;
let link: Link;

function last(): FakeLine {
  const line = lines.at(-1);
  if (!line) throw new Error("no line was opened");
  return line;
}

function open(): Link {
  const made = new Link({
    open: () => {
      const line = new FakeLine();
      lines.push(line);
      return line as unknown as Line;
    },
    outbox,
    onSignal: () => {},
    random: () => 1,
  });
  made.start();
  return made;
}

function subscriber(): Subscriber & { seen: unknown[] } {
  const seen: unknown[] = [];
  return {
    view: "thread",
    partition: "c1",
    seen,
    snapshot: (rows) => seen.push(["snapshot", rows]),
    delta: (set, del) => seen.push(["delta", set, del]),
    refused: (refusal) => seen.push(["refused", refusal.code]),
  };
}

beforeEach(() => {
  vi.useFakeTimers();
  localStorage.clear();
  lines = [];
  outbox = new Outbox(localStorage, "out.");
  link = open();
});

afterEach(() => {
  link.stop();
  vi.useRealTimers();
});

describe("the chain of deltas", () => {
  test("a delta that follows is applied; one that does not asks for a new snapshot", () => {
    last().hello();
    const watcher = subscriber();
    link.subscribe(watcher);
    const first = last().subscriptions()[0]?.sub ?? "";
    last().say({ op: "snapshot", sub: first, n: 7, rows: [] });
    last().say({ op: "delta", sub: first, prev: 7, n: 8, set: [{ n: 1 }], del: [] });
    last().say({ op: "delta", sub: first, prev: 9, n: 10, set: [{ n: 2 }], del: [] });
    expect(watcher.seen).toEqual([
      ["snapshot", []],
      ["delta", [{ n: 1 }], []],
    ]);
    expect(last().sent).toContainEqual({ op: "unsubscribe", sub: first });
    const second = last().subscriptions()[1]?.sub ?? "";
    expect(second).not.toBe(first);
    // What still comes for the old one falls away; the new snapshot counts.
    last().say({ op: "delta", sub: first, prev: 8, n: 9, set: [{ n: 3 }], del: [] });
    last().say({ op: "snapshot", sub: second, n: 0, rows: [{ n: 2 }] });
    expect(watcher.seen.at(-1)).toEqual(["snapshot", [{ n: 2 }]]);
    expect(watcher.seen).toHaveLength(3);
  });

  test("a delta before the snapshot is part of the snapshot", () => {
    last().hello();
    const watcher = subscriber();
    link.subscribe(watcher);
    const sub = last().subscriptions()[0]?.sub ?? "";
    last().say({ op: "delta", sub, prev: 3, n: 4, set: [{ n: 1 }], del: [] });
    expect(watcher.seen).toEqual([]);
    expect(last().subscriptions()).toHaveLength(1);
  });

  test("after a lost line every subscription starts with a snapshot", () => {
    last().hello();
    const watcher = subscriber();
    link.subscribe(watcher);
    last().say({ op: "snapshot", sub: last().subscriptions()[0]?.sub ?? "", n: 7, rows: [] });
    last().close();
    vi.advanceTimersByTime(1_000);
    expect(lines).toHaveLength(2);
    last().hello();
    expect(last().subscriptions()).toHaveLength(1);
    last().say({ op: "snapshot", sub: last().subscriptions()[0]?.sub ?? "", n: 2, rows: [{ n: 5 }] });
    expect(watcher.seen.at(-1)).toEqual(["snapshot", [{ n: 5 }]]);
  });
});

describe("commands", () => {
  test("what is said while the line is down is sent once on return, in order, under its keys", async () => {
    const first = link.command("send_message", { text: "un" }, { key: "k1" });
    const second = link.command("send_message", { text: "deux" }, { key: "k2" });
    expect(last().commands()).toEqual([]);
    last().hello();
    expect(
      last()
        .commands()
        .map((frame) => frame.key),
    ).toEqual(["k1", "k2"]);
    for (const { id } of last().commands()) last().say({ op: "answer", id, ok: {} });
    await Promise.all([first, second]);
    expect(outbox.entries()).toEqual([]);
    last().close();
    vi.advanceTimersByTime(1_000);
    last().hello();
    expect(last().commands()).toEqual([]);
  });

  test("a command without an answer is repeated under the same key after a break", () => {
    last().hello();
    void link.command("send_message", { text: "un" }, { key: "k1" }).catch(() => {});
    expect(last().commands()).toHaveLength(1);
    last().close();
    vi.advanceTimersByTime(1_000);
    last().hello();
    expect(
      last()
        .commands()
        .map((frame) => frame.key),
    ).toEqual(["k1"]);
  });

  test("a reply waits for the answer to the one before it, through unavailable and a lost line", () => {
    const names = () =>
      last()
        .commands()
        .map((frame) => frame.key);
    const answer = (key: string, error?: Refusal) => {
      const id =
        last()
          .commands()
          .findLast((frame) => frame.key === key)?.id ?? "";
      last().say(error ? { op: "answer", id, error } : { op: "answer", id, ok: {} });
    };
    const away = { kind: "unavailable", code: "leader.unavailable", remedy: "" } as const;
    for (const [key, conversation] of [
      ["k1", "c1"],
      ["k2", "c1"],
      ["k3", "c2"],
      ["k4", "c1"],
    ] as const)
      void link.command("send_message", { conversation, text: key }, { key }).catch(() => {});
    last().hello();
    expect(names()).toEqual(["k1", "k3"]);
    answer("k1", away);
    answer("k3");
    expect(names()).toEqual(["k1", "k3"]);
    vi.advanceTimersByTime(2_000);
    expect(names()).toEqual(["k1", "k3", "k1"]);
    answer("k1");
    expect(names()).toEqual(["k1", "k3", "k1", "k2"]);
    last().close();
    vi.advanceTimersByTime(1_000);
    last().hello();
    expect(names()).toEqual(["k2"]);
    answer("k2", { kind: "forbidden", code: "conversation.not_yours", remedy: "" });
    expect(names()).toEqual(["k2", "k4"]);
    answer("k4");
    expect(outbox.entries()).toMatchObject([{ key: "k2", failed: { code: "conversation.not_yours" } }]);
  });

  test("what a crash left in the outbox is sent at the next start", () => {
    link.stop();
    outbox.add("k9", "add_note", { text: "resté" });
    link = open();
    last().hello();
    expect(last().commands()).toMatchObject([{ key: "k9", name: "add_note", payload: { text: "resté" } }]);
  });

  test("a refusal stays with its words until somebody retries, under the same key", async () => {
    last().hello();
    const sent = link.command("send_message", { text: "un" }, { key: "k1" });
    const refusal = { kind: "forbidden", code: "conversation.not_yours", remedy: "" } as const;
    last().say({ op: "answer", id: last().commands()[0]?.id ?? "", error: refusal });
    await expect(sent).rejects.toThrow("conversation.not_yours");
    expect(outbox.entries()).toMatchObject([{ key: "k1", failed: { code: "conversation.not_yours" } }]);
    const again = link.retry("k1");
    expect(
      last()
        .commands()
        .map((frame) => frame.key),
    ).toEqual(["k1", "k1"]);
    last().say({ op: "answer", id: last().commands()[1]?.id ?? "", ok: {} });
    await again;
    expect(outbox.entries()).toEqual([]);
  });

  test("unavailable is tried again by itself", () => {
    last().hello();
    void link.command("close", {}, { key: "k1" }).catch(() => {});
    const { id = "" } = last().commands()[0] ?? {};
    last().say({ op: "answer", id, error: { kind: "unavailable", code: "leader.restarting", remedy: "" } });
    expect(last().commands()).toHaveLength(1);
    vi.advanceTimersByTime(2_000);
    expect(last().commands()).toHaveLength(2);
    expect(outbox.entries()[0]?.failed).toBeUndefined();
  });

  test("what nobody wants later waits for the first line, as a key pressed before it is up", async () => {
    const chosen = link.command("set_presence", { presence: "available" }, { keep: false });
    expect(last().commands()).toEqual([]);
    last().hello();
    expect(last().commands()).toMatchObject([{ name: "set_presence" }]);
    last().say({ op: "answer", id: last().commands()[0]?.id ?? "", ok: {} });
    await chosen;
    expect(outbox.entries()).toEqual([]);
  });

  test("what nobody wants later fails at once while the line is down", async () => {
    last().close();
    await expect(link.command("accept_offer", {}, { keep: false })).rejects.toThrow("desk.unreachable");
    expect(outbox.entries()).toEqual([]);
  });
});

describe("the line", () => {
  test("says since when it is down, and forgets it on return", () => {
    last().hello();
    vi.setSystemTime(new Date("2026-11-24T10:00:00Z"));
    last().close();
    const since = link.status.getState().downSince;
    vi.advanceTimersByTime(1_000);
    last().close();
    expect(link.status.getState()).toMatchObject({ phase: "offline", downSince: since });
    vi.advanceTimersByTime(5_000);
    last().hello();
    expect(link.status.getState()).toMatchObject({ phase: "online", downSince: null });
  });

  test("a line that has gone silent is given up", () => {
    last().hello();
    const silent = last();
    vi.advanceTimersByTime(60_000);
    expect(silent.closed).toBe(true);
    expect(lines.length).toBeGreaterThan(1);
  });

  test("a bye because of a sign-out elsewhere ends it; any other comes back", () => {
    last().hello();
    last().say({ op: "bye", reason: "stopping" });
    last().close();
    vi.advanceTimersByTime(1_000);
    expect(lines).toHaveLength(2);
    last().hello();
    last().say({ op: "bye", reason: "signed_out" });
    vi.advanceTimersByTime(60_000);
    expect(lines).toHaveLength(2);
    expect(link.status.getState()).toMatchObject({ phase: "over", reason: "signed_out" });
  });

  test("waits longer each time, never two desks at once, at most half a minute", () => {
    expect(backOff(0, () => 0)).toBe(200);
    expect(backOff(0, () => 1)).toBe(400);
    expect(backOff(3, () => 0)).toBe(1_600);
    expect(backOff(30, () => 1)).toBe(30_000);
  });
});
