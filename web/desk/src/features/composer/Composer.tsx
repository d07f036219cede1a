import type { Attachment, DraftKind, WorkRow } from "@guichet/protocol";
import { IconButton, Keys } from "@guichet/ui";
import { Button } from "@mantine/core";
import { IconLock, IconPaperclip, IconSlash } from "@tabler/icons-react";
import {
  useCallback,
  useEffect,
  useLayoutEffect,
  useRef,
  useState,
  type ClipboardEvent,
  type DragEvent,
  type JSX,
  type KeyboardEvent,
} from "react";
import { useTranslation } from "react-i18next";
import { useStore } from "zustand";

import { useAction } from "../../app/actions.ts";
import { report } from "../../app/toasts.tsx";
import { theNet } from "../../net/index.ts";
import { isLetter } from "../../shared/channels.tsx";
import { ClientMark } from "../../shared/ClientMark.tsx";
import { commands } from "../../store/commands.ts";
import { useKind, useName } from "../../store/directory.ts";
import { useMe } from "../../store/session.ts";
import { useOnly } from "../../store/views.ts";
import { ComposerFiles } from "./ComposerFiles.tsx";
import { cannedFor, slashWord, type Canned } from "./canned.ts";
import { keeperOf } from "./draft.ts";
import { expectComposer, offerComposer, wasExpected } from "./handle.ts";
import { useUploads } from "./uploads.ts";
import { Writing } from "./Writing.tsx";

/** How often the others are told that one is writing. */
const TELL_EVERY = 2_500;

interface ComposerProps {
  conversation: string;
  mine: WorkRow | undefined;
}

