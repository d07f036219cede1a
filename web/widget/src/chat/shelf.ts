/** What one entry point's widget keeps in this browser. Where storage is refused, it lives as long as the page. */
export interface Shelf {
  get(key: string): string | null;
  set(key: string, value: string): void;
  remove(key: string): void;
  /** Names that begin so, sorted. */
  keys(prefix: string): string[];
}

export function openShelf(entry: string, storage: Storage | null = usableStorage()): Shelf {
  const memory = new Map<string, string>();
  const name = (key: string): string => `guichet:${entry}:${key}`;
  const own = name("");
  return {
    get: (key) => memory.get(key) ?? storage?.getItem(name(key)) ?? null,
    set(key, value) {
      try {
        if (!storage) throw new Error("no storage");
        storage.setItem(name(key), value);
        memory.delete(key);
      } catch {
        memory.set(key, value); // full or refused: better kept for this page than lost
      }
    },
    remove(key) {
      memory.delete(key);
      storage?.removeItem(name(key));
    },
    keys(prefix) {
      const found = new Set(memory.keys());
      for (let i = 0; i < (storage?.length ?? 0); i++) {
        const key = storage?.key(i);
        if (key?.startsWith(own)) found.add(key.slice(own.length));
      }
      return [...found].filter((key) => key.startsWith(prefix)).toSorted();
    },
  };
}

function usableStorage(): Storage | null {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}
