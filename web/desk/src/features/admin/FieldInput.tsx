import {
  Button,
  MultiSelect,
  NumberInput,
  Select,
  Switch,
  TagsInput,
  Textarea,
  TextInput,
} from "@mantine/core";
import { IconButton } from "@guichet/ui";
import { IconPlus, IconX } from "@tabler/icons-react";
import type { JSX } from "react";
import { useTranslation } from "react-i18next";

import { useFormat } from "../../i18n/index.ts";
import { nameIn, useKind } from "../../store/directory.ts";
import { blank, resolve, type Fault, type Field, type Schema, type Value } from "./schema.ts";
import { SecretInput, type Typed } from "./SecretInput.tsx";
import { useFormWords } from "./words.ts";

const LANGUAGES = ["fr", "en", "es", "de", "it", "pt", "nl", "pl", "ro", "ar", "tr", "ru", "uk", "zh", "ja"];
const DAYS = [1, 2, 3, 4, 5, 6, 7];
const LONG = 300;

export interface FieldInputProps {
  kind: string;
  name: string;
  path: string;
  field: Field;
  root: Schema;
  value: unknown;
  change(value: unknown): void;
  /** Every fault of the form by path. */
  faults: Record<string, Fault | string>;
  /** Choices of fields whose values the schema does not list. */
  choices: Record<string, readonly string[]>;
  /** The schemas of objects whose shape depends on another field (a channel's own settings). */
  shapes: Record<string, Schema | undefined>;
  /** Secrets typed so far, by path. */
  typed: Readonly<Record<string, Typed>>;
  type(path: string, typed: Typed): void;
}

function countries(name: (code: string) => string): { value: string; label: string }[] {
  const found: { value: string; label: string }[] = [];
  for (let a = 65; a <= 90; a += 1) {
    for (let b = 65; b <= 90; b += 1) {
      const code = String.fromCharCode(a, b);
      const label = name(code);
      if (label !== code && code !== "ZZ" && code !== "EU" && code !== "UN")
        found.push({ value: code, label });
    }
  }
  return found.toSorted((a, b) => a.label.localeCompare(b.label));
}

function RefInput(props: FieldInputProps & { common: Common; many: boolean; to: string }): JSX.Element {
  const { t } = useTranslation();
  const rows = useKind(props.to);
  const data = rows.map((row) => ({ value: row.id, label: nameIn(row) }));
  const known = new Set(data.map((one) => one.value));
  const held = (props.many ? (props.value as string[] | null) : [props.value as string | null]) ?? [];
  for (const id of held) if (id && id !== "*" && !known.has(id)) data.push({ value: id, label: id });
  if (props.many) {
    return (
      <MultiSelect
        {...props.common}
        data={[{ value: "*", label: t("admin.all") }, ...data]}
        value={held as string[]}
        onChange={(next) => props.change(next.at(-1) === "*" ? ["*"] : next.filter((one) => one !== "*"))}
        searchable
        clearable
        nothingFoundMessage={t("app.nothing_found")}
      />
    );
  }
  return (
    <Select
      {...props.common}
      data={data}
      value={(props.value as string | null) ?? null}
      onChange={(next) => props.change(next)}
      searchable
      clearable={props.field.nullable}
      allowDeselect={props.field.nullable}
      placeholder={props.field.nullable ? t("admin.none") : t("admin.choose")}
      nothingFoundMessage={t("app.nothing_found")}
    />
  );
}

