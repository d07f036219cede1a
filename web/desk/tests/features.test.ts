import type { ConfigRow, ConversationRow, LegRow, MessageRow, WorkRow } from "@guichet/protocol";
import { describe, expect, test } from "vitest";

import { faults, idFrom, refersTo, blank, type Schema } from "../src/features/admin/schema.ts";
import { cannedFor, slashWord } from "../src/features/composer/canned.ts";
import { inTime, totals } from "../src/features/leader/figures.ts";
import { itemsOf } from "../src/features/thread/items.ts";
import { parkTimes } from "../src/features/thread/park.ts";
import { foldQuoted, linkify } from "../src/features/thread/text.ts";
import { arrange, nextAfter, walk } from "../src/features/work/items.ts";
import type { Entry } from "../src/net/index.ts";
import { applyDelta, applySnapshot } from "../src/store/views.ts";
import schemas from "./mock/kinds.json" with { type: "json" };

const kinds = schemas.kinds as unknown as Record<string, Schema>;

function work(conversation: string, change: Partial<WorkRow>): WorkRow {
  return {
    agent: "a",
    task: `${conversation}-1`,
    conversation,
    client: "c",
    queue: "q",
    live: true,
    state: "assigned",
    since: 0,
    answer_by: null,
    deadline: null,
    offer: null,
    why: null,
    forced: false,
    ...change,
  };
}

function talk(conversation: string, change: Partial<ConversationRow>): [string, ConversationRow] {
  return [
    conversation,
    { conversation, waiting_since: null, parked_until: null, ...change } as ConversationRow,
  ];
}

function message(n: number, change: Partial<MessageRow>): MessageRow {
  const row = { conversation: "c", n, message: `m${n}`, kind: "customer", author: "x", at: n * 1_000 };
  return { ...row, ...change } as MessageRow;
}

function underWay(key: string): Entry {
  return { key, name: "send_message", at: 9_000, payload: { conversation: "c", message: key, text: "t" } };
}

function canned(id: string, value: Record<string, unknown>): ConfigRow {
  return { kind: "canned_reply", id, version: 1, value };
}

describe("the work list", () => {
  const rows = [
    work("parked_long", { state: "parked", deadline: 900 }),
    work("parked", { state: "parked", deadline: 800 }),
    work("parked_until_written", { state: "parked" }),
    work("late", { live: false, answer_by: 900 }),
    work("soon", { live: false, answer_by: 100 }),
    work("answered", {}),
    work("waits", {}),
    work("waits_longer", {}),
    work("wrap", { state: "wrapup", deadline: 5 }),
    work("offer", { state: "offered", deadline: 1 }),
  ];
  const talks = new Map([
    talk("waits", { waiting_since: 50 }),
    talk("waits_longer", { waiting_since: 20 }),
    talk("wrap", { waiting_since: 1 }),
  ]);
  const sections = arrange(rows, talks);

  test("offers apart; live by the customer's wait, deferred by when the answer is due, parked last", () => {
    expect(sections.offers.map((item) => item.work.conversation)).toEqual(["offer"]);
    expect(walk(sections)).toEqual([
      "waits_longer",
      "waits",
      "wrap",
      "answered",
      "soon",
      "late",
      "parked",
      "parked_long",
      "parked_until_written",
    ]);
  });

  test("after a close comes whoever waits longest, never the one just closed", () => {
    expect(nextAfter(sections, "waits_longer")).toBe("waits");
    expect(nextAfter(arrange([work("only", {})], new Map()), "only")).toBeNull();
  });
});

test("deltas change only the rows they name", () => {
  const before = applySnapshot("thread", [
    { conversation: "c", n: 1, text: "un", status: "sent" },
    { conversation: "c", n: 2, text: "deux" },
  ]);
  const after = applyDelta(
    "thread",
    before,
    [{ conversation: "c", n: 1, status: "read" }],
    [{ conversation: "c", n: 2 }],
  );
  expect(after.rows).toEqual([{ conversation: "c", n: 1, text: "un", status: "read" }]);
});

