// A stand-in for the server, for looking at the desk and for nothing else: it speaks the wire of /api/desk over
// an invented morning, accepts what it is told and checks nothing. Never shipped; the real tests use the real one.
//   node tests/mock/server.mjs <folder of the built desk> <port>      GET /mock/<act> plays a scene.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

import { accept } from "./lines.mjs";
import { KEYS, VIEWS, offer, world } from "./world.mjs";

const [, , FOLDER, PORT = "8123"] = process.argv;
const TYPES = { ".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml" };
const KINDS = JSON.parse(readFileSync(new URL("kinds.json", import.meta.url), "utf8"));
const ME = { agent: "amina", name: "Amina Benali", role: "administrator", organisation: "atlas" };

let { tables, past } = world();
let mode = "signed_in";
let silentUntil = 0;
const drafts = new Map();
const lines = new Set();

const keyOf = (table, row) => KEYS[table].map((column) => row[column]).join("|");

function set(table, change) {
  const row = tables[table].find((one) => keyOf(table, one) === keyOf(table, change));
  if (row) Object.assign(row, change);
  else tables[table].push(change);
  spread(table, row ?? change, { set: [change] });
}

function drop(table, row) {
  tables[table] = tables[table].filter((one) => keyOf(table, one) !== keyOf(table, row));
  spread(table, row, { del: [row] });
}

function spread(table, row, change) {
  for (const line of lines) {
    for (const [sub, held] of line.subs) {
      const [source, partition] = VIEWS[held.view];
      if (source !== table || (partition && row[partition] !== held.partition)) continue;
      line.send({ op: "delta", sub, prev: held.n, n: held.n + 1, ...change });
      held.n += 1;
    }
  }
}

const say = (conversation, kind, text, more = {}) => {
  const talk = tables.conversation.find((one) => one.conversation === conversation);
  const n =
    1 + Math.max(0, ...tables.message.filter((one) => one.conversation === conversation).map((one) => one.n));
  set("message", {
    conversation,
    n,
    message: `${conversation}m${n}`,
    client: talk.client,
    kind,
    author: kind === "customer" ? "" : ME.agent,
    text,
    html_blob: null,
    attachments: [],
    headers: {},
    status: kind === "agent" ? "queued" : null,
    reason: null,
    at: Date.now(),
    release_at: null,
    internal: kind === "note",
    ...more,
  });
  if (kind !== "note")
    set("conversation", {
      conversation,
      last_words: text,
      last_author: kind,
      last_at: Date.now(),
      n,
      waiting_since: kind === "customer" ? Date.now() : null,
    });
  return n;
};

const COMMANDS = {
  accept_offer: () => {
    const row = tables.work.find((one) => one.state === "offered");
    if (!row) return { error: { kind: "conflict", code: "offer.over", remedy: "" } };
    set("work", { agent: row.agent, task: row.task, state: "assigned", offer: null, deadline: null });
    set("conversation", { conversation: row.conversation, state: "active", agent: ME.agent });
    return {};
  },
  decline_offer: () =>
    drop(
      "work",
      tables.work.find((one) => one.state === "offered"),
    ),
  set_presence: ({ agent, presence, reason }) =>
    set("agent_state", { agent: agent ?? ME.agent, presence, reason: reason ?? "", since: Date.now() }),
  send_message: ({ conversation, message, text, attachments }) => {
    if (tables.message.some((one) => one.message === message)) return {};
    const n = say(conversation, "agent", text, { message, attachments });
    setTimeout(() => set("message", { conversation, n, status: "delivered" }), 900);
    return {};
  },
  add_note: ({ conversation, text }) => void say(conversation, "note", text),
  close: ({ conversation }) => {
    const row = tables.work.find((one) => one.conversation === conversation);
    if (row?.live)
      set("work", { agent: row.agent, task: row.task, state: "wrapup", deadline: Date.now() + 60_000 });
    else if (row) drop("work", row);
    set("conversation", { conversation, state: "closed", waiting_since: null });
  },
  finish_wrapup: ({ task }) =>
    drop(
      "work",
      tables.work.find((one) => one.task === task),
    ),
  park: ({ conversation, until }) => {
    const row = tables.work.find((one) => one.conversation === conversation);
    set("work", { agent: row.agent, task: row.task, state: "parked", deadline: until });
    set("conversation", { conversation, state: "parked", waiting_since: null });
  },
  tag: ({ conversation, tags }) => set("conversation", { conversation, tags }),
  set_config: ({ kind, id, value, expected_version }) =>
    set("config", { organisation: "atlas", kind, id, value, version: expected_version + 1 }),
};

