import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { align, onSecond, serverNow, struckSecond } from "../src/net/clock.ts";
import { makeFormat } from "../src/i18n/format.ts";

beforeEach(() => {
  vi.useFakeTimers();
  vi.setSystemTime(new Date("2026-11-24T10:00:00.300Z"));
  align(Date.now(), 0, true);
});

afterEach(() => vi.useRealTimers());

test("the server's time is trusted with half the trip, and the shortest trip wins", () => {
  align(Date.now() + 5_000, 20, true);
  expect(serverNow() - Date.now()).toBe(5_010);
  align(Date.now() + 9_000, 4_000);
  expect(serverNow() - Date.now()).toBe(5_010);
  align(Date.now() + 5_001, 2);
  expect(serverNow() - Date.now()).toBe(5_002);
});

test("all listeners strike together, just after the server's full second, and stop with the last one", () => {
  align(Date.now() + 400, 0, true);
  const struck: number[] = [];
  const stops = [1, 2].map(() => onSecond(() => struck.push(struckSecond())));
  vi.advanceTimersByTime(299);
  expect(struck).toEqual([]);
  vi.advanceTimersByTime(10);
  expect(struck).toHaveLength(2);
  vi.advanceTimersByTime(3_000);
  expect(struck).toHaveLength(8);
  expect(new Set(struck).size).toBe(4);
  for (const stop of stops) stop();
  expect(vi.getTimerCount()).toBe(0);
});

test("running times read as people say them", () => {
  const { span } = makeFormat("fr");
  expect(span(-5)).toBe("0:00");
  expect(span(61_000)).toBe("1:01");
  expect(span(3 * 3_600_000 + 5 * 60_000)).toBe("3\u00a0h\u00a005");
  expect(span(50 * 3_600_000)).toBe("2\u00a0j");
});
