import { PasswordInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { JSX } from "react";
import { useTranslation } from "react-i18next";

import { http, refusalOf } from "../../net/index.ts";
import type { Value } from "./schema.ts";

/** A secret typed into a form, by the path of its field: it goes to the vault, its name into the value. */
export interface Typed {
  use: string;
  text: string;
  /** The name that the field is not to hold any more: its secret goes once this is saved. */
  removed?: string;
}

interface SecretInputProps {
  id: string;
  label: string;
  description?: string;
  error?: string;
  use: string;
  /** Under which it lies in the vault; "" for none. */
  name: string;
  typed: Typed | undefined;
  type(typed: Typed): void;
  clear(): void;
}

function pathOf(use: string, name: string): string {
  return `/api/secrets/${encodeURIComponent(use)}/${encodeURIComponent(name)}`;
}

/** Entered, never shown: what is kept can only be replaced, or removed. */
export function SecretInput(props: SecretInputProps): JSX.Element {
  const { t } = useTranslation();
  const { use, name, typed, type, clear, description, ...common } = props;
  const kept = useQuery({
    queryKey: ["secret", use, name],
    queryFn: () => http.get<{ known: boolean }>(pathOf(use, name)),
    enabled: name !== "",
  });
  const known = name !== "" && kept.data?.known === true;
  const going = typed?.removed !== undefined && typed.text === "";
  const state = known ? "secret.kept" : going ? "secret.removed" : "secret.none";
  return (
    <PasswordInput
      {...common}
      description={
        <>
          {description !== undefined && `${description} `}
          {t(state)}{" "}
          {known && (
            <button
              type="button"
              className="ui-link"
              onClick={() => {
                type({ use, text: "", removed: name });
                clear();
                document.getElementById(common.id)?.focus(); // this button goes
              }}
            >
              {t("secret.remove")}
            </button>
          )}
        </>
      }
      placeholder={known ? "••••••••" : ""}
      value={typed?.text ?? ""}
      onChange={(event) => type({ ...typed, use, text: event.currentTarget.value })}
      maxLength={4096}
      autoComplete="new-password"
    />
  );
}

/** The value with `next` at a path like `settings.relay.secret`. */
function withAt(value: Value, path: readonly string[], next: unknown): Value {
  const [first = "", ...rest] = path;
  const inner = rest.length === 0 ? next : withAt((value[first] as Value | null) ?? {}, rest, next);
  return { ...value, [first]: inner };
}

function at(value: Value, path: readonly string[]): unknown {
  return path.reduce<unknown>((here, part) => (here as Value | null | undefined)?.[part], value);
}

/** Brings what was typed into the vault; gives the value that names it. Only what the value still has counts. */
export async function keepSecrets(
  id: string,
  value: Value,
  typed: Readonly<Record<string, Typed>>,
): Promise<Value> {
  let named = value;
  for (const [place, { use, text }] of Object.entries(typed)) {
    const path = place.split(".");
    const around = path.length === 1 ? value : at(value, path.slice(0, -1));
    if (text === "" || typeof around !== "object" || around === null) continue;
    const given = at(value, path);
    const name =
      typeof given === "string" && given !== "" ? given : `${id}.${path.at(-1) ?? ""}`.slice(0, 64);
    await http.put(pathOf(use, name), { secret: text });
    named = withAt(named, path, name);
  }
  return named;
}

/** Takes out of the vault what was removed from a value that is saved now. */
export async function removeSecrets(value: Value, typed: Readonly<Record<string, Typed>>): Promise<void> {
  for (const [place, { use, removed }] of Object.entries(typed)) {
    if (removed === undefined || at(value, place.split(".")) === removed) continue;
    try {
      await http.remove(pathOf(use, removed));
    } catch (error) {
      if (refusalOf(error).code !== "secret.in_use") throw error; // other settings name it: it stays theirs
    }
  }
}
