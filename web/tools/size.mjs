// Size budgets, gzip: what a visitor's shop loads, and what an agent's first screen loads.
import { readFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const STATIC = new URL("../../src/guichet/server/static/", import.meta.url).pathname;
const BUDGETS = { widget: 60_000, desk: 300_000 };

const gzip = (file) => gzipSync(readFileSync(join(STATIC, file))).length;

function firstLoad() {
  const page = readFileSync(join(STATIC, "desk/index.html"), "utf8");
  const named = page.matchAll(/(?:src|href)="\/(desk\/[^"]+\.(?:js|css))"/g);
  return [...new Set([...named].map((match) => match[1]))];
}

if (!existsSync(join(STATIC, "desk/index.html"))) {
  console.error("the web app is not built: make web");
  process.exit(1);
}
const sizes = {
  widget: gzip("widget/guichet.js"),
  desk: firstLoad().reduce((total, file) => total + gzip(file), 0),
};
let over = false;
for (const [name, size] of Object.entries(sizes)) {
  const verdict = size <= BUDGETS[name] ? "ok" : "OVER";
  over ||= verdict === "OVER";
  console.log(`${name}: ${(size / 1000).toFixed(1)} of ${BUDGETS[name] / 1000} kB gzip, ${verdict}`);
}
process.exit(over ? 1 : 0);
