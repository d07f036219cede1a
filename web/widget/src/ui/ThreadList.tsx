import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { View } from "../chat/chat.ts";
import type { Shown } from "../chat/thread.ts";
import type { Words } from "../words/index.ts";
import { AttachmentView } from "./AttachmentView.tsx";
import { useTools } from "./context.ts";

/** Words of one speaker this close together share one line of name and time. */
const ONE_BREATH = 5 * 60_000;
const NEAR_THE_END = 80;

export function ThreadList({ view }: { view: View }): JSX.Element {
  const { say } = useTools();
  const list = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const [below, setBelow] = useState(false);
  const { messages, typing } = view;
  const last = messages.at(-1)?.key;

  useLayoutEffect(() => {
    const element = list.current;
    if (!element) return;
    if (atEnd.current || messages.at(-1)?.author === "me") element.scrollTop = element.scrollHeight;
    else setBelow(true);
    // Only a new last message moves the thread, not a mark on an old one.
    // oxlint-disable-next-line react/exhaustive-deps
  }, [last, typing !== null]);

  // A notice above or a second line below takes room from the thread: its end stays in sight.
  useEffect(() => {
    const element = list.current;
    if (!element) return undefined;
    const watch = new ResizeObserver(() => {
      if (atEnd.current) element.scrollTop = element.scrollHeight;
    });
    watch.observe(element);
    return () => watch.disconnect();
  }, []);

  const toEnd = (): void => {
    if (list.current) list.current.scrollTop = list.current.scrollHeight;
  };
  const lastMine = messages.findLast(
    (m) => m.author === "me" && (m.state === "delivered" || m.state === "read"),
  )?.key;

  return (
    <div class="body-holder">
      <div
        ref={list}
        class="body thread"
        role="log"
        aria-live="polite"
        aria-label={say("thread")}
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- scrolling needs the keyboard
        tabIndex={0}
        onScroll={(event) => {
          const { scrollHeight, scrollTop, clientHeight } = event.currentTarget;
          atEnd.current = scrollHeight - scrollTop - clientHeight < NEAR_THE_END;
          if (atEnd.current) setBelow(false);
        }}
      >
        {messages.length === 0 && (
          <p class="welcome">
            <strong>{view.door?.greeting || say("welcome")}</strong>
            {say("welcome_hint")}
          </p>
        )}
        {messages.map((message, i) => {
          const before = messages[i - 1];
          const after = messages[i + 1];
          const newDay = !sameDay(before?.at, message.at) && (i > 0 || !sameDay(message.at, Date.now()));
          return (
            <>
              {newDay && <p class="day">{say.day(message.at)}</p>}
              <MessageView
                key={message.key}
                message={message}
                first={newDay || !together(before, message)}
                last={!after || !together(message, after) || !sameDay(message.at, after.at)}
                mark={message.key === lastMine || message.state === "sending"}
                down={view.line === "down"}
              />
            </>
          );
        })}
        {typing !== null && (
          <p class="typing">
            <span class="dots" aria-hidden="true">
              <i />
              <i />
              <i />
            </span>
            {typing ? say("typing", { name: typing }) : say("typing_someone")}
          </p>
        )}
      </div>
      {below && (
        <button type="button" class="below" onClick={toEnd}>
          {say("new_messages")}
        </button>
      )}
    </div>
  );
}

interface MessageProps {
  message: Shown;
  first: boolean;
  last: boolean;
  mark: boolean;
  down: boolean;
}

function MessageView({ message, first, last, mark, down }: MessageProps): JSX.Element {
  const { chat, say } = useTools();
  if (message.author === "system") return <p class="system">{message.text}</p>;
  const mine = message.author === "me";
  const takeBack = (): void => {
    const own = chat.takeBack(message.key);
    if (own) chat.keepDraft([chat.draft(), own.text].filter(Boolean).join("\n"));
    chat.refresh();
  };
  return (
    <div
      class={`message ${message.author} ${first ? "first" : ""} ${message.state === "refused" ? "bad" : ""}`}
    >
      {mine ? (
        <span class="hidden">{say("you")}: </span>
      ) : (
        first && message.name && <span class="from">{message.name}</span>
      )}
      {message.attachments.map((attachment) => (
        <AttachmentView key={attachment.address} attachment={attachment} />
      ))}
      {message.text && <div class="bubble">{linked(message.text)}</div>}
      {message.state === "refused" ? (
        <p class="meta bad">
          {refusal(message, say)}{" "}
          <button type="button" class="link" onClick={takeBack}>
            {say("take_back")}
          </button>
        </p>
      ) : (
        (last || mark) && (
          <p class="meta">
            {[last || mark ? say.time(message.at) : "", mine && mark ? state(message, down, say) : ""]
              .filter(Boolean)
              .join(" · ")}
          </p>
        )
      )}
    </div>
  );
}

function state(message: Shown, down: boolean, say: Words): string {
  if (message.state === "sending") return say(down ? "kept" : "sending");
  return say(message.state === "read" ? "read" : "delivered");
}

function refusal({ error }: Shown, say: Words): string {
  const code = error?.code ?? "";
  return say("refused", {
    reason:
      error?.kind === "too_large" || code.endsWith("too_long")
        ? say("too_long")
        : say("refused_other", { code }),
  });
}

function together(a: Shown | undefined, b: Shown): boolean {
  return a !== undefined && a.author === b.author && a.name === b.name && b.at - a.at < ONE_BREATH;
}

function sameDay(a: number | undefined, b: number): boolean {
  return a !== undefined && new Date(a).toDateString() === new Date(b).toDateString();
}

/** Web addresses become links; everything else stays text. */
function linked(text: string): (string | JSX.Element)[] {
  return text.split(/(https?:\/\/[^\s<>"]+[^\s<>".,;:!?)\]}'])/g).map((part, i) =>
    i % 2 ? (
      // oxlint-disable-next-line react/no-array-index-key -- the pieces of one text never move
      <a key={i} href={part} target="_blank" rel="noopener noreferrer nofollow">
        {part}
      </a>
    ) : (
      part
    ),
  );
}
