import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { View } from "../chat/chat.ts";
import type { Words } from "../words/index.ts";
import { waitingWords } from "../words/index.ts";
import { Composer } from "./Composer.tsx";
import { useTools, useView } from "./context.ts";
import { Form, asksSomething } from "./Form.tsx";
import { useFiles } from "./files.ts";
import { DownIcon, MoonIcon, OfflineIcon, WaitIcon } from "./icons.tsx";
import { ThreadList } from "./ThreadList.tsx";
import { useMedia } from "./theme.ts";

/** From here down the panel is the whole screen; the same condition stands in styles/phone.css. */
const FULL_SCREEN = "(max-width: 480px), (max-height: 420px)";

export function Panel({ onClose }: { onClose: () => void }): JSX.Element {
  const { chat, say } = useTools();
  const view = useView();
  const panel = useRef<HTMLDivElement>(null);
  const modal = useMedia(FULL_SCREEN);
  const [leaving, setLeaving] = useState(false);
  const [dropping, setDropping] = useState(false);
  const files = useFiles();
  const form = view.stage === "new" && view.door !== null && !chat.identified && asksSomething(view.door);
  const writing = view.door !== null && !form && view.stage !== "ended" && !view.fault;
  useVisibleHeight(panel, modal);
  useFirstFocus(panel, view.stage, view.door !== null);

  const stay = (): void => {
    setLeaving(false);
    panel.current?.querySelector<HTMLElement>(".composer textarea")?.focus();
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.key === "Escape" && !event.isComposing) {
      event.stopPropagation();
      if (leaving) stay();
      else onClose();
    }
    if (event.key === "Tab" && modal) keepInside(panel.current, event);
  };

  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- Escape and dropped files, wherever inside
    <div
      ref={panel}
      class="panel"
      role="dialog"
      aria-modal={modal}
      aria-label={say("panel", { client: view.door?.client.name ?? "" })}
      onKeyDown={onKey}
      onDragOver={(event) => {
        if (!writing) return;
        event.preventDefault();
        setDropping(true);
      }}
      onDragLeave={(event) => {
        if (!panel.current?.contains(event.relatedTarget as Node | null)) setDropping(false);
      }}
      onDrop={(event) => {
        event.preventDefault();
        setDropping(false);
        if (writing) files.add(event.dataTransfer?.files);
      }}
    >
      <div class="head">
        <span class="mark" aria-hidden="true">
          {view.door?.client.mark}
        </span>
        <div class="head-words">
          <h2>{view.door?.client.name ?? say("launcher")}</h2>
          <p role="status" title={presence(view, say)}>
            {presence(view, say)}
          </p>
        </div>
        {view.stage === "talking" && view.line === "on" && (
          <button type="button" class="end" title={say("end")} onClick={() => setLeaving(true)}>
            {say("end_short")}
          </button>
        )}
        <button
          type="button"
          class="icon"
          title={say("minimise")}
          aria-label={say("minimise")}
          onClick={onClose}
        >
          <DownIcon />
        </button>
      </div>

      {leaving && (
        <div class="bar ask" role="group" aria-label={say("end_ask")}>
          <span>{say("end_ask")}</span>
          <button type="button" class="quiet" onClick={stay}>
            {say("end_no")}
          </button>
          <button
            type="button"
            class="firm"
            ref={focusOnce}
            onClick={() => {
              setLeaving(false);
              chat.leave();
            }}
          >
            {say("end_yes")}
          </button>
        </div>
      )}
      <Notices view={view} />

      {view.fault ? (
        <div class="body middle" role="alert">
          <h3>{say("fault_title")}</h3>
          <p>{say("fault")}</p>
        </div>
      ) : view.door === null && view.messages.length === 0 ? (
        <Skeleton label={say("connecting")} />
      ) : form && view.door ? (
        <Form door={view.door} />
      ) : (
        <ThreadList view={view} />
      )}

      {view.stage === "ended" && (
        <div class="ended">
          <span role="status">{say("ended")}</span>
          <button type="button" class="firm" onClick={() => chat.again()}>
            {say("again")}
          </button>
        </div>
      )}
      {writing && <Composer files={files} />}
      {dropping && <div class="drop">{say("drop")}</div>}
    </div>
  );
}