describe("the thread", () => {
  test("one heading per speaker, events between, what is under way at the end and only until it is there", () => {
    const leg = {
      leg: "l",
      party: "agent",
      agent: "a",
      started: 2_500,
      ended: 4_000,
      reason: "closed",
    } as LegRow;
    const rows = [message(1, {}), message(2, {}), message(3, { kind: "agent", author: "a" }), message(4, {})];
    const items = itemsOf(rows, [leg], [underWay("m3"), underWay("new")], "a");
    const shape = items.map((item) =>
      item.kind === "message"
        ? `${item.row.kind}${item.head ? "*" : ""}${item.pending ? "?" : ""}`
        : item.kind === "event"
          ? item.event
          : "day",
    );
    expect(shape).toEqual([
      "day",
      "customer*",
      "customer",
      "joined",
      "agent*",
      "customer*",
      "closed",
      "agent*?",
    ]);
  });

  test.each([
    [
      "Merci.\n\nLe 12 mai 2026 à 09:12, Lumen a écrit :\n> Bonjour",
      "Merci.",
      "Le 12 mai 2026 à 09:12, Lumen a écrit :\n> Bonjour",
    ],
    [
      "Thanks\n\nOn Tue, 12 May 2026 at 09:12, Lumen\n<a@b.example> wrote:\n> Hi",
      "Thanks",
      "On Tue, 12 May 2026 at 09:12, Lumen\n<a@b.example> wrote:\n> Hi",
    ],
    ["Oui\n\n> une question", "Oui", "> une question"],
    ["> tout est cité", "> tout est cité", ""],
    ["a > b\nfin", "a > b\nfin", ""],
  ])("folds what a mail quotes: %j", (text, words, quoted) => {
    expect(foldQuoted(text)).toEqual({ words, quoted });
  });

  test("links are addresses with a scheme and mail addresses, and nothing else", () => {
    const pieces = linkify("Voir https://a.example/x?y=1. Ou ecrire@b.example ; javascript:alert(1)");
    expect(pieces.filter((piece) => piece.href).map((piece) => piece.href)).toEqual([
      "https://a.example/x?y=1",
      "mailto:ecrire@b.example",
    ]);
    expect(pieces.map((piece) => piece.text).join("")).toBe(
      "Voir https://a.example/x?y=1. Ou ecrire@b.example ; javascript:alert(1)",
    );
  });

  test("parking offers no evening at night, and Monday is never today", () => {
    const night = new Date(2026, 10, 23, 22, 0).getTime();
    expect(parkTimes(night).map((time) => time.label)).toEqual([
      "park.reply",
      "park.hour",
      "park.three_hours",
      "park.tomorrow",
      "park.monday",
    ]);
    for (const { until } of parkTimes(night)) expect(until === null || until > night).toBe(true);
  });
});

describe("canned replies", () => {
  const rows = [
    canned("1", { shortcut: "merci", text: "Merci {customer}", client: null, language: "fr" }),
    canned("2", { shortcut: "thanks", text: "Thanks {customer}", client: null, language: "en" }),
    canned("3", { shortcut: "secret", text: "x", client: "other", language: "fr" }),
  ];

  test("by slash, filled in, the conversation's language first, never another client's", () => {
    expect(slashWord("Bonjour /mer", 12)).toEqual({ start: 8, word: "mer" });
    expect(slashWord("et/ou", 5)).toBeNull();
    const fill = { customer: "Inès", agent: "Paul", client: "Lumen" };
    expect(cannedFor(rows, "lumen", "en", "", fill).map((one) => one.text)).toEqual([
      "Thanks Inès",
      "Merci Inès",
    ]);
    expect(cannedFor(rows, "lumen", "fr", "mer", { ...fill, customer: "" })[0]?.text).toBe(
      "Merci {customer}",
    );
  });
});

describe("the leader's figures", () => {
  test("no share where nothing was answered; the oldest of all queues", () => {
    const row = {
      queue: "q",
      client: "c",
      open: true,
      waiting: 1,
      oldest: 50,
      offered: 0,
      assigned: 0,
      answered_today: 0,
      answered_in_time_today: 0,
      abandoned_today: 0,
    };
    expect(inTime(row)).toBeNull();
    expect(totals([row, { ...row, oldest: 20, answered_today: 4, answered_in_time_today: 3 }])).toMatchObject(
      { waiting: 2, oldest: 20, answered_today: 4 },
    );
  });
});

describe("administration forms", () => {
  test("begin with the defaults and name every fault by its field", () => {
    const schema = kinds["agent"] ?? {};
    const value = {
      ...blank(schema),
      name: "",
      email: "nulle part",
      site: null,
      capacity: 0,
      skills: [{ skill: "", level: 9 }],
    };
    expect(faults(value, schema)).toMatchObject({
      name: { key: "required" },
      email: { key: "pattern" },
      site: { key: "required" },
      capacity: { key: "small", limit: 1 },
      "skills.0.skill": { key: "required" },
      "skills.0.level": { key: "large", limit: 5 },
    });
    expect(faults({ ...blank(schema), name: "A", email: "a@b.example", site: "s" }, schema)).toEqual({});
  });

  test("know what refers to what, through lists and lines", () => {
    const schema = kinds["queue"] ?? {};
    expect(refersTo({ client: "lumen" }, schema, schema, "client", "lumen")).toBe(true);
    expect(refersTo({ skills: [{ skill: "x", level: 1 }] }, schema, schema, "skill", "x")).toBe(true);
    expect(refersTo({ name: "lumen" }, schema, schema, "client", "lumen")).toBe(false);
  });

  test("make readable ids that are free", () => {
    expect(idFrom("Crédit Midi & Cie", new Set())).toBe("credit-midi-cie");
    expect(idFrom("Lyon", new Set(["lyon", "lyon-2"]))).toBe("lyon-3");
    expect(idFrom("電話", new Set())).toBe("item");
  });
});
