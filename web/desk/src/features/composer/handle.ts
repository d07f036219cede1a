import type { Attachment, DraftKind } from "@guichet/protocol";

/** What others may ask of the composer of a conversation. */
export interface ComposerHandle {
  focus(kind: DraftKind): void;
  /** Puts back words that were not sent after all, before what stands there now. */
  restore(text: string, attachments: readonly Attachment[], kind?: DraftKind): void;
}

const handles = new Map<string, ComposerHandle>();
let expected: string | null = null;

/** Somebody just took a conversation: once it is in hand, the composer is where one wants to be. */
export function expectComposer(conversation: string): void {
  expected = conversation;
}

/** Whether that was so of this conversation; asked once. */
export function wasExpected(conversation: string): boolean {
  if (expected !== conversation) return false;
  expected = null;
  return true;
}

export function composerOf(conversation: string): ComposerHandle | undefined {
  return handles.get(conversation);
}

export function offerComposer(conversation: string, handle: ComposerHandle): () => void {
  handles.set(conversation, handle);
  return () => {
    if (handles.get(conversation) === handle) handles.delete(conversation);
  };
}
