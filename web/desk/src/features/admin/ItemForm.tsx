import { Bones, Empty } from "@guichet/ui";
import { Button } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useMemo, useRef, useState, type FormEvent, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { go, pathTo } from "../../app/router.tsx";
import { say } from "../../app/toasts.tsx";
import { useRefusalWords } from "../../i18n/index.ts";
import { refusalOf } from "../../net/index.ts";
import { commands } from "../../store/commands.ts";
import { useTouched, type Item, type Schemas } from "./api.ts";
import { FieldInput } from "./FieldInput.tsx";
import { Embed } from "./Embed.tsx";
import { History } from "./History.tsx";
import { Invite } from "./Invite.tsx";
import { LAYOUTS, type Kind } from "./layout.ts";
import {
  blank,
  faults as findFaults,
  idFrom,
  resolve,
  type Fault,
  type Schema,
  type Value,
} from "./schema.ts";
import { keepSecrets, removeSecrets, type Typed } from "./SecretInput.tsx";
import { useFormWords } from "./words.ts";

const NO_SCHEMA: Schema = {};

interface ItemFormProps {
  kind: Kind;
  /** Null: a new one. */
  item: Item | null;
  taken: ReadonlySet<string>;
  schemas: Schemas;
}

function groupsOf(kind: Kind, schema: Schema): { title: string | null; fields: string[] }[] {
  const all = Object.keys(schema.properties ?? {}).filter((name) => name !== "active");
  const known = new Set(LAYOUTS[kind].groups.flatMap((group) => group.fields));
  const rest = all.filter((name) => !known.has(name));
  const groups: { title: string | null; fields: string[] }[] = LAYOUTS[kind].groups.map((group) => ({
    title: group.title,
    fields: group.fields.filter((name) => all.includes(name)),
  }));
  return rest.length > 0 ? [...groups, { title: null, fields: rest }] : groups;
}

/** Whom a change touches, in numbers, before it is saved. */
function Touches({
  kind,
  id,
  schemas,
}: {
  kind: Kind;
  id: string | null;
  schemas: Schemas;
}): JSX.Element | null {
  const { t } = useTranslation();
  const touched = useTouched(kind, id, schemas);
  if (touched.length === 0) return null;
  const list = touched.map(([one, count]) => t(`touch.${one as "agent"}`, { count })).join(", ");
  return <p className="soft">{t("admin.touches", { list })}</p>;
}

function toField(path: string): void {
  const exact =
    document.getElementById(`field-${path}`) ?? document.getElementById(`field-${path.split(".")[0]}`);
  exact?.focus();
  exact?.scrollIntoView({ block: "center" });
}

