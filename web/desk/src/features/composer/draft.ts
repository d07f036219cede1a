import type { Attachment, Draft, DraftKind } from "@guichet/protocol";
import { createStore, type StoreApi } from "zustand/vanilla";

import { http, refusalOf } from "../../net/index.ts";
import { whenLeaving } from "../../store/session.ts";

export interface DraftState {
  text: string;
  attachments: readonly Attachment[];
  /** What another window or agent saved meanwhile, when it differs from what stands here. */
  conflict: Draft | null;
  /** Something typed is not on the server yet. */
  dirty: boolean;
  /** The server was asked what it has. */
  loaded: boolean;
}

interface Shared {
  conversation: string;
  kind: DraftKind;
  draft: Draft;
}

const WAIT = 600;
const RETRY = 4_000;
const PREFIX = "guichet.draft.";

const channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("guichet.drafts");

/**
 * One draft. What is typed goes to this browser's storage at once and to the server within a second; the
 * storage holds only what the server does not have yet. Revisions tell when somebody else wrote meanwhile.
 */
export class DraftKeeper {
  readonly store: StoreApi<DraftState>;
  private revision = 0;
  private version = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private saving = false;
  private readonly path: string;
  private readonly local: string;
  private readonly conversation: string;
  private readonly kind: DraftKind;

  constructor(conversation: string, kind: DraftKind) {
    this.conversation = conversation;
    this.kind = kind;
    this.path = `/api/drafts/${encodeURIComponent(conversation)}/${kind}`;
    this.local = `${PREFIX}${conversation}.${kind}`;
    this.store = createStore<DraftState>(() => ({
      text: "",
      attachments: [],
      conflict: null,
      dirty: false,
      loaded: false,
    }));
    this.recover();
  }

  /** Asks the server for what it has. */
  async load(): Promise<void> {
    let theirs: Draft | null = null;
    try {
      theirs = await http.get<Draft | null>(this.path);
    } catch (error) {
      if (refusalOf(error).kind !== "not_found") {
        this.store.setState({ loaded: true });
        if (this.store.getState().dirty) this.plan(RETRY);
        return;
      }
    }
    this.store.setState({ loaded: true });
    this.meet(theirs ?? { text: "", attachments: [], revision: 0 });
  }

  edit(change: Partial<Pick<DraftState, "text" | "attachments">>): void {
    this.version += 1;
    this.store.setState({ ...change, dirty: true });
    this.keep();
    if (this.timer === undefined) this.plan(WAIT);
  }

  /** The words were sent or thrown away: nothing is left here or on the server. */
  clear(): void {
    this.version += 1;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.store.setState({ text: "", attachments: [], conflict: null, dirty: false });
    this.forget();
    const had = this.revision > 0 || this.saving;
    this.revision = 0;
    if (had) http.remove(this.path).catch(() => {});
    this.tell();
  }

  keepMine(): void {
    const { conflict } = this.store.getState();
    if (!conflict) return;
    this.revision = conflict.revision;
    this.store.setState({ conflict: null, dirty: true });
    this.plan(0);
  }

  takeTheirs(): void {
    const { conflict } = this.store.getState();
    if (conflict) this.adopt(conflict);
  }

  /** Another window of this browser saved this draft. */
  hear(draft: Draft): void {
    if (!this.store.getState().dirty) this.adopt(draft);
  }

  private recover(): void {
    const stored = localStorage.getItem(this.local);
    if (stored === null) return;
    try {
      const draft = JSON.parse(stored) as Draft;
      this.revision = draft.revision;
      this.store.setState({ text: draft.text, attachments: draft.attachments, dirty: true });
    } catch {
      this.forget();
    }
  }

  private keep(): void {
    const { text, attachments } = this.store.getState();
    try {
      localStorage.setItem(this.local, JSON.stringify({ text, attachments, revision: this.revision }));
    } catch {
      // No room: the server has it within a second all the same.
    }
  }

  private forget(): void {
    localStorage.removeItem(this.local);
  }

  private plan(wait: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = undefined;
      void this.save();
    }, wait);
  }

  private async save(): Promise<void> {
    const { text, attachments, dirty, conflict } = this.store.getState();
    if (!dirty || conflict) return;
    if (this.saving) return this.plan(WAIT);
    const version = this.version;
    this.saving = true;
    try {
      const empty = text === "" && attachments.length === 0;
      const revision = empty ? await this.erase() : await this.put(text, attachments);
      if (version === this.version) {
        this.revision = revision;
        this.store.setState({ dirty: false });
        this.forget();
        this.tell();
      } else if (this.store.getState().dirty) {
        this.revision = revision;
        this.plan(WAIT);
      } else {
        // Sent while the last save was under way: what that save left must not come back as a draft.
        await this.erase();
      }
    } catch (error) {
      if (refusalOf(error).kind === "conflict") await this.load();
      else this.plan(RETRY);
    } finally {
      this.saving = false;
    }
    return undefined;
  }

  private async put(text: string, attachments: readonly Attachment[]): Promise<number> {
    const saved = await http.put<{ revision: number }>(this.path, {
      text,
      attachments,
      revision: this.revision,
    });
    return saved.revision;
  }

  private async erase(): Promise<number> {
    await http.remove(this.path);
    return 0;
  }

  private meet(theirs: Draft): void {
    const mine = this.store.getState();
    if (!mine.dirty) return this.adopt(theirs);
    if (theirs.text === mine.text || theirs.text === "" || theirs.revision === this.revision) {
      this.revision = theirs.revision;
      return this.plan(0);
    }
    if (mine.text === "") return this.adopt(theirs);
    this.store.setState({ conflict: theirs });
    return undefined;
  }

  private adopt(draft: Draft): void {
    this.version += 1;
    this.revision = draft.revision;
    this.store.setState({ text: draft.text, attachments: draft.attachments, conflict: null, dirty: false });
    this.forget();
  }

  private tell(): void {
    const { text, attachments } = this.store.getState();
    const draft: Draft = { text, attachments: [...attachments], revision: this.revision };
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has none
    channel?.postMessage({ conversation: this.conversation, kind: this.kind, draft } satisfies Shared);
  }
}

const keepers = new Map<string, DraftKeeper>();

channel?.addEventListener("message", ({ data }: MessageEvent<Shared>) => {
  keepers.get(`${data.conversation}.${data.kind}`)?.hear(data.draft);
});

/** The one keeper of a draft in this window: going back to a conversation shows its words at once. */
export function keeperOf(conversation: string, kind: DraftKind): DraftKeeper {
  const name = `${conversation}.${kind}`;
  const known = keepers.get(name) ?? new DraftKeeper(conversation, kind);
  keepers.set(name, known);
  return known;
}

whenLeaving(() => keepers.clear());