/** Where one writes, and as whom. A note for colleagues has another ground, label and button. */
export function Composer({ conversation, mine }: ComposerProps): JSX.Element {
  const { t } = useTranslation();
  const me = useMe();
  const row = useOnly("conversation", conversation);
  const door = useName("entry_point", row?.entry_point);
  const clientName = useName("client", row?.client);
  const canned = useKind("canned_reply");
  const [chosenKind, setKind] = useState<DraftKind>("reply");
  const held = mine !== undefined;
  const kind: DraftKind = held ? chosenKind : "note";
  /** Not in one's hands, and no note begun: one line says so, and what to do. */
  const shut = !held && chosenKind !== "note";
  const keeper = keeperOf(conversation, kind);
  const draft = useStore(keeper.store);
  const area = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const told = useRef(0);
  const [caret, setCaret] = useState(0);
  const [choice, setChoice] = useState(0);
  const [hushed, setHushed] = useState<string | null>(null);
  const [over, setOver] = useState(false);
  const [taking, setTaking] = useState(false);
  const uploads = useUploads(conversation, (file) =>
    keeper.edit({ attachments: [...keeper.store.getState().attachments, file] }),
  );
  const customer = row?.customer_name || t("customer.nameless");
  const letter = isLetter(row?.channel);

  const slash = slashWord(draft.text, caret);
  const fill = { customer: row?.customer_name ?? "", agent: me.name, client: clientName };
  const replies: Canned[] =
    slash && slash.word !== hushed && row
      ? cannedFor(canned, row.client, row.language, slash.word, fill)
      : [];
  const picked = replies[Math.min(choice, replies.length - 1)];

  useEffect(() => {
    void keeper.load();
  }, [keeper]);

  useLayoutEffect(() => {
    const element = area.current;
    if (!element) return;
    element.style.height = "auto";
    element.style.height = `${Math.min(element.scrollHeight + 2, innerHeight * 0.4)}px`;
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- the height follows the words
  }, [draft.text, kind]);

  const focus = useCallback((which: DraftKind): void => {
    setKind(which);
    requestAnimationFrame(() => area.current?.focus());
  }, []);

  // It came into one's hands just now: the next thing is to write.
  useEffect(() => {
    if (held && wasExpected(conversation)) area.current?.focus();
  }, [held, conversation]);
  useEffect(
    () =>
      offerComposer(conversation, {
        focus,
        restore: (text, attachments, which = "reply") => {
          const to = keeperOf(conversation, which);
          const now = to.store.getState();
          to.edit({
            text: now.text === "" ? text : `${text}\n${now.text}`,
            attachments: [...attachments, ...now.attachments],
          });
          focus(which);
        },
      }),
    [conversation, focus],
  );
  useAction("composer.reply", held ? () => focus("reply") : null);
  useAction("composer.note", () => focus("note"));
  useAction("composer.attach", kind === "reply" ? () => picker.current?.click() : null);

  const tell = useCallback(() => {
    if (Date.now() - told.current < TELL_EVERY) return;
    told.current = Date.now();
    theNet().link.writing(conversation, kind);
  }, [conversation, kind]);

  function typed(text: string, at: number): void {
    setCaret(at);
    setChoice(0);
    setHushed(null);
    keeper.edit({ text });
    if (text !== "") tell();
  }

  function insert(reply: Canned): void {
    if (!slash) return;
    const text = draft.text.slice(0, slash.start) + reply.text + draft.text.slice(caret);
    const at = slash.start + reply.text.length;
    typed(text, at);
    requestAnimationFrame(() => {
      area.current?.focus();
      area.current?.setSelectionRange(at, at);
    });
  }

  const empty = draft.text.trim() === "" && draft.attachments.length === 0;
  const uploading = uploads.list.some((upload) => upload.refusal === null);

  function send(): void {
    // Read from the keeper, which is cleared in this very step: a second click finds nothing left to send.
    const { text: raw, attachments } = keeper.store.getState();
    const text = raw.trim();
    if (uploading || (text === "" && attachments.length === 0)) return;
    if (kind === "note") commands.addNote(conversation, text).catch(() => {});
    else commands.sendMessage(conversation, text, [...attachments]).catch(() => {});
    keeper.clear();
    told.current = 0;
    area.current?.focus();
  }

  function onKey(event: KeyboardEvent<HTMLTextAreaElement>): void {
    if (event.nativeEvent.isComposing) return;
    if (replies.length > 0 && picked) {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        const step = event.key === "ArrowDown" ? 1 : -1;
        setChoice((choice + step + replies.length) % replies.length);
        return;
      }
      if (event.key === "Enter" || event.key === "Tab") {
        event.preventDefault();
        insert(picked);
        return;
      }
      if (event.key === "Escape") {
        event.preventDefault();
        setHushed(slash?.word ?? null);
        return;
      }
    }
    if (event.key === "Escape") {
      event.currentTarget.blur();
      return;
    }
    if (event.key !== "Enter" || event.altKey) return;
    const strong = event.ctrlKey || event.metaKey;
    if (strong || (!letter && !event.shiftKey)) {
      event.preventDefault();
      send();
    }
  }

  function paste(event: ClipboardEvent): void {
    const files = [...event.clipboardData.files];
    if (files.length === 0 || kind === "note") return;
    event.preventDefault();
    uploads.add(files);
  }

  function drop(event: DragEvent): void {
    event.preventDefault();
    setOver(false);
    if (kind === "reply") uploads.add(event.dataTransfer.files);
  }

  function remove(file: Attachment): void {
    keeper.edit({ attachments: draft.attachments.filter((one) => one.address !== file.address) });
  }

  function take(): void {
    setTaking(true);
    expectComposer(conversation);
    commands
      .take(conversation)
      .catch(report)
      .finally(() => setTaking(false));
  }

  if (shut) {
    return (
      <section className="composer composer-shut" aria-label={t("composer.reply")}>
        <span>{t(row?.state === "closed" ? "composer.closed" : "composer.take_first")}</span>
        <Button variant="default" loading={taking} onClick={take}>
          {t("thread.take")}
        </Button>
        <Button variant="default" leftSection={<IconLock size={14} />} onClick={() => focus("note")}>
          {t("composer.note")}
        </Button>
        <Writing conversation={conversation} customer={customer} />
      </section>
    );
  }
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- files are dropped on the whole of it
    <section
      className="composer"
      data-kind={kind}
      data-over={over || undefined}
      aria-label={t(kind === "note" ? "composer.note" : "composer.reply")}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(kind === "reply");
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <div className="composer-top">
        <div className="composer-kinds" role="group" aria-label={t("composer.kind")}>
          <button
            type="button"
            aria-pressed={kind === "reply"}
            disabled={!held}
            onClick={() => focus("reply")}
          >
            {t("composer.reply")}
          </button>
          <button type="button" aria-pressed={kind === "note"} onClick={() => focus("note")}>
            <IconLock size={13} aria-hidden /> {t("composer.note")}
          </button>
        </div>
        <span className="composer-as cut">
          {kind === "note" ? (
            t("composer.note_hint")
          ) : (
            <>
              {row && <ClientMark client={row.client} whole />}
              {row?.reply_to && (
                <span className="cut" title={row.reply_to}>
                  {t("composer.goes_to", { address: row.reply_to })}
                </span>
              )}
              <span className="soft cut">{t("composer.as", { door })}</span>
            </>
          )}
        </span>
        <Writing conversation={conversation} customer={customer} />
      </div>

      {draft.conflict && (
        <p className="composer-notice" role="alert">
          {t("composer.conflict")} <q className="cut">{draft.conflict.text.slice(0, 80)}</q>{" "}
          <button type="button" className="ui-link" onClick={() => keeper.keepMine()}>
            {t("composer.keep_mine")}
          </button>
          <button type="button" className="ui-link" onClick={() => keeper.takeTheirs()}>
            {t("composer.take_theirs")}
          </button>
        </p>
      )}

      <div className="composer-write">
        {replies.length > 0 && (
          <div className="canned" id="canned" role="listbox" aria-label={t("composer.canned")}>
            {replies.map((reply, index) => (
              <div
                key={reply.id}
                id={`canned-${index}`}
                role="option"
                tabIndex={-1}
                aria-selected={reply === picked}
                onMouseDown={(event) => {
                  event.preventDefault();
                  insert(reply);
                }}
              >
                <strong>/{reply.shortcut}</strong>
                <span className="soft">{reply.text}</span>
              </div>
            ))}
          </div>
        )}
        <textarea
          ref={area}
          value={draft.text}
          rows={2}
          maxLength={30_000}
          aria-label={
            kind === "note" ? t("composer.note_field") : t("composer.reply_field", { name: customer })
          }
          aria-autocomplete="list"
          aria-controls={replies.length > 0 ? "canned" : undefined}
          aria-activedescendant={picked ? `canned-${replies.indexOf(picked)}` : undefined}
          placeholder={
            kind === "note" ? t("composer.note_field") : t("composer.reply_field", { name: customer })
          }
          onChange={(event) => typed(event.currentTarget.value, event.currentTarget.selectionStart)}
          onSelect={(event) => setCaret(event.currentTarget.selectionStart)}
          onKeyDown={onKey}
          onPaste={paste}
        />
      </div>

      <ComposerFiles kept={draft.attachments} uploads={uploads} remove={remove} />

      <div className="composer-foot">
        <IconButton
          label={t("composer.attach")}
          keys="Alt+j"
          disabled={kind === "note"}
          onClick={() => picker.current?.click()}
        >
          <IconPaperclip size={18} />
        </IconButton>
        <IconButton
          label={t("composer.canned")}
          onClick={() => {
            const gap = draft.text === "" || /\s$/.test(draft.text) ? "" : " ";
            const text = `${draft.text}${gap}/`;
            typed(text, text.length);
            area.current?.focus();
          }}
        >
          <IconSlash size={18} />
        </IconButton>
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          aria-label={t("composer.attach")}
          onChange={(event) => {
            uploads.add(event.currentTarget.files ?? []);
            event.currentTarget.value = "";
          }}
        />
        <span className="soft composer-saved">
          {!empty && t(draft.dirty ? "composer.saving" : "composer.saved")}
        </span>
        <span className="work-row-gap" />
        <Keys keys={letter ? "Mod+Enter" : "Enter"} />
        <Button
          onClick={send}
          disabled={empty || uploading}
          leftSection={kind === "note" ? <IconLock size={14} /> : undefined}
          className={kind === "note" ? "note-button" : undefined}
        >
          {t(kind === "note" ? "composer.add_note" : "composer.send")}
        </Button>
      </div>
    </section>
  );
}