const SCENES = {
  reset: () => {
    ({ tables, past } = world());
    mode = "signed_in";
    silentUntil = 0;
    drafts.clear();
    for (const line of lines) line.close();
  },
  mode: (query) => (mode = query.get("is")),
  offer: () => set("work", offer(tables)),
  missed: () => set("agent_state", { agent: ME.agent, presence: "missed", since: Date.now() }),
  empty: () => [...tables.work].forEach((row) => drop("work", row)),
  noqueue: () => [...tables.task].forEach((row) => drop("task", row)),
  says: (query) => say(query.get("in") ?? "c2", "customer", query.get("text") ?? "Vous êtes là ?"),
  writes: (query) => {
    for (const line of lines)
      line.send({
        op: "signal",
        conversation: query.get("in") ?? "c2",
        kind: "writing",
        who: query.get("agent") ? "agent" : "customer",
        agent: query.get("agent"),
        until: Date.now() + 60_000,
      });
  },
  silence: (query) => {
    silentUntil = Date.now() + Number(query.get("ms") ?? 60_000);
    for (const line of lines) line.close();
  },
};

function api(method, path, query, body) {
  if (path === "/api/me")
    return mode === "signed_in" ? [200, ME] : [401, { kind: "signed_out", code: "session.none", remedy: "" }];
  if (path === "/api/setup") return method === "POST" ? [200, {}] : [200, { needed: mode === "setup" }];
  if (path === "/api/sign-in") {
    if (body.password !== "correct horse")
      return [401, { kind: "signed_out", code: "sign_in.wrong", remedy: "" }];
    mode = "signed_in";
    return [200, ME];
  }
  if (path === "/api/sign-out") return [200, {}];
  if (path.startsWith("/api/invitations"))
    return method === "POST" && path === "/api/invitations"
      ? [200, { link: "/desk/invitation/abc" }]
      : [200, { name: "Tom Verhoeven", email: "tom@atlas.example", organisation: "Atlas Relation Client" }];
  if (path.startsWith("/api/drafts/")) {
    if (method === "DELETE") drafts.delete(path);
    if (method === "PUT") {
      if ((drafts.get(path)?.revision ?? 0) !== body.revision)
        return [409, { kind: "conflict", code: "draft.stale", remedy: "" }];
      drafts.set(path, { ...body, revision: body.revision + 1 });
    }
    return [200, drafts.get(path) ?? { text: "", attachments: [], revision: 0 }];
  }
  if (path === "/api/attachments")
    return [200, { address: `up${Date.now()}`, name: "photo.png", type: "image/png", size: 20_480 }];
  if (path === "/api/conversations") {
    const all = [...tables.conversation, ...past].filter((row) =>
      ["customer", "state", "agent"].every((name) => !query.get(name) || row[name] === query.get(name)),
    );
    return [
      200,
      all
        .filter((row) => !query.get("before") || row.last_at < Number(query.get("before")))
        .slice(0, Number(query.get("limit") ?? 50)),
    ];
  }
  if (path === "/api/search")
    return [
      200,
      [...tables.conversation, ...past]
        .filter((row) =>
          JSON.stringify(row)
            .toLowerCase()
            .includes((query.get("words") ?? "").toLowerCase()),
        )
        .slice(0, 12)
        .map((row) => ({ ...row, excerpt: row.last_words, at: row.last_at, message: "m" })),
    ];
  if (path === "/api/customers")
    return [
      200,
      tables.conversation
        .filter((row) => row.customer_name.toLowerCase().includes((query.get("words") ?? "").toLowerCase()))
        .map((row) => ({
          customer: row.customer,
          client: row.client,
          name: row.customer_name,
          email: "client@exemple.example",
          phone: null,
        })),
    ];
  if (path.startsWith("/api/customers/")) {
    const row =
      tables.conversation.find((one) => one.customer === path.split("/").at(-1)) ?? tables.conversation[0];
    return [
      200,
      {
        customer: row.customer,
        client: row.client,
        name: row.customer_name,
        email: "ines.moreau@exemple.example",
        phone: "+33 6 12 34 56 78",
        language: row.language,
        anonymous: false,
        created_at: Date.now() - 9e9,
        identities: [{ kind: "email", handle: "ines.moreau@exemple.example", proven: true }],
      },
    ];
  }
  if (/^\/api\/tasks\/.*\/decisions$/.test(path))
    return [
      200,
      [{ offer: "c1-1-1", task: "c1-1", agent: "amina", t: Date.now() - 5_000, record: offer(tables).why }],
    ];
  if (path === "/api/config/kinds") return [200, KINDS];
  if (/^\/api\/config\/\w+$/.test(path))
    return [200, tables.config.filter((row) => row.kind === path.split("/").at(-1))];
  if (path.endsWith("/history")) {
    const [, , , kind, id] = path.split("/");
    const row = tables.config.find((one) => one.kind === kind && one.id === id);
    return [
      200,
      Array.from({ length: row.version }, (_, index) => ({
        version: index + 1,
        value: index + 1 === row.version ? row.value : { ...row.value, name: `${row.value.name} (avant)` },
        at: Date.now() - (row.version - index) * 86_400_000,
        by: "agent:amina",
      })),
    ];
  }
  return [404, { kind: "not_found", code: "nothing.here", remedy: "" }];
}

