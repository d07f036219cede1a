import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { parseAst } from "vite";
import { describe, expect, test } from "vitest";

import { adminEn } from "../src/i18n/admin.en.ts";
import { adminFr } from "../src/i18n/admin.fr.ts";
import { en } from "../src/i18n/en.ts";
import { fr } from "../src/i18n/fr.ts";

const SOURCES = join(import.meta.dirname, "../src");

function places(words: string): string[] {
  return (words.match(/\{\{\w+\}\}/g) ?? []).toSorted();
}

describe.each([
  ["desk", en, fr],
  ["administration", adminEn, adminFr],
])("the words of the %s", (_name, english, french: Record<string, string>) => {
  test("exist in both languages, with the same places to fill", () => {
    expect(Object.keys(french).toSorted()).toEqual(Object.keys(english).toSorted());
    for (const [key, text] of Object.entries(english as Record<string, string>)) {
      expect([key, ...places(french[key] ?? "")]).toEqual([key, ...places(text)]);
    }
  });

  test("French keeps : ; ! ? and guillemets together with their word", () => {
    const apart = Object.entries(french).filter(([, text]) =>
      /[^\u00a0\u202f\s][:;!?](\s|$)|[ ][:;!?]|«[^\u00a0]|[^\u00a0]»|'/.test(text),
    );
    expect(apart).toEqual([]);
  });
});

interface Node {
  type?: string;
  value?: unknown;
  name?: { name?: string };
  [child: string]: unknown;
}

const READ_OUT = new Set(["aria-label", "label", "title", "placeholder", "alt", "description", "hint"]);
/** The product's own name, and what is not language. */
const NAMES = new Set(["Guichet"]);

function isWords(value: unknown): value is string {
  return typeof value === "string" && /\p{L}{2,}/u.test(value) && !NAMES.has(value.trim());
}

/** Texts that a component writes itself instead of asking for them by name. */
function hardCoded(node: Node, found: string[] = []): string[] {
  if (node.type === "JSXText" && isWords(node.value)) found.push(node.value.trim());
  if (node.type === "JSXAttribute" && READ_OUT.has(node.name?.name ?? "")) {
    const literal = node.value as Node | null;
    if (literal?.type === "Literal" && isWords(literal.value)) found.push(literal.value);
  }
  for (const child of Object.values(node)) {
    if (Array.isArray(child)) for (const one of child) hardCoded((one ?? {}) as Node, found);
    else if (typeof child === "object" && child !== null) hardCoded(child as Node, found);
  }
  return found;
}

function parse(source: string): Node {
  return parseAst(source, { lang: "tsx" }) as unknown as Node;
}

describe("components", () => {
  test("a hard-coded text would be noticed", () => {
    expect(hardCoded(parse(`const a = <p title="Bonjour">Salut toi</p>;`))).toEqual(["Bonjour", "Salut toi"]);
  });

  const files = readdirSync(SOURCES, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".tsx"),
  );

  test.each(files)("%s has no text of its own", (name) => {
    expect(hardCoded(parse(readFileSync(join(SOURCES, name), "utf8")))).toEqual([]);
  });
});
