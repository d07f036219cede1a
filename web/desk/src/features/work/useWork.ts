import type { WorkRow } from "@guichet/protocol";
import { useMemo } from "react";

import { useMe } from "../../store/session.ts";
import { useEach, useView, type View } from "../../store/views.ts";
import { arrange, watched, type Sections } from "./items.ts";

/** The agent's own work, in the order of the list. */
export function useWork(): { ready: boolean; sections: Sections } {
  const { agent } = useMe();
  const rows = useView("my_work", agent, (view: View<WorkRow>) => view.rows);
  const ready = useView("my_work", agent, (view: View<WorkRow>) => view.ready);
  const names = useMemo(() => watched(rows), [rows]);
  const conversations = useEach("conversation", names);
  const sections = useMemo(() => arrange(rows, conversations), [rows, conversations]);
  return { ready, sections };
}

/** The agent's own line about a conversation, if it is in hand. */
export function useMyWork(conversation: string | undefined): WorkRow | undefined {
  const { agent } = useMe();
  return useView("my_work", agent, (view: View<WorkRow>) =>
    view.rows.find((row) => row.conversation === conversation && row.state !== "offered"),
  );
}
