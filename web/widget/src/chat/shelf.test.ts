import { expect, it } from "vitest";
import { newId, Outbox } from "./outbox.ts";
import { openShelf } from "./shelf.ts";

const full = {
  length: 0,
  key: () => null,
  getItem: () => null,
  setItem: () => {
    throw new DOMException("QuotaExceededError");
  },
  removeItem: () => undefined,
  clear: () => undefined,
} satisfies Storage;

it.each([
  ["refused", null],
  ["full", full],
])("keeps words for the page's life where storage is %s", (_, storage) => {
  const outbox = new Outbox(openShelf("e", storage));
  const { id } = outbox.add("Bonjour");
  expect(outbox.waiting().map((m) => m.text)).toEqual(["Bonjour"]);
  expect(outbox.settle(id)?.text).toBe("Bonjour");
  expect(outbox.all()).toEqual([]);
});

it("keeps entry points apart and survives a stranger's value", () => {
  localStorage.clear();
  const one = new Outbox(openShelf("one"));
  one.add("à un");
  localStorage.setItem("guichet:one:out:zz", "{broken");
  expect(new Outbox(openShelf("two")).all()).toEqual([]);
  expect(new Outbox(openShelf("one")).all().map((m) => m.text)).toEqual(["à un"]);
});

it("makes ids that sort by time and fit the wire", () => {
  const ids = Array.from({ length: 50 }, newId);
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set(ids).size).toBe(50);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
});
