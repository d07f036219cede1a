import { rowKey, theNet } from "../net/index.ts";
import type { Refusal, ViewName, Views, WireRow } from "@guichet/protocol";
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { createStore, type StoreApi } from "zustand/vanilla";
import { useStore } from "zustand";

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
/** The server allows 64 subscriptions on a socket; beyond this many, nothing lingers. */
const MANY = 40;

const open = new Map<string, Open>();

function emptyView(): View<WireRow> {
  return { rows: [], byKey: new Map(), ready: false, refused: null };
}

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
  const store = createStore<View<WireRow>>(emptyView);
  const end = theNet().link.subscribe({
    view,
    partition,
    snapshot: (rows) => store.setState(applySnapshot(view, rows), true),
    delta: (set, del) => store.setState((state) => applyDelta(view, state, set, del), true),
    refused: (refused) => store.setState({ ...emptyView(), ready: true, refused }, true),
  });
  return { store, users: 0, end, lingering: undefined };
}

/** Opens a view, or joins those who look at it already. */
export function openView(
  view: ViewName,
  partition: string,
): { store: StoreApi<View<WireRow>>; release(): void } {
  const name = `${view}\u0000${partition}`;
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
    entry.lingering = setTimeout(() => {
      open.delete(name);
      entry.end();
    }, wait);
  };
  return { store: entry.store, release };
}

/** Forgets every view: another agent signs in. */
export function forgetViews(): void {
  for (const entry of open.values()) clearTimeout(entry.lingering);
  open.clear();
}

const NOTHING = createStore<View<WireRow>>(emptyView);

function useStoreOf(view: ViewName, partition: string | null): StoreApi<View<WireRow>> {
  const store = useMemo(() => {
    if (partition === null) return NOTHING;
    // Opened here for the first paint, held by the effect below.
    const { store: found, release } = openView(view, partition);
    release();
    return found;
  }, [view, partition]);
  useEffect(() => {
    if (partition === null) return undefined;
    return openView(view, partition).release;
  }, [view, partition]);
  return store;
}

/** What `select` picks out of a view; drawn again only when that changes. `null` opens nothing. */
export function useView<V extends ViewName, Picked>(
  view: V,
  partition: string | null,
  select: (state: View<Views[V]>) => Picked,
): Picked {
  const store = useStoreOf(view, partition);
  return useStore(store as unknown as StoreApi<View<Views[V]>>, select);
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
