import type { Attachment, WireError } from "../wire.ts";
import type { Shelf } from "./shelf.ts";

/** Words on their way: kept, with their text, until the server has acknowledged or finally refused them. */
export interface Outgoing {
  id: string;
  text: string;
  attachments: Attachment[];
  /** Milliseconds since the epoch, by this browser's clock. */
  at: number;
  /** Why the server will never take it; the visitor decides what to do. */
  refused?: WireError;
}

/**
 * One key a message, so that two tabs of one shop never overwrite each other's words. Both tabs may send
 * the same message: it carries the same id, and the server takes it once.
 */
export class Outbox {
  constructor(private readonly shelf: Shelf) {}

  all(): Outgoing[] {
    return this.shelf.keys("out:").flatMap((key) => read(this.shelf.get(key)));
  }

  waiting(): Outgoing[] {
    return this.all().filter((message) => !message.refused);
  }

  add(text: string, attachments: Attachment[] = []): Outgoing {
    const message = { id: newId(), text, attachments, at: Date.now() };
    this.put(message);
    return message;
  }

  /** Gives the message back if it was waiting here. */
  settle(id: string): Outgoing | undefined {
    const [message] = read(this.shelf.get(`out:${id}`));
    this.shelf.remove(`out:${id}`);
    return message;
  }

  refuse(id: string, error: WireError): void {
    const [message] = read(this.shelf.get(`out:${id}`));
    if (message) this.put({ ...message, refused: error });
  }

  private put(message: Outgoing): void {
    this.shelf.set(`out:${message.id}`, JSON.stringify(message));
  }
}

function read(text: string | null): Outgoing[] {
  if (!text) return [];
  try {
    const value = JSON.parse(text) as Outgoing;
    return typeof value.id === "string" && typeof value.text === "string" ? [value] : [];
  } catch {
    return []; // something else wrote under our name
  }
}

let last = 0;

/** 32 hexadecimal digits that sort by the time they were made. */
export function newId(): string {
  last = Math.max(last + 1, Date.now());
  const chance = crypto.getRandomValues(new Uint8Array(10));
  return (
    last.toString(16).padStart(12, "0") + Array.from(chance, (b) => b.toString(16).padStart(2, "0")).join("")
  );
}
