// One Chromium that a test drives from outside: JSON lines in, JSON lines out.
//   {"id", "context": name, "options"}               a context of its own: cookies, language, colours
//   {"id", "page": name, "of": context}              a page in it, whose faults are kept
//   {"id", "on": page or context, "do": [step, ...]} walks the steps from there: "keyboard" takes a property,
//                                                    ["press", "Enter"] calls a method; the last value is answered
//   {"id", "evaluate": page, "source", "arg"}        runs a function in the page
//   {"id", "axe": page, "within": selector}          what axe-core finds
//   {"id", "faults": page}                           what went wrong in it since it was asked last
//   {"id", "close": context}
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const PATIENCE = 15_000;

const browser = await chromium.launch({
  executablePath: process.env["GUICHET_CHROMIUM"] ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
    ...(process.env["GUICHET_CHROMIUM_ARGUMENTS"] ?? "").split(" ").filter(Boolean),
  ],
});
const contexts = new Map();
const pages = new Map();
const faults = new Map();

function watch(name, page) {
  const found = [];
  faults.set(name, found);
  page.on("pageerror", (error) => found.push(`exception: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() !== "error" && message.type() !== "warning") return;
    found.push(`${message.type()}: ${message.text()} (${message.location().url})`);
  });
  page.on("response", (response) => {
    if (response.status() >= 500) found.push(`status ${response.status()}: ${response.url()}`);
  });
}

const plain = (value) => {
  try {
    return value === undefined ? null : JSON.parse(JSON.stringify(value));
  } catch {
    return null; // a page, a locator, ...: of no use outside
  }
};

async function walk(from, steps) {
  let at = from;
  for (const step of steps) {
    const [name, ...args] = [step].flat(1);
    at = Array.isArray(step) ? await at[name](...args) : at[name];
  }
  const bytes = Buffer.isBuffer(at) || at instanceof Uint8Array;
  const simple = at === null || typeof at !== "object" || Array.isArray(at) || at.constructor === Object;
  return bytes || !simple ? null : plain(at);
}

async function axe(page, within) {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(AXE);
  return page.evaluate(
    async ([root, rules]) => {
      const { violations } = await globalThis.axe.run(root ?? document, { runOnly: rules });
      return violations.map(
        ({ id, nodes }) =>
          `${id}: ${nodes
            .slice(0, 3)
            .map(
              (node) =>
                `${node.html.slice(0, 200)} ${(node.any[0] ?? node.all[0] ?? node.none[0])?.message ?? ""}`,
            )
            .join(" | ")}`,
      );
    },
    [within, RULES],
  );
}

async function obey(asked) {
  if ("context" in asked) {
    const context = await browser.newContext(asked.options);
    context.setDefaultTimeout(PATIENCE);
    contexts.set(asked.context, context);
    return null;
  }
  if ("page" in asked) {
    const page = await contexts.get(asked.of).newPage();
    pages.set(asked.page, page);
    watch(asked.page, page);
    return null;
  }
  if ("evaluate" in asked)
    return plain(await pages.get(asked.evaluate).evaluate(`(${asked.source})(${JSON.stringify(asked.arg)})`));
  if ("axe" in asked) return axe(pages.get(asked.axe), asked.within);
  if ("faults" in asked) return faults.get(asked.faults).splice(0);
  if ("close" in asked) {
    await contexts.get(asked.close).close();
    contexts.delete(asked.close);
    return null;
  }
  return walk(pages.get(asked.on) ?? contexts.get(asked.on), asked.do);
}

// One after the other: a test says what it wants in order, and waits for each answer.
for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  let answer;
  try {
    answer = { id: asked.id, ok: await obey(asked) };
  } catch (error) {
    answer = { id: asked.id, error: error.message };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
