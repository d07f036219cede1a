import { useQuery } from "@tanstack/react-query";
import { useDebouncedValue } from "@mantine/hooks";

import { address, http } from "../../net/index.ts";

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
  const [people, conversations] = await Promise.all([
    http.get<FoundPerson[]>(address("/api/customers", { words, limit }), signal),
    http.get<FoundConversation[]>(address("/api/search", { words, limit }), signal),
  ]);
  return { people, conversations };
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
