import { Mark } from "@guichet/ui";
import type { JSX } from "react";

import { useConfig, useName } from "../store/directory.ts";

/** For which client a conversation is: its colour with its letters, or with its whole name. */
export function ClientMark({ client, whole = false }: { client: string; whole?: boolean }): JSX.Element {
  const name = useName("client", client);
  const value = useConfig("client", client);
  const colour = typeof value?.["colour"] === "string" ? value["colour"] : "var(--line-strong)";
  const letters = typeof value?.["mark"] === "string" ? value["mark"] : name.slice(0, 3);
  return <Mark colour={colour} text={whole ? name : letters} title={name} />;
}
