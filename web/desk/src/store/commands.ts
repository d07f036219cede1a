import type { Attachment, Presence } from "@guichet/protocol";
import { useMemo, useSyncExternalStore } from "react";

import { newKey, theNet, type Entry } from "../net/index.ts";

type Answer = Promise<Record<string, unknown>>;

/** Sent now or not at all: nobody wants an old "accept" carried out when the line is back. */
function atOnce(name: string, payload: Record<string, unknown>): Answer {
  return theNet().link.command(name, payload, { keep: false });
}

/** Kept until the server has answered, through a lost line and a reload. */
function kept(name: string, payload: Record<string, unknown>, key?: string): Answer {
  return theNet().link.command(name, payload, key === undefined ? {} : { key });
}

/** Everything that the desk may ask of the server, by its wire name. */
export const commands = {
  acceptOffer: (offer: string) => atOnce("accept_offer", { offer }),
  declineOffer: (offer: string) => atOnce("decline_offer", { offer }),
  setPresence: (presence: Presence, reason: string | null, agent: string | null = null) =>
    atOnce("set_presence", { agent, presence, reason: reason ?? "" }),
  take: (conversation: string) => atOnce("take", { conversation }),
  assign: (conversation: string, agent: string) => atOnce("assign", { conversation, agent }),
  undoMessage: (conversation: string, message: string) => atOnce("undo_message", { conversation, message }),
  retryMessage: (conversation: string, message: string) => atOnce("retry_message", { conversation, message }),
  setConfig: (kind: string, id: string, value: Record<string, unknown>, expected: number) =>
    atOnce("set_config", { kind, id, value, expected_version: expected }),
  transfer: (conversation: string, to: { queue: string | null; agent: string | null }, note: string) =>
    atOnce("transfer", { conversation, ...to, note }),

  sendMessage: (conversation: string, text: string, attachments: Attachment[]) => {
    const message = newKey();
    return kept("send_message", { conversation, message, text, attachments }, message);
  },
  addNote: (conversation: string, text: string) => kept("add_note", { conversation, text }),
  park: (conversation: string, until: number | null) => kept("park", { conversation, until }),
  close: (conversation: string) => kept("close", { conversation }),
  finishWrapup: (task: string, disposition: string | null, note: string) =>
    kept("finish_wrapup", { task, disposition, note }),
  tag: (conversation: string, tags: string[]) => kept("tag", { conversation, tags }),
  describeCustomer: (customer: string, fields: Record<string, string | null>) =>
    kept("describe_customer", { customer, ...fields }),
};

function useEntries(): readonly Entry[] {
  const { outbox } = theNet();
  return useSyncExternalStore(outbox.subscribe, () => outbox.entries());
}

/** Commands about one conversation that the server has not answered yet, or has refused. */
export function useUnanswered(conversation: string): readonly Entry[] {
  const entries = useEntries();
  return useMemo(
    () => entries.filter((entry) => entry.payload["conversation"] === conversation),
    [entries, conversation],
  );
}

/** How many commands wait for the line to come back. */
export function useKeptCount(): number {
  return useEntries().filter((entry) => !entry.failed).length;
}

/** Refused commands that no thread shows in place: each waits for a person's decision. */
export function useRefusedCommands(): readonly Entry[] {
  const entries = useEntries();
  return useMemo(
    () =>
      entries.filter((entry) => entry.failed && entry.name !== "send_message" && entry.name !== "add_note"),
    [entries],
  );
}

export function retryCommand(key: string): void {
  theNet()
    .link.retry(key)
    .catch(() => {});
}

export function discardCommand(key: string): void {
  theNet().outbox.remove(key);
}
