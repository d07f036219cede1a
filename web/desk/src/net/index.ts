import { createStore } from "zustand/vanilla";

import type { Hello } from "@guichet/protocol";

import { Link, type Line, type Signal } from "./link.ts";
import { Outbox } from "./outbox.ts";

export { serverNow } from "./clock.ts";
export { address, http, Refused, refusalOf, whenSignedOut } from "./http.ts";
export { newKey, rowKey, type Subscriber } from "./link.ts";
export type { Entry } from "./outbox.ts";

interface Net {
  link: Link;
  outbox: Outbox;
}

let net: Net | null = null;

/** Who is writing where, until when: conversation -> "customer" or the agent's id -> signal. */
export const writers = createStore<Record<string, Record<string, Signal>>>(() => ({}));

function openLine(): Line {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  return new WebSocket(`${scheme}://${location.host}/api/desk`);
}

function heardWriting(signal: Signal): void {
  writers.setState((all) => ({
    ...all,
    [signal.conversation]: { ...all[signal.conversation], [signal.agent ?? signal.who]: signal },
  }));
}

/** Opens the line for one agent; the outbox is his alone, whoever else uses this browser. */
export function openNet(agent: Pick<Hello, "agent">): Net {
  net?.link.stop();
  const prefix = `guichet.outbox.${agent.agent}.`;
  const outbox = new Outbox(localStorage, prefix);
  const link = new Link({ open: openLine, outbox, onSignal: heardWriting });
  net = { link, outbox };
  addEventListener("online", () => link.hurry());
  addEventListener("offline", () => link.cut());
  addEventListener("storage", (event) => {
    if (event.key === null || event.key.startsWith(prefix)) outbox.changed();
  });
  link.start();
  return net;
}

export function closeNet(): void {
  net?.link.stop("signed_out");
  net = null;
}

/** The line and the outbox of the signed-in agent. Throws before sign-in: no screen is drawn then. */
export function theNet(): Net {
  if (!net) throw new Error("nobody is signed in");
  return net;
}
