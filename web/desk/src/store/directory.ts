import type { ConfigRow } from "@guichet/protocol";
import { useCallback, useMemo } from "react";

import { useMe } from "./session.ts";
import { useView, type View } from "./views.ts";

/** Rows of one kind of configuration that are in use, by name. */
export function useKind(kind: string): readonly ConfigRow[] {
  const { organisation } = useMe();
  const rows = useView("config", organisation, (state: View<ConfigRow>) => state.rows);
  return useMemo(
    () =>
      rows
        .filter((row) => row.kind === kind && row.value["active"] !== false)
        .toSorted((a, b) => nameIn(a).localeCompare(nameIn(b))),
    [rows, kind],
  );
}

/** One piece of configuration, if it is there and this agent may read it. */
export function useConfig(kind: string, id: string | null | undefined): Record<string, unknown> | undefined {
  const { organisation } = useMe();
  return useView(
    "config",
    organisation,
    (state: View<ConfigRow>) => state.byKey.get(`${kind}\u0000${id ?? ""}`)?.value,
  );
}

export function nameIn(row: ConfigRow): string {
  const name = row.value["name"] ?? row.value["shortcut"];
  return typeof name === "string" ? name : row.id;
}

/** The name that people gave a thing; its id when it has none (or is gone). */
export function useName(kind: string, id: string | null | undefined): string {
  const name = useConfig(kind, id)?.["name"];
  return typeof name === "string" ? name : (id ?? "");
}

/** A function from id to name, for lists. */
export function useNames(kind: string): (id: string | null | undefined) => string {
  const { organisation } = useMe();
  const byKey = useView("config", organisation, (state: View<ConfigRow>) => state.byKey);
  return useCallback(
    (id) => {
      const name = byKey.get(`${kind}\u0000${id ?? ""}`)?.value["name"];
      return typeof name === "string" ? name : (id ?? "");
    },
    [byKey, kind],
  );
}
