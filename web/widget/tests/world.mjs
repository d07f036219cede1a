// A shop and a contact centre that exist only inside the browser: the widget's real bundle talks to them
// across origins, through the requests and sockets that it would really make.
import { readFileSync } from "node:fs";

const BUNDLE = new URL("../../../src/guichet/server/static/widget/guichet.js", import.meta.url);
export const SHOP = "https://shop.test";
export const CENTRE = "https://contact.test";

const DOOR = {
  client: { name: "Maison Perle", colour: "#7a3b2e", mark: "MP" },
  open: true,
  hours: "",
  form: { name: "optional", email: "optional" },
};

/** A picture, 8x6 pixels. */
const PICTURE = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAGCAIAAABxZ0isAAAAeElEQVR42g3JIRLAIAwEwD4VgUAgEIgT1XlBphIRgcxEIU8ieVNZu8+HNJAniqMuNKJv4OB9PklD8pTiUpc0St+CIzc0Dc1Ti2td2qh9K47esDQsTytudVmj9W04diPSiDyjeNQVjdF34MQNpsE8WZx1sZF9E4fvD4GHUxGJ4P5SAAAAAElFTkSuQmCC",
  "base64",
);

/**
 * @param page a playwright page
 * @param options door: changes to the door; tag: further attributes of the script tag; policy: the shop's
 *   Content-Security-Policy; css: the shop's own style
 * @returns what the scene does next: frames heard, and `say` to send one
 */
export async function makeWorld(page, { door = {}, tag = "", policy = "", css = "", status = 200 } = {}) {
  const world = { heard: [], sockets: [], reachable: true, onFrame: answerPlainly, opened: 0 };
  const shop = `<!doctype html><html><head><meta charset="utf-8"><title>Maison Perle</title>
    <meta name="viewport" content="width=device-width, initial-scale=1"><style nonce="shop">
      body { margin: 0; font: 17px/1.6 Georgia, serif; background: #f6efe7; color: #33241c }
      main { max-width: 900px; margin: 48px auto; padding: 0 24px } ${css}</style></head>
    <body><main><h1>Maison Perle</h1><p>Bijoux faits à la main.</p>
      <p>${"Une pierre, un fil, une main. ".repeat(40)}</p></main>
    <script src="${CENTRE}/widget/guichet.js" data-entry="perle" ${tag} async></script></body></html>`;
  const cors = {
    "access-control-allow-origin": SHOP,
    "access-control-allow-headers": "content-type, x-guichet-token, x-filename",
  };
  const json = (route, body, code = 200) =>
    route.fulfill({
      status: code,
      headers: cors,
      contentType: "application/json",
      body: JSON.stringify(body),
    });

  await page.route(`${SHOP}/**`, (route) =>
    route.fulfill({
      contentType: "text/html",
      body: shop,
      headers: policy ? { "content-security-policy": policy } : {},
    }),
  );
  await page.route(`${CENTRE}/**`, (route) => {
    const request = route.request();
    const path = new URL(request.url()).pathname;
    if (path === "/widget/guichet.js")
      return route.fulfill({ contentType: "text/javascript", body: readFileSync(BUNDLE, "utf8") });
    if (!world.reachable) return route.abort();
    if (request.method() === "OPTIONS") return route.fulfill({ status: 204, headers: cors });
    if (path === "/api/webchat/perle")
      return status === 200
        ? json(route, { ...DOOR, ...door })
        : json(route, { kind: "forbidden", code: "origin.foreign", remedy: "" }, status);
    if (path === "/api/webchat/perle/open") {
      world.opened += 1;
      return json(route, { token: `t${world.opened}`, customer: "c1", conversation: null, ...DOOR, ...door });
    }
    if (path === "/api/webchat/perle/attachments") {
      const name = decodeURIComponent(request.headers()["x-filename"] ?? "");
      if (name.includes("refus"))
        return json(route, { kind: "unavailable", code: "store.full", remedy: "" }, 503);
      return json(route, {
        address: `a-${name}`,
        name,
        type: request.headers()["content-type"],
        size: 48_213,
      });
    }
    if (path.startsWith("/api/webchat/perle/attachments/"))
      return route.fulfill({ headers: cors, contentType: "image/png", body: PICTURE });
    return route.fulfill({ status: 404, headers: cors });
  });
  await page.routeWebSocket(/contact\.test/, (socket) => {
    if (!world.reachable) {
      void socket.close({ code: 1013 });
      return;
    }
    world.sockets.push(socket);
    socket.onMessage((text) => {
      const frame = JSON.parse(text);
      world.heard.push(frame);
      world.onFrame(frame, world);
    });
  });
  world.say = (frame) => world.sockets.at(-1)?.send(JSON.stringify(frame));
  world.cut = async () => {
    world.reachable = false;
    await world.sockets.at(-1)?.close({ code: 1012 });
  };
  world.visit = async () => {
    await page.goto(`${SHOP}/`);
    await page.locator(".launcher").waitFor();
  };
  return world;
}

/** A server that takes everything at once. */
export function answerPlainly(frame, world) {
  world.store ??= [];
  if (frame.op === "say") {
    if (!world.store.some((m) => m.id === frame.id))
      world.store.push({
        n: world.store.length + 1,
        id: frame.id,
        author: "me",
        text: frame.text,
        attachments: frame.attachments,
        at: Date.now(),
        status: "delivered",
      });
    world.say({ op: "ack", id: frame.id, conversation: "k1" });
    world.say({ op: "thread", n: world.store.length, conversation: "k1", messages: world.store.slice(-1) });
  }
  if (frame.op === "resume")
    world.say({
      op: "thread",
      n: world.store.length,
      conversation: world.store.length ? "k1" : null,
      messages: world.store.filter((m) => m.n > frame.after),
    });
}

/** Puts words of an agent into the store and tells the widget. */
export function agentSays(world, text, more = {}) {
  world.store ??= [];
  const message = {
    n: world.store.length + 1,
    id: `g${world.store.length}`,
    author: "agent",
    name: "Youssef El Idrissi",
    text,
    at: Date.now(),
    ...more,
  };
  world.store.push(message);
  world.say({ op: "thread", n: message.n, conversation: "k1", messages: [message] });
}
