import type { Attachment, DraftKind } from "@guichet/protocol";

/** What others may ask of the composer of a conversation. */
export interface ComposerHandle {
  focus(kind: DraftKind): void;
  /** Puts back words that were not sent after all, before what stands there now. */
  restore(text: string, attachments: readonly Attachment[], kind?: DraftKind): void;
}

const handles = new Map<string, ComposerHandle>();

export function composerOf(conversation: string): ComposerHandle | undefined {
  return handles.get(conversation);
}

export function offerComposer(conversation: string, handle: ComposerHandle): () => void {
  handles.set(conversation, handle);
  return () => {
    if (handles.get(conversation) === handle) handles.delete(conversation);
  };
}
