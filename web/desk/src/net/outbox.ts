import type { Refusal } from "@guichet/protocol";

/** A command on its way, kept until the server has answered it; `failed` waits for a person. */
export interface Entry {
  key: string;
  name: string;
  payload: Record<string, unknown>;
  /** Order of writing: milliseconds, made unique within a window. */
  at: number;
  failed?: Refusal;
}

/**
 * Commands that outlive a reload, a crash and a lost line. One storage item per command, so that two
 * windows never overwrite each other; each carries its own key, so that sending one twice does nothing.
 */
export class Outbox {
  private last = 0;
  /** What the storage had no room for: kept for as long as this window lives. */
  private readonly overflow = new Map<string, Entry>();
  private readonly listeners = new Set<() => void>();
  private cached: readonly Entry[] | null = null;
  private readonly storage: Storage;
  private readonly prefix: string;

  constructor(storage: Storage, prefix: string) {
    this.storage = storage;
    this.prefix = prefix;
  }

  add(key: string, name: string, payload: Record<string, unknown>): Entry {
    this.last = Math.max(Date.now(), this.last + 1);
    const entry: Entry = { key, name, payload, at: this.last };
    this.write(entry);
    return entry;
  }

  fail(key: string, refusal: Refusal): void {
    const entry = this.entries().find((one) => one.key === key);
    if (entry) this.write({ ...entry, failed: refusal });
  }

  /** Makes a failed command ready to be sent again, under the same key. */
  revive(key: string): Entry | undefined {
    const entry = this.entries().find((one) => one.key === key);
    if (!entry) return undefined;
    const { failed: _, ...alive } = entry;
    this.write(alive);
    return alive;
  }

  remove(key: string): void {
    this.storage.removeItem(this.prefix + key);
    this.overflow.delete(key);
    this.changed();
  }

  /** Oldest first. The same array until something changes. */
  entries(): readonly Entry[] {
    if (this.cached) return this.cached;
    const found: Entry[] = [...this.overflow.values()];
    for (let index = 0; index < this.storage.length; index += 1) {
      const name = this.storage.key(index);
      if (!name?.startsWith(this.prefix)) continue;
      try {
        found.push(JSON.parse(this.storage.getItem(name) ?? "") as Entry);
      } catch {
        // Not ours to mend: an item that cannot be read is never sent.
      }
    }
    this.cached = found.toSorted((a, b) => a.at - b.at);
    return this.cached;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Another window wrote to the storage. */
  changed(): void {
    this.cached = null;
    for (const listener of this.listeners) listener();
  }

  private write(entry: Entry): void {
    try {
      this.storage.setItem(this.prefix + entry.key, JSON.stringify(entry));
    } catch {
      this.overflow.set(entry.key, entry);
    }
    this.changed();
  }
}
