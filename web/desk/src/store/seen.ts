import { useSyncExternalStore } from "react";

/** How far an agent has read each conversation, in this browser; shared by its windows. */
const PREFIX = "guichet.seen.";
const listeners = new Set<() => void>();

function tell(): void {
  for (const listener of listeners) listener();
}

addEventListener("storage", (event) => {
  if (event.key?.startsWith(PREFIX)) tell();
});

export function markSeen(conversation: string, n: number): void {
  const name = PREFIX + conversation;
  if (Number(localStorage.getItem(name) ?? 0) >= n) return;
  try {
    localStorage.setItem(name, String(n));
  } catch {
    return;
  }
  tell();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useSeen(conversation: string): number {
  return useSyncExternalStore(subscribe, () => Number(localStorage.getItem(PREFIX + conversation) ?? 0));
}
