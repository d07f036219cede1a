import { useQuery } from "@tanstack/react-query";
import { useDebouncedValue } from "@mantine/hooks";

import { address, http } from "../../net/index.ts";
import { listIn } from "../../net/lists.ts";

export interface FoundPerson {
  customer: string;
  client: string;
  name: string | null;
  email: string | null;
  phone: string | null;
}

export interface FoundConversation {
  conversation: string;
  client: string;
  channel: string;
  customer_name: string | null;
  subject_line: string | null;
  /** The words around what was found, where the server gives them. */
  excerpt?: string | null;
  last_words?: string | null;
  last_at?: number | null;
  at?: number | null;
}

export interface Found {
  people: FoundPerson[];
  conversations: FoundConversation[];
}

async function find(words: string, limit: number, signal: AbortSignal): Promise<Found> {
  const [people, talks] = await Promise.all([
    http.get<FoundPerson[] | Record<string, unknown>>(address("/api/customers", { words, limit }), signal),
    http.get<FoundConversation[] | Record<string, unknown>>(address("/api/search", { words, limit }), signal),
  ]);
  const conversations = listIn<FoundConversation>(talks, "conversations");
  return { people: listIn(people, "customers"), conversations };
}

/** People and conversations that match the words; asks the server when one pauses. */
export function useSearch(
  words: string,
  limit: number,
): { found: Found | undefined; failed: boolean; busy: boolean } {
  const [settled] = useDebouncedValue(words.trim(), 160);
  const query = useQuery({
    queryKey: ["search", settled, limit],
    queryFn: ({ signal }) => find(settled, limit, signal),
    enabled: settled.length >= 2,
    placeholderData: (before) => before,
  });
  return {
    found: settled.length >= 2 ? query.data : undefined,
    failed: query.isError,
    busy: query.isFetching,
  };
}
