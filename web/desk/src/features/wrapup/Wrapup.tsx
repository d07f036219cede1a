import type { WorkRow } from "@guichet/protocol";
import { Keys } from "@guichet/ui";
import { Button, Textarea } from "@mantine/core";
import { useEffect, useRef, useState, type FormEvent, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { useAction } from "../../app/actions.ts";
import { Until } from "../../shared/time.tsx";
import { commands } from "../../store/commands.ts";
import { nameIn, useKind } from "../../store/directory.ts";

interface WrapupProps {
  work: WorkRow;
  leave(): void;
}

/** After a live contact, in the composer's place: what it was about, a note, and the time that is left. */
export function Wrapup({ work, leave }: WrapupProps): JSX.Element {
  const { t } = useTranslation();
  const results = useKind("disposition").filter(
    (row) => (row.value["client"] ?? work.client) === work.client,
  );
  const [result, setResult] = useState<string | null>(null);
  const [note, setNote] = useState("");

  function finish(): void {
    commands.finishWrapup(work.task, result, note.trim()).catch(() => {});
    leave();
  }
  useAction("wrapup.finish", finish);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    // What had the keyboard is gone (the composer, the button that closed); nobody's words are interrupted.
    if (document.activeElement === document.body)
      form.current?.querySelector<HTMLElement>("input, textarea")?.focus();
  }, []);

  return (
    <form
      ref={form}
      className="wrapup"
      aria-label={t("work.wrapup")}
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        finish();
      }}
    >
      <div className="wrapup-top">
        <strong>{t("work.wrapup")}</strong>
        <span className="soft">{t("wrapup.hint")}</span>
        <span className="work-row-gap" />
        {work.deadline !== null && <Until at={work.deadline} late={10_000} />}
      </div>
      {results.length > 0 ? (
        <fieldset className="wrapup-results">
          <legend className="soft">{t("wrapup.result")}</legend>
          {results.map((row) => (
            <label key={row.id} className="choice">
              <input
                type="radio"
                name="result"
                value={row.id}
                checked={result === row.id}
                onChange={() => setResult(row.id)}
              />
              {nameIn(row)}
            </label>
          ))}
        </fieldset>
      ) : (
        <p className="soft">{t("wrapup.no_results")}</p>
      )}
      <div className="wrapup-foot">
        <Textarea
          aria-label={t("wrapup.note")}
          placeholder={t("wrapup.note")}
          value={note}
          onChange={(event) => setNote(event.currentTarget.value)}
          autosize
          minRows={1}
          maxRows={5}
          maxLength={8_000}
        />
        <Keys keys="Mod+Shift+Enter" />
        <Button type="submit">{t("wrapup.finish")}</Button>
      </div>
    </form>
  );
}
