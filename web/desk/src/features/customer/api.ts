import type { ConversationRow } from "@guichet/protocol";

import { address, http } from "../../net/index.ts";
import { listIn } from "../../net/lists.ts";

export interface Customer {
  customer: string;
  client: string;
  name: string | null;
  email: string | null;
  phone: string | null;
  language: string | null;
  anonymous: boolean;
  created_at: number;
  identities: { kind: string; handle: string; proven: boolean }[];
}

export async function readCustomer(id: string): Promise<Customer> {
  const answer = await http.get<Customer & { row?: Customer }>(`/api/customers/${encodeURIComponent(id)}`);
  return { ...answer, ...answer.row, identities: answer.identities ?? [] };
}

export interface ConversationFilter {
  customer?: string | undefined;
  state?: string | undefined;
  agent?: string | undefined;
  before?: number | undefined;
  limit?: number | undefined;
}

export async function readConversations(filter: ConversationFilter): Promise<ConversationRow[]> {
  const answer = await http.get<ConversationRow[] | Record<string, unknown>>(
    address("/api/conversations", { ...filter }),
  );
  return listIn(answer, "conversations");
}
