import { rowKey, theNet } from "../net/index.ts";
import type { Refusal, ViewName, Views, WireRow } from "@guichet/protocol";
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { createStore, type StoreApi } from "zustand/vanilla";

/** The rows of one view and partition as the server last told them. */
export interface View<Row> {
  rows: readonly Row[];
  byKey: ReadonlyMap<string, Row>;
  /** False until the first snapshot; stays true through a lost line, as the rows stay on the screen. */
  ready: boolean;
  refused: Refusal | null;
}

interface Open {
  store: StoreApi<View<WireRow>>;
  users: number;
  end(): void;
  lingering: ReturnType<typeof setTimeout> | undefined;
}

/** A view that nobody looks at any more stays subscribed this long: going back is instant. */
const LINGER = 20_000;
/** Beyond this many, nothing lingers. */
const MANY = 64;
/** As many as the server allows on one socket: what nobody looks at makes room at once. */
const ROOM = 128;

const open = new Map<string, Open>();

const EMPTY: View<WireRow> = { rows: [], byKey: new Map(), ready: false, refused: null };

function viewOf(rows: Map<string, WireRow>): View<WireRow> {
  return { rows: [...rows.values()], byKey: rows, ready: true, refused: null };
}

/** A snapshot takes the place of all rows; a row that did not change keeps its identity. */
export function applySnapshot(view: ViewName, rows: WireRow[]): View<WireRow> {
  return viewOf(new Map(rows.map((row) => [rowKey(view, row), row])));
}

export function applyDelta(
  view: ViewName,
  state: View<WireRow>,
  set: WireRow[],
  del: WireRow[],
): View<WireRow> {
  const rows = new Map(state.byKey);
  for (const row of del) rows.delete(rowKey(view, row));
  for (const row of set) {
    const key = rowKey(view, row);
    rows.set(key, { ...rows.get(key), ...row });
  }
  return viewOf(rows);
}

function start(view: ViewName, partition: string): Open {
  const store = createStore<View<WireRow>>(() => EMPTY);
  const end = theNet().link.subscribe({
    view,
    partition,
    snapshot: (rows) => store.setState(applySnapshot(view, rows), true),
    delta: (set, del) => store.setState((state) => applyDelta(view, state, set, del), true),
    refused: (refused) => store.setState({ ...EMPTY, ready: true, refused }, true),
  });
  return { store, users: 0, end, lingering: undefined };
}

function nameOf(view: ViewName, partition: string): string {
  return `${view}\u0000${partition}`;
}

function finish(name: string, entry: Open): void {
  clearTimeout(entry.lingering);
  open.delete(name);
  entry.end();
}

function makeRoom(): void {
  for (const [name, entry] of open) {
    if (open.size < ROOM) return;
    if (entry.users === 0) finish(name, entry);
  }
}

/** Opens a view, or joins those who look at it already. */
export function openView(
  view: ViewName,
  partition: string,
): { store: StoreApi<View<WireRow>>; release(): void } {
  const name = nameOf(view, partition);
  if (!open.has(name)) makeRoom();
  const entry = open.get(name) ?? start(view, partition);
  open.set(name, entry);
  entry.users += 1;
  clearTimeout(entry.lingering);
  let released = false;
  const release = () => {
    if (released) return;
    released = true;
    entry.users -= 1;
    if (entry.users > 0) return;
    const wait = open.size > MANY ? 0 : LINGER;
    entry.lingering = setTimeout(() => finish(name, entry), wait);
  };
  return { store: entry.store, release };
}

/** Forgets every view: another agent signs in. */
export function forgetViews(): void {
  for (const entry of open.values()) clearTimeout(entry.lingering);
  open.clear();
}

/** What `select` picks out of a view; drawn again only when that changes. `null` opens nothing. */
export function useView<V extends ViewName, Picked>(
  view: V,
  partition: string | null,
  select: (state: View<Views[V]>) => Picked,
): Picked {
  const watch = useCallback(
    (changed: () => void) => {
      if (partition === null) return () => {};
      const { store, release } = openView(view, partition);
      const stop = store.subscribe(changed);
      return () => {
        stop();
        release();
      };
    },
    [view, partition],
  );
  return useSyncExternalStore(watch, () => {
    const here = partition === null ? undefined : open.get(nameOf(view, partition));
    return select((here?.store.getState() ?? EMPTY) as unknown as View<Views[V]>);
  });
}

/** The one row of a view that has only one, such as a conversation. */
export function useOnly<V extends ViewName>(view: V, partition: string | null): Views[V] | undefined {
  return useView(view, partition, (state) => state.rows[0]);
}

/** One row each of many partitions, such as the conversations behind a work list. */
export function useEach<V extends ViewName>(
  view: V,
  partitions: readonly string[],
): ReadonlyMap<string, Views[V]> {
  const names = useMemo(() => [...new Set(partitions)].toSorted().join("\u0000"), [partitions]);
  const held = useRef(new Map<string, ReturnType<typeof openView>>());
  const [collect] = useState(() => createStore<ReadonlyMap<string, Views[V]>>(() => new Map()));
  useEffect(() => {
    const wanted = names === "" ? [] : names.split("\u0000");
    const stops: (() => void)[] = [];
    const gather = () => {
      const rows = new Map<string, Views[V]>();
      for (const [name, { store }] of held.current) {
        const row = store.getState().rows[0];
        if (row) rows.set(name, row as unknown as Views[V]);
      }
      collect.setState(rows, true);
    };
    const before = held.current;
    held.current = new Map(wanted.map((name) => [name, openView(view, name)]));
    for (const { release } of before.values()) release();
    for (const { store } of held.current.values()) stops.push(store.subscribe(gather));
    gather();
    return () => {
      for (const stop of stops) stop();
    };
  }, [names, view, collect]);
  useEffect(
    () => () => {
      for (const { release } of held.current.values()) release();
      held.current = new Map();
    },
    [],
  );
  return useSyncExternalStore(collect.subscribe, collect.getState);
}
