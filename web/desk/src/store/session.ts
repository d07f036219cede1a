import type { Role } from "@guichet/protocol";
import { createStore } from "zustand/vanilla";
import { useStore } from "zustand";

import { closeNet, http, openNet, refusalOf, theNet, whenSignedOut } from "../net/index.ts";
import { forgetViews } from "./views.ts";

export interface Me {
  agent: string;
  name: string;
  role: Role;
  organisation: string;
}

export interface Session {
  phase: "asking" | "unreachable" | "setup" | "signed_out" | "signed_in";
  me: Me | null;
  /** Why the last session ended, where the server said so. */
  ended: string | null;
}

export const session = createStore<Session>(() => ({ phase: "asking", me: null, ended: null }));

export function useSession<Picked>(select: (state: Session) => Picked): Picked {
  return useStore(session, select);
}

/** The agent who is signed in; only for screens that are drawn when somebody is. */
export function useMe(): Me {
  const me = useStore(session, (state) => state.me);
  if (!me) throw new Error("nobody is signed in");
  return me;
}

function enter(me: Me): void {
  forgetViews();
  const { link } = openNet(me);
  link.status.subscribe((status) => {
    if (status.phase === "over") leave(status.reason);
  });
  session.setState({ phase: "signed_in", me, ended: null });
}

const leavers = new Set<() => void>([forgetViews]);

/** Names what must be forgotten when an agent leaves: the next one at this screen is somebody else. */
export function whenLeaving(forget: () => void): void {
  leavers.add(forget);
}

function leave(reason: string | null): void {
  if (session.getState().phase !== "signed_in") return;
  session.setState({ phase: "signed_out", me: null, ended: reason });
  closeNet();
  for (const forget of leavers) forget();
}

/** Finds out who is here: an agent with a session, nobody, or a house that is not yet founded. */
export async function begin(): Promise<void> {
  try {
    enter(await http.get<Me>("/api/me"));
  } catch (error) {
    if (refusalOf(error).kind !== "signed_out") {
      session.setState({ phase: "unreachable" });
      return;
    }
    try {
      const { needed } = await http.get<{ needed: boolean }>("/api/setup");
      session.setState({ phase: needed ? "setup" : "signed_out" });
    } catch {
      session.setState({ phase: "unreachable" });
    }
  }
}

export interface Choice {
  organisation: string;
  name: string;
}

/** Signs in; answers the organisations to choose from when the same address works for several. */
export async function signIn(email: string, password: string, organisation?: string): Promise<Choice[]> {
  const body = organisation === undefined ? { email, password } : { email, password, organisation };
  const answer = await http.post<Me | { choose: Choice[] }>("/api/sign-in", body);
  if ("choose" in answer) return answer.choose;
  enter(answer);
  return [];
}

export async function signOut(): Promise<void> {
  await http.post("/api/sign-out");
  leave(null);
}

whenSignedOut(() => leave("expired"));

/** When the line is lost, the session may be too (signed out elsewhere while asleep): ask once. */
export async function stillMe(): Promise<void> {
  try {
    await http.get<Me>("/api/me");
    theNet().link.hurry();
  } catch (error) {
    if (refusalOf(error).kind === "signed_out") leave("expired");
  }
}
