import { beforeEach, afterEach, expect, test, vi } from "vitest";

import { DraftKeeper } from "../src/features/composer/draft.ts";

interface Kept {
  text: string;
  attachments: unknown[];
  revision: number;
}

/** The server's drafts, with its rule: a revision that is not the one kept is a conflict. */
let kept: Kept | null;
let reachable: boolean;
const saves: Kept[] = [];

function reply(status: number, body?: unknown): Response {
  return new Response(body === undefined ? null : JSON.stringify(body), {
    status,
    headers: { "content-type": "application/json" },
  });
}

function answer(_path: unknown, init: RequestInit = {}): Promise<Response> {
  if (!reachable) return Promise.reject(new TypeError("network"));
  if (init.method === "DELETE") {
    kept = null;
    return Promise.resolve(reply(204));
  }
  if (init.method === "PUT") {
    const body = JSON.parse(init.body as string) as Kept;
    if (body.revision !== (kept?.revision ?? 0)) {
      return Promise.resolve(reply(409, { kind: "conflict", code: "draft.stale", remedy: "" }));
    }
    kept = { ...body, revision: body.revision + 1 };
    saves.push(kept);
    return Promise.resolve(reply(200, kept));
  }
  return Promise.resolve(reply(200, kept ?? { text: "", attachments: [], revision: 0 }));
}

async function settle(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("fetch", answer);
  localStorage.clear();
  kept = null;
  reachable = true;
  saves.length = 0;
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("what is typed is on the server within a second, and then no longer in this browser", async () => {
  const keeper = new DraftKeeper("c1", "reply");
  await keeper.load();
  keeper.edit({ text: "Bonj" });
  expect(localStorage.getItem("guichet.draft.c1.reply")).toContain("Bonj");
  await settle(300);
  keeper.edit({ text: "Bonjour" });
  await settle(700);
  expect(saves.map((save) => save.text)).toEqual(["Bonjour"]);
  expect(keeper.store.getState().dirty).toBe(false);
  expect(localStorage.getItem("guichet.draft.c1.reply")).toBeNull();
});

test("what a crash left in the browser comes back and is saved", async () => {
  localStorage.setItem(
    "guichet.draft.c1.reply",
    JSON.stringify({ text: "presque", attachments: [], revision: 0 }),
  );
  const keeper = new DraftKeeper("c1", "reply");
  expect(keeper.store.getState().text).toBe("presque");
  await keeper.load();
  await settle(50);
  expect(kept?.text).toBe("presque");
});

test("while the server is away it goes on trying", async () => {
  const keeper = new DraftKeeper("c1", "reply");
  await keeper.load();
  reachable = false;
  keeper.edit({ text: "hors ligne" });
  await settle(10_000);
  expect(kept).toBeNull();
  expect(localStorage.getItem("guichet.draft.c1.reply")).toContain("hors ligne");
  reachable = true;
  await settle(5_000);
  expect(kept).toMatchObject({ text: "hors ligne" });
});

test("a draft that somebody else changed is shown, and either can be kept", async () => {
  const keeper = new DraftKeeper("c1", "reply");
  await keeper.load();
  keeper.edit({ text: "le mien" });
  kept = { text: "le leur", attachments: [], revision: 4 };
  await settle(700);
  expect(keeper.store.getState()).toMatchObject({ text: "le mien", conflict: { text: "le leur" } });
  keeper.keepMine();
  await settle(50);
  expect(kept).toMatchObject({ text: "le mien", revision: 5 });

  keeper.edit({ text: "encore le mien" });
  kept = { text: "encore le leur", attachments: [], revision: 9 };
  await settle(700);
  keeper.takeTheirs();
  expect(keeper.store.getState()).toMatchObject({ text: "encore le leur", conflict: null, dirty: false });
});

test("once sent, nothing is left anywhere, not even by a save under way", async () => {
  const keeper = new DraftKeeper("c1", "reply");
  await keeper.load();
  keeper.edit({ text: "parti" });
  vi.advanceTimersByTime(600);
  keeper.clear();
  await settle(2_000);
  expect(keeper.store.getState().text).toBe("");
  expect(kept).toBeNull();
  expect(localStorage.getItem("guichet.draft.c1.reply")).toBeNull();
});