function Rows(props: FieldInputProps & { common: Common; item: Schema }): JSX.Element {
  const { t } = useTranslation();
  const rows = (props.value as Value[] | null) ?? [];
  const names = Object.keys(props.item.properties ?? {});
  return (
    <fieldset className="rows" id={props.common.id}>
      <legend>{props.common.label}</legend>
      {props.common.description !== undefined && <p className="soft">{props.common.description}</p>}
      {rows.map((row, index) => (
        // oxlint-disable-next-line react/no-array-index-key -- lines have no name of their own, and their order is theirs
        <div className="rows-line" key={index}>
          {names.map((name) => (
            <FieldInput
              {...props}
              key={name}
              name={name}
              path={`${props.path}.${index}.${name}`}
              field={resolve(props.item.properties?.[name] ?? {}, props.root)}
              value={row[name]}
              change={(next) =>
                props.change(rows.map((one, at) => (at === index ? { ...one, [name]: next } : one)))
              }
            />
          ))}
          <IconButton
            label={t("admin.remove_row")}
            onClick={() => props.change(rows.filter((_, at) => at !== index))}
          >
            <IconX size={16} />
          </IconButton>
        </div>
      ))}
      <Button
        variant="default"
        size="xs"
        leftSection={<IconPlus size={14} />}
        onClick={() =>
          props.change([
            ...rows,
            { ...blank({ ...props.item, $defs: props.root.$defs ?? {} }), ...rows.at(-1) },
          ])
        }
      >
        {t("admin.add_row")}
      </Button>
    </fieldset>
  );
}

/** An object within the value: its fields under one heading; where it may be left out, a switch says whether. */
function Nested(props: FieldInputProps & { common: Common }): JSX.Element {
  const { schema, nullable } = props.field;
  const value = props.value as Value | null | undefined;
  const used = value !== null && value !== undefined;
  return (
    <fieldset className="rows nested">
      <legend>{props.common.label}</legend>
      {nullable && (
        <Switch
          id={props.common.id}
          label={props.common.description ?? props.common.label}
          checked={used}
          onChange={(event) => props.change(event.currentTarget.checked ? blank(schema) : null)}
        />
      )}
      {(used || !nullable) &&
        Object.entries(schema.properties ?? {}).map(([part, partSchema]) => (
          <FieldInput
            {...props}
            key={part}
            name={part}
            path={`${props.path}.${part}`}
            field={resolve(partSchema, props.root)}
            value={value?.[part]}
            change={(next) => props.change({ ...value, [part]: next })}
          />
        ))}
    </fieldset>
  );
}

interface Common {
  id: string;
  label: string;
  description?: string;
  error?: string;
  required?: boolean;
}

