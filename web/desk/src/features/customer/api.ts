import type { ConversationRow } from "@guichet/protocol";

import { address, http } from "../../net/index.ts";

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

export function readCustomer(id: string): Promise<Customer> {
  return http.get<Customer>(`/api/customers/${encodeURIComponent(id)}`);
}

export interface ConversationFilter {
  customer?: string | undefined;
  state?: string | undefined;
  agent?: string | undefined;
  before?: number | undefined;
  limit?: number | undefined;
}

export function readConversations(filter: ConversationFilter): Promise<ConversationRow[]> {
  return http.get<ConversationRow[]>(address("/api/conversations", { ...filter }));
}
