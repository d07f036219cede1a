// Takes a screenshot of every screen in both themes and languages, and asks axe about each.
//   node tests/mock/shots.mjs <url of the mock> <folder> [name ...]
import { readFileSync } from "node:fs";

import { chromium } from "playwright-core";

const [, , BASE, OUT, ...ONLY] = process.argv;
const AXE = readFileSync(new URL("../../../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const scene = (path) => fetch(`${BASE}/mock/${path}`);
const type = (text) => async (page) => page.locator("textarea").first().fill(text);

const SHOTS = {
  work: { path: "/work/c2" },
  offer: { path: "/work/c2", scenes: ["offer"] },
  mail: { path: "/work/c5" },
  html: { path: "/work/c5", act: (page) => page.locator(".mail-acts button").nth(1).click() },
  undo: { path: "/work/c6" },
  wrapup: { path: "/work/c4" },
  note: {
    path: "/work/c2",
    act: async (page) => {
      await page.locator(".composer-kinds button").nth(1).click();
      await type("Rappeler demain, la boutique confirme.")(page);
    },
  },
  canned: {
    path: "/work/c2",
    act: async (page) => {
      await page.locator("textarea").first().click();
      await page.keyboard.type("/");
    },
  },
  collision: { path: "/work/c2", scenes: ["writes?in=c2&agent=paul", "writes?in=c2"] },
  empty: { path: "/work", scenes: ["empty", "noqueue"] },
  missed: { path: "/work/c2", scenes: ["missed"] },
  offline: {
    path: "/work/c2",
    after: ["silence?ms=60000"],
    act: async (page) => {
      await page.waitForSelector(".bar");
      await type("Je reviens vers vous.")(page);
      await page.keyboard.press("Enter");
      await page.waitForTimeout(500);
    },
  },
  take: { path: "/work/c1" },
  transfer: { path: "/work/c2", act: (page) => page.locator(".thread-acts button").first().click() },
  tags: { path: "/work/c5", act: (page) => page.keyboard.press("l") },
  why: {
    path: "/work/c2",
    act: async (page) => {
      await page.keyboard.press("w");
      await page.waitForSelector(".why");
    },
  },
  keymap: { path: "/work/c2", act: (page) => page.keyboard.press("?") },
  palette: {
    path: "/work/c2",
    act: async (page) => {
      await page.keyboard.press("Control+k");
      await page.waitForTimeout(200);
      await page.keyboard.type("mo");
      await page.waitForTimeout(700);
    },
  },
  presence: { path: "/work/c2", act: (page) => page.locator(".rail-presence").click() },
  park: { path: "/work/c2", act: (page) => page.locator(".thread-acts button").nth(1).click() },
  customer: { path: "/work/c2", act: (page) => page.keyboard.press("c") },
  conversations: { path: "/conversations" },
  found: { path: "/conversations?words=facture" },
  queues: { path: "/queues" },
  queue: { path: "/queues?queue=velo" },
  agent: { path: "/queues?agent=amina" },
  case: { path: "/queues?queue=velo&conversation=c2" },
  settings: { path: "/settings" },
  organisation: { path: "/admin/organisation" },
  agents: { path: "/admin/agent/paul" },
  queueform: { path: "/admin/queue/commandes" },
  hours: { path: "/admin/hours/semaine" },
  entry: { path: "/admin/entry_point/boutique" },
  faults: {
    path: "/admin/agent/new",
    act: async (page) => {
      await page.locator("input[id='field-email']").fill("nulle part");
      await page.locator(".item-head button[type=submit]").click();
    },
  },
  signin: { path: "/work", scenes: ["mode?is=signed_out"] },
  setup: { path: "/work", scenes: ["mode?is=setup"] },
  invitation: { path: "/invitation/abc" },
};

const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
let faulty = 0;
for (const [width, height, theme, language] of (process.env.SIZES ?? "1440x900 light fr")
  .split(",")
  .map((one) => {
    const [size, ...rest] = one.trim().split(" ");
    return [...size.split("x").map(Number), ...rest];
  })) {
  for (const [name, shot] of Object.entries(SHOTS)) {
    if (ONLY.length > 0 && !ONLY.includes(name)) continue;
    await scene("reset");
    for (const one of shot.scenes ?? []) if (!one.startsWith("writes")) await scene(one);
    const context = await browser.newContext({
      viewport: { width, height },
      locale: language === "fr" ? "fr-FR" : "en-GB",
      reducedMotion: "reduce",
    });
    await context.addInitScript(
      ([chosen, lang]) =>
        localStorage.setItem(
          "guichet.settings",
          JSON.stringify({
            state: {
              theme: chosen,
              language: lang,
              density: "compact",
              sound: "none",
              volume: 0.5,
              notifications: false,
              letters: true,
              folded: innerWidth < 1101,
            },
            version: 0,
          }),
        ),
      [theme, language],
    );
    const page = await context.newPage();
    page.on("pageerror", (error) => console.error(name, "page error", error.message));
    page.on(
      "console",
      (message) =>
        message.type() === "error" &&
        !/Failed to load|WebSocket|ERR_/.test(message.text()) &&
        console.error(name, message.text().slice(0, 400)),
    );
    await page.goto(`${BASE}/desk${shot.path}`);
    await page.waitForTimeout(700);
    for (const one of shot.scenes ?? []) if (one.startsWith("writes")) await scene(one);
    for (const one of shot.after ?? []) await scene(one);
    try {
      await shot.act?.(page);
    } catch (error) {
      console.error(name, "act failed", error.message.split("\n")[0]);
    }
    await page.waitForTimeout(450);
    await page.screenshot({ path: `${OUT}/${name}-${width}-${theme}-${language}.png` });
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() =>
      window.axe.run(document, {
        runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
      }),
    );
    for (const fault of violations) {
      faulty += 1;
      console.error(
        `${name}-${width}-${theme}-${language}: ${fault.id}: ${fault.nodes
          .slice(0, 3)
          .map((node) => `${node.html.slice(0, 220)} ${node.any[0]?.message ?? ""}`)
          .join(" | ")}`.slice(0, 600),
      );
    }
    await context.close();
  }
}
await browser.close();
console.error(`${faulty} axe faults`);
process.exit(faulty > 0 ? 1 : 0);