/** One field of a settings form: the schema says which control, the words are written by hand. */
export function FieldInput(props: FieldInputProps): JSX.Element {
  const { t } = useTranslation();
  const format = useFormat();
  const words = useFormWords();
  const { kind, name, path, field, value, change } = props;
  const { schema, nullable } = field;
  const fault = props.faults[path];
  const hint = words.hint(kind, name);
  const common: Common = {
    id: `field-${path}`,
    label: words.label(kind, name, schema),
    ...(hint === undefined ? {} : { description: hint }),
    ...(fault === undefined
      ? {}
      : { error: typeof fault === "string" ? fault : t(`fault.${fault.key}`, { limit: fault.limit }) }),
  };

  if (schema.ref !== undefined) return <RefInput {...props} common={common} many={false} to={schema.ref} />;
  if (schema.secret !== undefined) {
    return (
      <SecretInput
        {...common}
        use={schema.secret}
        name={typeof value === "string" ? value : ""}
        typed={props.typed[path]}
        type={(typed) => props.type(path, typed)}
        clear={() => change("")}
      />
    );
  }
  const listed = props.choices[name];
  if (listed) {
    return (
      <Select
        {...common}
        data={listed.map((one) => ({ value: one, label: words.option(name, one) }))}
        value={(value as string | null) ?? null}
        allowDeselect={false}
        placeholder={t("admin.choose")}
        onChange={change}
      />
    );
  }
  if (schema.enum) {
    return (
      <Select
        {...common}
        data={schema.enum.map((one) => ({ value: one, label: words.option(name, one) }))}
        value={(value as string | null) ?? null}
        allowDeselect={nullable}
        clearable={nullable}
        onChange={change}
      />
    );
  }
  switch (schema.type) {
    case "boolean":
      return (
        <Switch
          {...common}
          checked={value === true}
          onChange={(event) => change(event.currentTarget.checked)}
        />
      );
    case "integer":
    case "number":
      if (name === "day") {
        return (
          <Select
            {...common}
            data={DAYS.map((day) => ({ value: String(day), label: t(`day.${day as 1}`) }))}
            value={typeof value === "number" ? String(value) : null}
            allowDeselect={false}
            onChange={(next) => change(Number(next))}
          />
        );
      }
      return (
        <NumberInput
          {...common}
          value={typeof value === "number" ? value : ""}
          onChange={(next) => change(next === "" ? null : next)}
          {...(schema.minimum === undefined ? {} : { min: schema.minimum })}
          {...(schema.maximum === undefined ? {} : { max: schema.maximum })}
          clampBehavior="none"
          hideControls
          styles={{ wrapper: { maxWidth: 160 } }}
          placeholder={nullable ? t("admin.none") : ""}
        />
      );
    case "array": {
      const item = resolve(schema.items ?? {}, props.root).schema;
      if (item.type === "object") return <Rows {...props} common={common} item={item} />;
      if (item.ref !== undefined) return <RefInput {...props} common={common} many to={item.ref} />;
      if (item.pattern === "^[a-z]{2}$") {
        return (
          <MultiSelect
            {...common}
            data={LANGUAGES.map((code) => ({ value: code, label: format.language(code) }))}
            value={(value as string[] | null) ?? []}
            onChange={change}
            searchable
          />
        );
      }
      return <TagsInput {...common} value={(value as string[] | null) ?? []} onChange={change} />;
    }
    case "object": {
      if (schema.properties) return <Nested {...props} common={common} />;
      const shape = props.shapes[name];
      if (!shape) return <p className="soft">{t("admin.no_settings")}</p>;
      const inner = (value as Value | null) ?? {};
      return (
        <>
          {Object.entries(shape.properties ?? {}).map(([part, partSchema]) => (
            <FieldInput
              {...props}
              key={part}
              name={part}
              path={`${path}.${part}`}
              field={resolve(partSchema, shape)}
              root={shape}
              value={inner[part] ?? resolve(partSchema, shape).schema.default}
              change={(next) => change({ ...inner, [part]: next })}
            />
          ))}
        </>
      );
    }
    default:
  }
  const text = typeof value === "string" ? value : "";
  const set = (next: string) => change(next === "" && nullable ? null : next);
  if (schema.pattern === "^[a-z]{2}$" || schema.pattern === "^[A-Z]{2}$") {
    const data =
      schema.pattern === "^[A-Z]{2}$"
        ? countries(format.country)
        : LANGUAGES.map((code) => ({ value: code, label: format.language(code) }));
    return (
      <Select
        {...common}
        data={data}
        value={text === "" ? null : text}
        onChange={change}
        searchable
        clearable={nullable}
        allowDeselect={nullable}
        placeholder={nullable ? t("admin.any") : ""}
      />
    );
  }
  if (name === "time_zone") {
    return (
      <Select
        {...common}
        data={Intl.supportedValuesOf("timeZone")}
        value={text}
        onChange={change}
        searchable
      />
    );
  }
  if (name === "colour") {
    return (
      <TextInput
        {...common}
        value={text}
        onChange={(event) => set(event.currentTarget.value)}
        styles={{ wrapper: { maxWidth: 220 } }}
        leftSection={
          <input
            type="color"
            className="colour"
            aria-label={common.label}
            value={/^#[0-9a-f]{6}$/i.test(text) ? text : "#000000"}
            onChange={(event) => set(event.currentTarget.value)}
          />
        }
      />
    );
  }
  if (name === "start" || name === "end") {
    return (
      <TextInput
        {...common}
        value={text}
        onChange={(event) => set(event.currentTarget.value)}
        w={110}
        placeholder="09:00"
      />
    );
  }
  if ((schema.maxLength ?? 0) > LONG) {
    return (
      <Textarea
        {...common}
        value={text}
        onChange={(event) => set(event.currentTarget.value)}
        autosize
        minRows={3}
        maxRows={14}
      />
    );
  }
  return <TextInput {...common} value={text} onChange={(event) => set(event.currentTarget.value)} />;
}
