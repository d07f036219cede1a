import type { Desk } from "../../app/registry.ts";

export function register(desk: Desk): void {
  desk.actions(
    { id: "conversation.take", label: "thread.take", group: "conversation", keys: "p" },
    { id: "conversation.close", label: "thread.close", group: "conversation", keys: "e" },
    { id: "conversation.park", label: "thread.park_until_reply", group: "conversation", keys: "z" },
    { id: "conversation.transfer", label: "thread.transfer", group: "conversation", keys: "t" },
    { id: "conversation.tag", label: "thread.tag", group: "conversation", keys: "l" },
    { id: "conversation.why", label: "why.title", group: "conversation", keys: "w" },
    { id: "conversation.undo", label: "thread.undo", group: "write", keys: "Alt+u" },
  );
}
