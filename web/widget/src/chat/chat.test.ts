import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeServer, freshShelf } from "../testing/fakeServer.ts";
import { Chat } from "./chat.ts";
import { Refusal } from "./outside.ts";
import { openShelf, type Shelf } from "./shelf.ts";

let server: FakeServer;
let shelf: Shelf;
let chats: Chat[];

function visit(): Chat {
  const chat = new Chat(server, shelf, "fr", () => 0);
  chats.push(chat);
  void chat.begin();
  return chat;
}

const settle = (millis = 5): Promise<unknown> => vi.advanceTimersByTimeAsync(millis);
const shown = (chat: Chat): string[] =>
  chat.view().messages.map((m) => `${m.author}:${m.text}:${m.state ?? ""}`);

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
  shelf = freshShelf();
  chats = [];
});

afterEach(() => {
  for (const chat of chats) chat.leave();
  vi.useRealTimers();
});

describe("saying something", () => {
  it("shows it at once, keeps it until it is acknowledged, then calls it delivered", async () => {
    const chat = visit();
    server.mute = true;
    chat.say("Bonjour");
    expect(shown(chat)).toEqual(["me:Bonjour:sending"]);
    await settle();
    expect(shelf.keys("out:")).toHaveLength(1);
    server.mute = false;
    await settle(8_000); // no answer in time: dialled again, said again
    await settle(1_000);
    expect(server.said).toEqual(["Bonjour"]);
    expect(shown(chat)).toEqual(["me:Bonjour:delivered"]);
    expect(shelf.keys("out:")).toEqual([]);
  });

  it("opens a session once and keeps the token for the next page", async () => {
    visit().say("un");
    await settle();
    chats.pop();
    const next = visit();
    await settle();
    expect(server.opens).toHaveLength(1);
    expect(shown(next)).toEqual(["me:un:delivered"]);
  });

  it("puts the acknowledged message where the server put it, once", async () => {
    const chat = visit();
    chat.say("un");
    await settle();
    server.agent("deux");
    server.tell({ op: "thread", n: 2, conversation: "k", messages: server.kept });
    expect(shown(chat)).toEqual(["me:un:delivered", "agent:deux:"]);
  });
});

describe("a broken line", () => {
  it("sends what was written meanwhile, in order, once, and catches up on what was missed", async () => {
    const chat = visit();
    chat.say("un");
    await settle();
    server.cut();
    chat.say("deux");
    chat.say("trois");
    server.kept.push({ n: 2, id: "g", author: "agent", text: "pendant ce temps", at: 1 });
    await settle(60_000);
    expect(chat.view().line).toBe("down");
    server.up = true;
    await settle(31_000);
    expect(server.said).toEqual(["un", "deux", "trois"]);
    expect(shown(chat)).toEqual([
      "me:un:delivered",
      "agent:pendant ce temps:",
      "me:deux:delivered",
      "me:trois:delivered",
    ]);
  });

  it("does not double words that arrived although their acknowledgement was lost, not even over a reload", async () => {
    const chat = visit();
    chat.say("un");
    await settle();
    server.mute = true;
    chat.say("deux");
    await settle();
    server.cut();
    chats.pop();
    server.up = true;
    server.mute = false;
    const reloaded = new Chat(server, openShelf("e"), "fr", () => 0);
    chats.push(reloaded);
    void reloaded.begin();
    await settle(1_000);
    expect(server.said).toEqual(["un", "deux"]);
    expect(shown(reloaded)).toEqual(["me:un:delivered", "me:deux:delivered"]);
  });

  it("asks for what came after the last place it knows", async () => {
    const chat = visit();
    chat.say("un");
    await settle();
    server.agent("deux");
    server.cut();
    server.up = true;
    await settle(1_000);
    expect(server.heard.findLast((f) => f.op === "resume")).toEqual({
      op: "resume",
      after: 2,
      conversation: "k",
    });
    expect(chat.view().line).toBe("on");
  });

  it("notices a line that is silent without being closed", async () => {
    const chat = visit();
    chat.say("un");
    await settle();
    const first = server.sockets.length;
    server.refuse = () => ({ op: "typing" });
    vi.spyOn(server, "hear").mockImplementation(() => undefined);
    await settle(34_000);
    expect(server.sockets.length).toBeGreaterThan(first);
    expect(chat.view().line).not.toBe("idle");
  });

  it("tries ever more slowly", async () => {
    server.up = false;
    const dials = vi.spyOn(server, "open");
    visit().say("un");
    await settle(60_000);
    const inFirstMinute = dials.mock.calls.length;
    await settle(60_000);
    expect(inFirstMinute).toBeLessThan(12);
    expect(dials.mock.calls.length - inFirstMinute).toBeLessThan(6);
  });
});