const server = createServer((request, response) => {
  const url = new URL(request.url, "http://mock");
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    if (url.pathname.startsWith("/mock/")) {
      SCENES[url.pathname.slice(6)](url.searchParams);
      return response.end("ok");
    }
    if (url.pathname.startsWith("/api/attachments/")) {
      response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
      return response.end(
        "<h2 style='color:#b4541a'>Maison Lumen</h2><p>Bonjour,</p><p>ma <b>facture</b> est arrivée deux fois.</p><img src='https://pixel.example/1.gif'>",
      );
    }
    if (url.pathname.startsWith("/api/")) {
      if (Date.now() < silentUntil) return request.socket.destroy();
      const json = request.headers["content-type"]?.includes("json") && chunks.length > 0;
      const [status, answer] = api(
        request.method,
        url.pathname,
        url.searchParams,
        json ? JSON.parse(Buffer.concat(chunks)) : {},
      );
      response.writeHead(status, { "content-type": "application/json" });
      return response.end(JSON.stringify(answer));
    }
    const name = normalize(url.pathname.replace(/^\/desk/, ""));
    const file = extname(name) ? join(FOLDER, name) : join(FOLDER, "index.html");
    try {
      const content = readFileSync(file);
      response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" });
      return response.end(content);
    } catch {
      response.writeHead(404);
      return response.end();
    }
  });
});

server.on("upgrade", (request, socket) => {
  if (Date.now() < silentUntil) return socket.destroy();
  const subs = new Map();
  const line = accept(request, socket, {
    gone: () => lines.delete(line),
    hear: (frame) => {
      if (frame.op === "ping") line.send({ op: "pong", t: Date.now() });
      if (frame.op === "unsubscribe") subs.delete(frame.sub);
      if (frame.op === "subscribe") {
        const [table, partition] = VIEWS[frame.view];
        subs.set(frame.sub, { view: frame.view, partition: frame.partition, n: 0 });
        const rows = tables[table].filter((row) => !partition || row[partition] === frame.partition);
        const old =
          frame.view === "conversation" ? past.filter((row) => row.conversation === frame.partition) : [];
        line.send({ op: "snapshot", sub: frame.sub, n: 0, rows: rows.length > 0 ? rows : old });
      }
      if (frame.op === "command") {
        const answer = COMMANDS[frame.name]?.(frame.payload);
        line.send({ op: "answer", id: frame.id, ...(answer?.error ? { error: answer.error } : { ok: {} }) });
      }
    },
  });
  line.subs = subs;
  lines.add(line);
  line.send({
    op: "hello",
    t: Date.now(),
    org: "atlas",
    agent: ME.agent,
    name: ME.name,
    role: ME.role,
    clients: ["*"],
    build: "mock",
  });
});

server.listen(Number(PORT), "127.0.0.1", () => console.warn(`mock on http://127.0.0.1:${PORT}/desk/`));
