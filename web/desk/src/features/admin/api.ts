import { useQueries, useQuery } from "@tanstack/react-query";

import { http } from "../../net/index.ts";
import { KINDS, type Kind } from "./layout.ts";
import { refersTo, type Schema, type Value } from "./schema.ts";

export interface Item {
  id: string;
  version: number;
  value: Value;
}

export interface Version {
  version: number;
  value: Value;
  at: number;
  by: string;
}

export interface Schemas {
  kinds: Record<string, Schema>;
  /** Each channel's own part of an entry point. */
  channels: Record<string, Schema>;
  policies: string[];
}

/** The schemas of every kind, from which the forms are made. */
export function useSchemas() {
  return useQuery({
    queryKey: ["config", "kinds"],
    staleTime: Infinity,
    queryFn: () => http.get<Schemas>("/api/config/kinds"),
  });
}

function itemsOf(kind: string) {
  return {
    queryKey: ["config", kind],
    queryFn: () => http.get<Item[]>(`/api/config/${kind}`),
  };
}

export function useItems(kind: string) {
  return useQuery(itemsOf(kind));
}

export function useHistory(kind: string, id: string, version: number) {
  return useQuery({
    queryKey: ["config", kind, id, version],
    queryFn: () => http.get<Version[]>(`/api/config/${kind}/${encodeURIComponent(id)}/history`),
  });
}

/** How many things of each kind name this one: whom a change touches. */
export function useTouched(kind: Kind, id: string | null, schemas: Schemas | undefined): [Kind, number][] {
  const others = KINDS.filter((one) => JSON.stringify(schemas?.kinds[one] ?? {}).includes(`"ref":"${kind}"`));
  const lists = useQueries({ queries: others.map((one) => itemsOf(one)) });
  if (id === null || !schemas) return [];
  return others.flatMap((one, index): [Kind, number][] => {
    const schema = schemas.kinds[one];
    if (!schema) return [];
    const count = (lists[index]?.data ?? []).filter((item) =>
      refersTo(item.value, schema, schema, kind, id),
    ).length;
    return count > 0 ? [[one, count]] : [];
  });
}