describe("a server that says no", () => {
  it("tries again under the same id when it is only busy", async () => {
    const chat = visit();
    let times = 0;
    server.refuse = (frame) =>
      frame.op === "say" && ++times < 3
        ? { op: "nack", id: frame.id, error: { kind: "limited", code: "leader.busy", remedy: "" } }
        : null;
    chat.say("un");
    await settle(5_000);
    expect(server.said).toEqual(["un"]);
    expect(new Set(server.heard.flatMap((f) => (f.op === "say" ? f.id : []))).size).toBe(1);
    expect(shown(chat)).toEqual(["me:un:delivered"]);
  });

  it("shows a final refusal, keeps the words, and gives them back", async () => {
    const chat = visit();
    server.refuse = (frame) =>
      frame.op === "say"
        ? { op: "nack", id: frame.id, error: { kind: "too_large", code: "message.too_long", remedy: "" } }
        : null;
    chat.say("trop long");
    await settle(10_000);
    expect(shown(chat)).toEqual(["me:trop long:refused"]);
    expect(chat.takeBack(chat.view().messages[0]?.key ?? "")?.text).toBe("trop long");
    expect(shown(chat)).toEqual([]);
  });

  it("begins a new visit with the same words when the token has expired", async () => {
    shelf.set("token", "old");
    const signedOut = new Refusal({ kind: "signed_out", code: "visit.unknown", remedy: "" }, 401);
    server.openAnswer = () =>
      server.opens.at(-1)?.token
        ? Promise.reject(signedOut)
        : Promise.resolve({ token: "new", customer: "c", conversation: null });
    visit().say("un");
    await settle(1_000);
    expect(server.said).toEqual(["un"]);
    expect(shelf.get("token")).toBe("new");
  });

  it("goes back to the form, with the words, when the door asks for something else", async () => {
    const chat = visit();
    const missing = new Refusal({ kind: "invalid", code: "email.missing", remedy: "", field: "email" }, 422);
    server.openAnswer = () => Promise.reject(missing);
    chat.say("un");
    await settle(1_000);
    expect(chat.view().stage).toBe("new");
    expect(chat.draft()).toBe("un");
    expect(chat.view().messages).toEqual([]);
  });

  it("stops for good at a door that is not for this site", async () => {
    const foreign = new Refusal({ kind: "forbidden", code: "origin.foreign", remedy: "" }, 403);
    server.openAnswer = () => Promise.reject(foreign);
    const chat = visit();
    chat.say("un");
    await settle(120_000);
    expect(server.opens).toHaveLength(1);
    expect(chat.view().fault?.code).toBe("origin.foreign");
  });
});

describe("the other side", () => {
  it("is read only while somebody looks", async () => {
    const chat = visit();
    chat.say("un");
    await settle();
    server.agent("deux");
    expect(chat.view().unread).toBe(1);
    expect(server.heard.some((f) => f.op === "read")).toBe(false);
    chat.watch(true);
    expect(server.heard.at(-1)).toEqual({ op: "read", n: 2 });
    expect(chat.view().unread).toBe(0);
  });

  it("writes for six seconds, or until it has written", async () => {
    const chat = visit();
    chat.say("un");
    await settle();
    server.tell({ op: "agent", name: "Amina", country: "MA" });
    server.tell({ op: "typing" });
    expect(chat.view().typing).toBe("Amina");
    await settle(6_000);
    expect(chat.view().typing).toBeNull();
    server.tell({ op: "typing", name: "Amina" });
    server.agent("deux");
    expect(chat.view().typing).toBeNull();
  });

  it("ends the conversation, but never over words that are still on their way", async () => {
    const chat = visit();
    chat.say("un");
    await settle();
    server.mute = true;
    chat.say("attendez");
    server.tell({ op: "closed" });
    expect(chat.view().stage).toBe("talking");
    server.mute = false;
    await settle(10_000);
    server.tell({ op: "closed" });
    expect(chat.view().stage).toBe("ended");
    chat.again();
    chat.say("encore");
    await settle();
    expect(server.said).toEqual(["un", "attendez", "encore"]);
  });

  it("starts the thread anew when the server speaks of another conversation", async () => {
    const chat = visit();
    chat.say("un");
    await settle();
    const message = { n: 1, id: "x", author: "agent", text: "Nouvelle", at: 1 } as const;
    server.tell({ op: "thread", n: 1, conversation: "other", messages: [message] });
    expect(shown(chat)).toEqual(["agent:Nouvelle:"]);
  });
});

it("keeps two tabs from losing each other's words", async () => {
  server.up = false;
  const one = visit();
  const two = visit();
  one.say("du premier");
  two.say("du second");
  await settle(1_000);
  server.up = true;
  await settle(60_000);
  expect(server.said.toSorted()).toEqual(["du premier", "du second"]);
});