/** What stands between the head and the words: offline first, then closed, then the place in line. */
function Notices({ view }: { view: View }): JSX.Element {
  const { chat, say } = useTools();
  const { door } = view;
  const down = view.line === "down" && view.downSince !== null;
  const closed = door !== null && !door.open && !view.agent && view.stage === "talking";
  return (
    <div role="status">
      {down ? (
        <div class="bar warn">
          <OfflineIcon />
          <span>{say("down", { time: say.time(view.downSince ?? 0) })}</span>
          <button type="button" class="quiet" onClick={() => chat.retryNow()}>
            {say("try_now")}
          </button>
        </div>
      ) : closed ? (
        <div class="bar">
          <MoonIcon />
          <span>
            {view.messages.some((m) => m.state === "delivered") ? say("closed_sent") : say("closed_title")}{" "}
            {door.hours}
          </span>
        </div>
      ) : view.waiting && !view.agent ? (
        <div class="bar">
          <WaitIcon />
          <span>{waitingWords(say, view.waiting)}</span>
        </div>
      ) : null}
    </div>
  );
}

function Skeleton({ label }: { label: string }): JSX.Element {
  return (
    <div class="body skeleton" role="status" aria-label={label}>
      <i />
      <i />
      <i />
    </div>
  );
}

function presence({ agent, door, fault }: View, say: Words): string {
  if (fault) return "";
  if (agent?.country)
    return say("agent_here_from", { name: agent.name, country: say.country(agent.country) });
  if (agent) return say("agent_here", { name: agent.name });
  if (!door) return say("connecting");
  return say(door.open ? "open_now" : "closed_now");
}

function focusOnce(element: HTMLElement | null): void {
  element?.focus();
}

/** Puts the cursor where one starts: the first field, else the panel itself (a phone's keyboard stays down). */
function useFirstFocus(panel: { current: HTMLDivElement | null }, stage: string, ready: boolean): void {
  useEffect(() => {
    const field = panel.current?.querySelector<HTMLElement>(
      "input:not([type=file]), textarea, .ended button",
    );
    const active = (panel.current?.getRootNode() as ShadowRoot | undefined)?.activeElement;
    if (active?.matches("input, textarea") && panel.current?.contains(active)) return; // somebody writes there already
    const touch = matchMedia("(pointer: coarse)").matches;
    if (field && !touch) field.focus();
    else panel.current?.querySelector<HTMLElement>(".head button:last-of-type")?.focus();
  }, [panel, stage, ready]);
}

/** A phone's keyboard covers the page without resizing it; the panel follows what can be seen. */
function useVisibleHeight(panel: { current: HTMLDivElement | null }, modal: boolean): void {
  useEffect(() => {
    const seen = window.visualViewport;
    const element = panel.current;
    if (!modal || !seen || !element) return;
    const follow = (): void => {
      element.style.setProperty("height", `${seen.height}px`);
      element.style.setProperty("top", `${seen.offsetTop}px`);
    };
    follow();
    seen.addEventListener("resize", follow);
    seen.addEventListener("scroll", follow);
    return () => {
      seen.removeEventListener("resize", follow);
      seen.removeEventListener("scroll", follow);
      element.style.removeProperty("height");
      element.style.removeProperty("top");
    };
  }, [panel, modal]);
}

function keepInside(panel: HTMLElement | null, event: KeyboardEvent): void {
  if (!panel) return;
  const stops = [...panel.querySelectorAll<HTMLElement>(STOPS)];
  const active = (panel.getRootNode() as ShadowRoot | Document).activeElement;
  const [edge, other] = event.shiftKey ? [stops[0], stops.at(-1)] : [stops.at(-1), stops[0]];
  if (active !== edge) return;
  event.preventDefault();
  other?.focus();
}

const STOPS = "button, input:not([type=file]), textarea, a[href], [tabindex='0']";