/** One piece of configuration as a form: faults beside their field and in a summary that leads to them. */
export function ItemForm({ kind, item, taken, schemas }: ItemFormProps): JSX.Element {
  const { t } = useTranslation();
  const words = useRefusalWords();
  const formWords = useFormWords();
  const queries = useQueryClient();
  const schema = schemas.kinds[kind] ?? NO_SCHEMA;
  const [value, setValue] = useState<Value>(() => ({ ...blank(schema), ...item?.value }));
  const [secrets, setSecrets] = useState<Readonly<Record<string, Typed>>>({});
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<{ field: string | null; words: string; stale: boolean } | null>(
    null,
  );
  const [touched, setTouched] = useState<ReadonlySet<string>>(new Set());
  const summary = useRef<HTMLDivElement>(null);

  const found = useMemo(() => findFaults(value, schema), [value, schema]);
  const shown: Record<string, Fault | string> = {};
  for (const [path, fault] of Object.entries(found)) {
    const typed = touched.has(path.split(".")[0] ?? "") && fault.key !== "required";
    if (tried || typed) shown[path] = fault;
  }
  if (refused?.field) shown[refused.field] = refused.words;
  const differs = (next: Value): boolean =>
    item === null || JSON.stringify({ ...blank(schema), ...item.value }) !== JSON.stringify(next);
  const changed = differs(value) || Object.values(secrets).some(({ text }) => text !== "");
  const channel = typeof value["channel"] === "string" ? value["channel"] : "";
  const channelNames = Object.keys(schemas.channels);
  const choices: Record<string, readonly string[]> = { policy: schemas.policies };
  if (channelNames.length > 0) choices["channel"] = channelNames;

  function set(name: string, next: unknown): void {
    setTouched((all) => new Set(all).add(name));
    setRefused(null);
    setValue((all) => ({ ...all, [name]: next }));
  }

  async function save(next: Value): Promise<void> {
    const name = String(next["name"] ?? next["shortcut"] ?? "");
    const id = item?.id ?? idFrom(name, taken);
    setBusy(true);
    try {
      // First the secrets: a value never names one that is not there.
      const named = await keepSecrets(id, next, secrets);
      if (differs(named)) await commands.setConfig(kind, id, named, item?.version ?? 0);
      await removeSecrets(named, secrets);
      setSecrets({});
      await queries.invalidateQueries({ queryKey: ["secret"] });
      await queries.invalidateQueries({ queryKey: ["config", kind] });
      say("admin.saved");
      setTried(false);
      if (item === null) go(pathTo("admin", kind, id), { replace: true });
    } catch (error) {
      const refusal = refusalOf(error);
      const field = refusal.field?.replace(/^value\./, "") ?? null;
      setRefused({
        field:
          field !== null && field.split(".")[0] !== undefined && (field.split(".")[0] ?? "") in value
            ? field
            : null,
        words: words(refusal),
        stale: refusal.kind === "conflict" && refusal.code === "config.stale",
      });
      summary.current?.focus();
    } finally {
      setBusy(false);
    }
  }

  function submit(event: FormEvent): void {
    event.preventDefault();
    setTried(true);
    if (Object.keys(found).length > 0) {
      requestAnimationFrame(() => summary.current?.focus());
      return;
    }
    void save(value);
  }

  const faulty = Object.entries(shown);
  const active = value["active"] !== false;
  return (
    <form className="item-form" onSubmit={submit} noValidate>
      <header className="item-head">
        <h2 className="cut">
          {item === null ? t(`new.${kind}`) : String(value["name"] ?? value["shortcut"] ?? item.id)}
        </h2>
        {!active && <span className="tag">{t("admin.inactive")}</span>}
        <span className="work-row-gap" />
        {kind === "agent" && item !== null && active && <Invite agent={item.id} />}
        {item !== null && kind !== "organisation" && (
          <Button variant="default" loading={busy} onClick={() => void save({ ...value, active: !active })}>
            {t(active ? "admin.retire" : "admin.reactivate")}
          </Button>
        )}
        <Button type="submit" loading={busy} disabled={!changed}>
          {t("app.save")}
        </Button>
      </header>
      <div className="item-body">
        <div
          ref={summary}
          tabIndex={-1}
          className="summary"
          data-shown={(tried && faulty.length > 0) || refused !== null || undefined}
        >
          {tried && faulty.length > 0 && (
            <>
              <strong>{t("admin.faults", { count: faulty.length })}</strong>
              <ul>
                {faulty.map(([path, fault]) => (
                  <li key={path}>
                    <button type="button" className="ui-link" onClick={() => toField(path)}>
                      {formWords.label(kind, path.split(".")[0] ?? path, {})}
                    </button>
                    {" – "}
                    {typeof fault === "string" ? fault : t(`fault.${fault.key}`, { limit: fault.limit })}
                  </li>
                ))}
              </ul>
            </>
          )}
          {refused !== null && refused.field === null && (
            <p role="alert">
              {refused.words}{" "}
              {refused.stale && (
                <button
                  type="button"
                  className="ui-link"
                  onClick={() => void queries.invalidateQueries({ queryKey: ["config", kind] })}
                >
                  {t("app.reload")}
                </button>
              )}
            </p>
          )}
        </div>
        <Touches kind={kind} id={item?.id ?? null} schemas={schemas} />
        {groupsOf(kind, schema).map((group) => (
          <section key={group.title ?? "rest"} className="group">
            <h3>{group.title === null ? t("group.rest") : t(group.title as "group.identity")}</h3>
            <div className="group-fields">
              {group.fields.map((name) => (
                <FieldInput
                  key={name}
                  kind={kind}
                  name={name}
                  path={name}
                  field={resolve(schema.properties?.[name] ?? {}, schema)}
                  root={schema}
                  value={value[name]}
                  change={(next) => set(name, next)}
                  faults={shown}
                  choices={choices}
                  shapes={{ settings: schemas.channels[channel] }}
                  typed={secrets}
                  type={(path, one) => setSecrets((all) => ({ ...all, [path]: one }))}
                />
              ))}
            </div>
          </section>
        ))}
        {item !== null && schemas.channels[channel]?.properties?.["allowed_origins"] && (
          <Embed entry={item.id} />
        )}
        {item !== null && <History kind={kind} item={item} restore={(old) => void save(old)} />}
      </div>
    </form>
  );
}

/** While the kinds are on their way, or when they did not arrive. */
export function NoForm({ failed, again }: { failed: boolean; again(): void }): JSX.Element {
  const { t } = useTranslation();
  if (!failed) return <Bones rows={8} height={52} label={t("app.loading")} />;
  return (
    <Empty title={t("admin.error")}>
      <Button onClick={again}>{t("app.retry")}</Button>
    </Empty>
  );
}
