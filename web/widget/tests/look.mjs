// Draws every state of the widget in Chromium, checks each with axe-core, and keeps the pictures:
//   node tests/look.mjs [folder for the pictures] [only scenes whose name contains this]
// A scene is played in French and in English, and looked at in light and dark each time; one that only shows that
// something holds is played once.
// Also asserts what only a browser can: opening time, nothing leaks either way, strict content policy,
// nothing lost or doubled over a cut line.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { agentSays, answerPlainly, CENTRE, makeWorld, SHOP } from "./world.mjs";

const folder = process.argv[2] ?? "/tmp/guichet-widget";
const only = process.argv[3] ?? "";
mkdirSync(folder, { recursive: true });
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({
  executablePath: process.env.GUICHET_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };
const POLICY = `default-src 'none'; script-src ${CENTRE}; connect-src ${CENTRE} wss://contact.test; style-src 'nonce-shop'; img-src blob:`;
const failures = [];

async function scene(name, { looks = true, ...options }, act) {
  if (!name.includes(only)) return;
  for (const language of looks ? ["fr", "en"] : ["fr"])
    await play(name, language, { looks, ...options }, act);
}

async function play(name, language, { phone = false, looks, world: given = {} }, act) {
  const t = (french, english) => (language === "fr" ? french : english);
  const options = typeof given === "function" ? given(t) : given;
  const context = await browser.newContext({
    viewport: phone ? PHONE : DESKTOP,
    hasTouch: phone,
    isMobile: phone,
    locale: language === "fr" ? "fr-FR" : "en-GB",
    deviceScaleFactor: 1,
    bypassCSP: false,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(5_000);
  page.on("pageerror", (error) => failures.push(`${name}: ${error.message}`));
  const world = await makeWorld(page, { tag: `data-language="${language}"`, ...options });
  try {
    await world.visit();
    await act({ page, world, t });
    await page.evaluate(() =>
      document
        .querySelector("guichet-widget")
        .shadowRoot.getAnimations()
        .forEach((a) => a.cancel()),
    );
    for (const scheme of looks ? ["dark", "light"] : [])
      await look(`${name}-${scheme}-${language}`, page, scheme);
  } catch (error) {
    failures.push(`${name}: ${error.message}`);
    await page.screenshot({ path: join(folder, `${name}-failed.png`) });
  }
  await context.close();
}

async function look(name, page, scheme) {
  await page.emulateMedia({ colorScheme: scheme });
  await page.locator(`[data-scheme=${scheme}]`).waitFor({ state: "attached" });
  await page.screenshot({ path: join(folder, `${name}.png`) });
  await check(name, page);
}

async function check(name, page) {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const result = await globalThis.axe.run(document.querySelector("guichet-widget"), {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    });
    return result.violations.map(
      (v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ") + " " + n.html).join(", ")}`,
    );
  });
  failures.push(...found.map((text) => `${name}: axe ${text}`));
}

const open = (page) => page.locator(".launcher").click();
async function write(page, text) {
  await page.locator(".composer textarea").fill(text);
  await page.locator(".composer textarea").press("Enter");
}
async function begin({ page, t }) {
  await open(page);
  await page
    .locator("[name=message]")
    .fill(
      t(
        "Bonjour, mon colis n’est pas arrivé. C’est la commande 4471.",
        "Hello, my parcel has not arrived. It is order 4471.",
      ),
    );
  await page.locator(".form .firm").click();
  await page.locator(".message.me .meta", { hasText: /Distribué|Delivered/ }).waitFor();
}
const ago = (minutes) => Date.now() - minutes * 60_000;
async function talk({ page, world, t }) {
  world.store = [];
  await begin({ page, t });
  world.say({ op: "agent", name: "Youssef El Idrissi", country: "MA" });
  const found = "https://suivi.exemple.fr/4471";
  agentSays(
    world,
    t("Bonjour Inès, je regarde tout de suite où il se trouve.", "Hello Inès, I am looking where it is."),
    { at: ago(3) },
  );
  agentSays(
    world,
    t(
      `Il est au dépôt de Lille depuis ce matin. Le suivi : ${found}`,
      `It has been at the Lille depot since this morning. Follow it: ${found}`,
    ),
    { at: ago(3) },
  );
  const thanks = t(
    "Merci ! Est-ce qu’il peut être livré au bureau ?",
    "Thank you! Can it come to the office?",
  );
  await write(page, thanks);
  await page.getByText(thanks).waitFor();
}

// -- the page with the button only -------------------------------------------------------------------
await scene("01-launcher", {}, async () => {});
await scene("01-launcher-phone", { phone: true }, async () => {});
await scene("01-launcher-unread", {}, async ({ page, world, t }) => {
  await begin({ page, t });
  await page.getByLabel(t("Réduire", "Minimise")).click();
  agentSays(world, t("Bonjour, je suis là.", "Hello, I am here."));
  await page.locator(".badge").waitFor();
});

// -- the form ----------------------------------------------------------------------------------------
for (const [suffix, options] of [
  ["", {}],
  ["-phone", { phone: true }],
])
  await scene(`02-form${suffix}`, options, async ({ page }) => {
    await open(page);
    await page.locator(".form").waitFor();
  });
await scene(
  "02-form-errors",
  { world: { door: { form: { name: "required", email: "required" } } } },
  async ({ page }) => {
    await open(page);
    await page.locator("[name=email]").fill("ines");
    await page.locator(".form .firm").click();
    await page.locator(".field.bad").nth(2).waitFor();
    assert.equal(await focused(page), "name");
  },
);

// -- waiting, talking --------------------------------------------------------------------------------
await scene("03-waiting", {}, async ({ page, world, t }) => {
  await begin({ page, t });
  world.say({ op: "place", waiting: { place: 4, low_s: 130, high_s: 230 } });
  await page.getByText(t("3 personnes avant vous", "3 people before you")).waitFor();
});
for (const [suffix, options] of [
  ["", {}],
  ["-phone", { phone: true }],
])
  await scene(`04-talk${suffix}`, options, async ({ page, world, t }) => {
    await talk({ page, world, t });
    agentSays(world, "", {
      attachments: [
        { address: "p", name: "depot.png", type: "image/png", size: 20_000 },
        { address: "f", name: "bon-de-livraison-4471.pdf", type: "application/pdf", size: 182_400 },
      ],
    });
    await page.locator(".picture img").waitFor();
    world.say({ op: "status", n: 4, status: "read" });
    world.say({ op: "typing", name: "Youssef El Idrissi" });
    await page.locator(".typing").waitFor();
    await page.getByText(t("Lu", "Read"), { exact: false }).first().waitFor();
    const status = page.locator(".head p", {
      hasText: t("Youssef El Idrissi · Maroc", "Youssef El Idrissi · Morocco"),
    });
    assert.ok(
      await status.evaluate((p) => p.scrollWidth <= p.clientWidth && p.clientHeight < 20),
      "who answers, in a line",
    );
  });
await scene(
  "04-talk-yellow",
  { world: { door: { client: { name: "Jaune & Fils", colour: "#ffd400", mark: "J" } } } },
  talk,
);
await scene(
  "04-talk-navy",
  { world: { door: { client: { name: "Marine", colour: "#10233f", mark: "M" } } } },
  talk,
);
await scene("05-files", {}, async ({ page, world, t }) => {
  await talk({ page, world, t });
  const files = ["photo-du-colis.png", "refuse.pdf"].map((name) => ({
    name,
    mimeType: "image/png",
    buffer: Buffer.alloc(2_000),
  }));
  await page.locator("input[type=file]").setInputFiles(files);
  await page.locator(".chip.bad").waitFor();
});
await scene("05-paste", {}, async ({ page, world, t }) => {
  await talk({ page, world, t });
  await page.locator(".composer textarea").evaluate((area) => {
    const data = new DataTransfer();
    data.items.add(new File(["x"], "capture.png", { type: "image/png" }));
    area.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  });
  await page.locator(".chip:not(:has(progress))").waitFor();
  await page.locator(".send").click();
  await page.locator(".me .picture img").waitFor();
});

// -- closed, offline, refused, ended, fault ----------------------------------------------------------
const closed = (t) => ({
  door: { open: false, hours: t("Nous ouvrons demain à 9 h.", "We open tomorrow at 9 am.") },
});
await scene("06-closed-form", { world: closed }, async ({ page }) => open(page));
await scene("06-closed-form-phone", { phone: true, world: closed }, async ({ page }) => open(page));
await scene("06-closed-sent", { world: closed }, async ({ page, t }) => {
  await open(page);
  await page.locator("[name=email]").fill("ines@exemple.fr");
  await page.locator("[name=message]").fill(t("Rappelez-moi demain, merci.", "Please call me tomorrow."));
  await page.locator(".form .firm").click();
  await page.getByText(t("Message bien reçu", "We have your message")).waitFor();
});
await scene("07-offline", {}, async ({ page, world, t }) => {
  await talk({ page, world, t });
  await world.cut();
  await write(page, t("Vous êtes toujours là ?", "Are you still there?"));
  await page.locator(".bar.warn").waitFor();
});
await scene("08-refused", {}, async ({ page, world, t }) => {
  await talk({ page, world, t });
  world.onFrame = (frame) => {
    if (frame.op === "say")
      world.say({
        op: "nack",
        id: frame.id,
        error: { kind: "too_large", code: "message.too_long", remedy: "" },
      });
  };
  await write(page, t("Un très long texte", "A very long text"));
  await page.locator(".message.bad").waitFor();
});
await scene("09-end-ask", {}, async ({ page, world, t }) => {
  await talk({ page, world, t });
  await page.locator(".end").click();
});
await scene("09-ended", {}, async ({ page, world, t }) => {
  await talk({ page, world, t });
  await page.locator(".end").click();
  await page.locator(".ask .firm").click();
  await page.locator(".ended").waitFor();
  assert.equal(world.heard.at(-1).op, "leave");
});
await scene("10-fault", { world: { status: 403 } }, async ({ page }) => open(page));
await scene("10-loading", { looks: false }, async ({ page, world }) => {
  world.reachable = false;
  await page.evaluate(() => localStorage.clear());
  await page.reload();
  await open(page);
  await page.locator(".skeleton").waitFor();
});

// -- what must hold ----------------------------------------------------------------------------------
await scene("11-policy", { looks: false, world: { policy: POLICY } }, async ({ page, world, t }) => {
  await talk({ page, world, t });
  agentSays(world, "", {
    attachments: [{ address: "p", name: "depot.png", type: "image/png", size: 20_000 }],
  });
  await page.locator(".picture img").waitFor();
});
await scene(
  "12-walls",
  {
    looks: false,
    world: {
      css: "div, p, button, span { color: red !important; font-size: 40px !important; display: block } * { border: 3px solid lime !important }",
    },
  },
  async ({ page, world, t }) => {
    const before = await page.evaluate(() => getComputedStyle(document.body).font);
    await talk({ page, world, t });
    assert.equal(
      await page
        .locator(".bubble")
        .first()
        .evaluate((b) => getComputedStyle(b).fontSize),
      "14px",
    );
    assert.equal(await page.evaluate(() => getComputedStyle(document.body).font), before);
    const keys = [];
    await page.exposeFunction("pressed", (key) => keys.push(key));
    await page.evaluate(() => document.addEventListener("keydown", (e) => globalThis.pressed(e.key)));
    await page.locator(".composer textarea").press("a");
    assert.deepEqual(keys, [], "a shop's shortcut heard what was written in the chat");
    await page.keyboard.press("Escape");
    await page.locator(".panel").waitFor({ state: "detached" });
    assert.equal(await focused(page), "launcher");
  },
);
await scene("13-speed", { looks: false }, async ({ page }) => {
  // The best of five: what the widget needs, not what a busy machine adds.
  const took = await page.evaluate(async () => {
    const root = document.querySelector("guichet-widget").shadowRoot;
    // oxlint-disable-next-line unicorn/consistent-function-scoping -- this function runs in the page
    const frame = () => new Promise(requestAnimationFrame);
    const times = [];
    for (let i = 0; i < 5; i++) {
      const start = performance.now();
      root.querySelector(".launcher").click();
      while (!root.querySelector(".panel")) await frame();
      await frame();
      times.push(performance.now() - start);
      root.querySelector(".launcher").click();
      while (root.querySelector(".panel")) await frame();
    }
    return Math.min(...times);
  });
  console.log(`opens in ${took.toFixed(0)} ms`);
  assert.ok(took < 100, `opening took ${took} ms`);
});
await scene("14-cut-line", { looks: false }, async ({ page, world, t }) => {
  await talk({ page, world, t });
  const swallow = new Set();
  // The server keeps the words but its acknowledgement is lost with the line; then a reload, then the line is back.
  world.onFrame = (frame) => {
    if (frame.op === "say") {
      swallow.add(frame.id);
      world.store.push({
        n: world.store.length + 1,
        id: frame.id,
        author: "me",
        text: frame.text,
        at: Date.now(),
      });
    }
  };
  await write(page, "Arrivé, mais pas confirmé");
  await page.waitForTimeout(50);
  await world.cut();
  await write(page, "Écrit hors ligne");
  await page.locator(".composer textarea").fill("Pas encore envoyé");
  await page.reload();
  await page.getByText("Écrit hors ligne").waitFor();
  world.reachable = true;
  world.onFrame = answerPlainly;
  await page.waitForFunction(() => Object.keys(localStorage).every((key) => !key.includes(":out:")), null, {
    timeout: 15_000,
  });
  await page.getByText("Arrivé, mais pas confirmé").waitFor();
  const words = await page.locator(".message.me .bubble").allTextContents();
  assert.equal(new Set(words).size, words.length, `doubled: ${words}`);
  assert.equal(words.length, 4);
  assert.equal(world.store.filter((m) => m.author === "me").length, 4);
  assert.equal(await page.locator(".composer textarea").inputValue(), "Pas encore envoyé");
});
await scene("15-phone-trap", { phone: true, looks: false }, async ({ page }) => {
  await open(page);
  for (let i = 0; i < 12; i++) {
    await page.keyboard.press("Tab");
    assert.ok(
      await page.evaluate(() => document.activeElement?.tagName === "GUICHET-WIDGET"),
      "focus left the full screen",
    );
  }
});

function focused(page) {
  return page.evaluate(() => {
    const active = document.querySelector("guichet-widget").shadowRoot.activeElement;
    return active?.getAttribute("name") ?? active?.className;
  });
}

await browser.close();
assert.ok(SHOP);
for (const failure of failures) console.error(failure);
console.log(failures.length ? `${failures.length} faults` : `no faults; pictures in ${folder}`);
process.exit(failures.length ? 1 : 0);
