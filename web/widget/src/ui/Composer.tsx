import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { useTools } from "./context.ts";
import type { Chosen, Files } from "./files.ts";
import { AgainIcon, ClipIcon, CloseIcon, FileIcon, SendIcon } from "./icons.tsx";

/** UTF-8 bytes that the server takes in one message. */
const LONGEST = 32_768;

/** How many bytes too many; 0 when it fits. */
export function excess(text: string): number {
  return Math.max(0, new TextEncoder().encode(text).length - LONGEST);
}

export function Composer({ files }: { files: Files }): JSX.Element {
  const { chat, say } = useTools();
  const [text, setText] = useState(() => chat.draft());
  const area = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  useAutoHeight(area, text);
  // Refused words come back here through the draft.
  useEffect(
    () => chat.subscribe(() => area.current && chat.draft() !== area.current.value && setText(chat.draft())),
    [chat],
  );

  const over = excess(text);
  const done = files.chosen.some((one) => one.attachment);
  const ready = (text.trim() !== "" || done) && !files.busy && over === 0;

  const write = (value: string): void => {
    setText(value);
    chat.keepDraft(value);
  };
  const send = (): void => {
    if (!ready) return;
    chat.say(text.trim(), files.take());
    setText("");
    area.current?.focus();
  };

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {files.chosen.length > 0 && (
        <ul class="chosen">
          {files.chosen.map((one) => (
            <Chip key={one.key} one={one} files={files} />
          ))}
        </ul>
      )}
      <div role="alert" class="problem">
        {files.problem ?? (over > 0 ? say("too_long_by", { n: over }) : "")}
      </div>
      <div class="line">
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          onChange={(event) => {
            files.add(event.currentTarget.files);
            event.currentTarget.value = "";
          }}
        />
        <button
          type="button"
          class="icon"
          title={say("attach")}
          aria-label={say("attach")}
          onClick={() => picker.current?.click()}
        >
          <ClipIcon />
        </button>
        <textarea
          ref={area}
          rows={1}
          value={text}
          placeholder={say("write")}
          aria-label={say("message")}
          enterkeyhint="send"
          onInput={(event) => write(event.currentTarget.value)}
          onKeyDown={(event) => {
            // While an input method composes, Enter chooses a word.
            if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
            event.preventDefault();
            send();
          }}
          onPaste={(event) => {
            const pasted = event.clipboardData?.files;
            if (!pasted?.length) return;
            event.preventDefault();
            files.add(pasted);
          }}
        />
        <button
          type="submit"
          class="send"
          aria-label={say("send")}
          title={say("send")}
          aria-disabled={!ready}
        >
          <SendIcon />
        </button>
      </div>
    </form>
  );
}

function Chip({ one, files }: { one: Chosen; files: Files }): JSX.Element {
  const { say } = useTools();
  const { name } = one.file;
  return (
    <li class={one.problem ? "chip bad" : "chip"}>
      <FileIcon />
      <span class="chip-name" title={name}>
        {one.problem ?? name}
      </span>
      {!one.attachment && !one.problem && (
        <progress
          max={1}
          value={one.share}
          aria-label={say("uploading", { name, percent: say.percent(one.share) })}
        />
      )}
      {one.problem && (
        <button
          type="button"
          class="icon small"
          aria-label={say("upload_retry", { name })}
          onClick={() => files.retry(one.key)}
        >
          <AgainIcon />
        </button>
      )}
      <button
        type="button"
        class="icon small"
        aria-label={say("remove_file", { name })}
        onClick={() => files.remove(one.key)}
      >
        <CloseIcon />
      </button>
    </li>
  );
}

/** Grows with the words, up to what styles/writing.css allows. */
function useAutoHeight(area: { current: HTMLTextAreaElement | null }, text: string): void {
  useLayoutEffect(() => {
    const element = area.current;
    if (!element) return;
    element.style.setProperty("height", "auto");
    element.style.setProperty("height", `${element.scrollHeight}px`);
  }, [area, text]);
}
