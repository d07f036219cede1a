import { createContext } from "preact";
import { useContext, useEffect, useReducer } from "preact/hooks";
import type { Chat, View } from "../chat/chat.ts";
import type { Words } from "../words/index.ts";

export interface Tools {
  chat: Chat;
  say: Words;
}

export const ToolsContext = createContext<Tools | null>(null);

export function useTools(): Tools {
  const tools = useContext(ToolsContext);
  if (!tools) throw new Error("outside of the widget");
  return tools;
}

/** The chat's present view; draws again when it changes. */
export function useView(): View {
  const { chat } = useTools();
  const [, draw] = useReducer((n: number) => n + 1, 0);
  useEffect(() => chat.subscribe(() => draw(undefined)), [chat]);
  return chat.view();
}
