/** The part of JSON schema that the settings' models use, and what a form needs to know of it. */
export interface Schema {
  type?: "string" | "integer" | "number" | "boolean" | "array" | "object" | "null";
  title?: string;
  description?: string;
  default?: unknown;
  enum?: string[];
  const?: unknown;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  maxItems?: number;
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  anyOf?: Schema[];
  allOf?: Schema[];
  $ref?: string;
  $defs?: Record<string, Schema>;
  /** The kind of configuration whose id the field holds. */
  ref?: string;
  /** What the secret is for whose name the field holds. */
  secret?: string;
}

export type Value = Record<string, unknown>;

export interface Field {
  schema: Schema;
  /** The field may be left empty: its value is null then. */
  nullable: boolean;
}

/** Follows references and takes "or null" apart. */
export function resolve(schema: Schema, root: Schema): Field {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split("/").at(-1) ?? "";
    const target = root.$defs?.[name] ?? {};
    return { schema: { ...target, ...schema, ...target }, nullable: false };
  }
  if (schema.anyOf) {
    const inner = schema.anyOf.find((one) => one.type !== "null") ?? {};
    const nullable = schema.anyOf.some((one) => one.type === "null");
    const field = resolve(inner, root);
    const merged: Schema = { ...field.schema };
    if (schema.title !== undefined) merged.title = schema.title;
    if ("default" in schema) merged.default = schema.default;
    return { schema: merged, nullable };
  }
  return { schema, nullable: false };
}

/** A value to begin with: every default, nothing else. */
export function blank(root: Schema): Value {
  const value: Value = {};
  for (const [name, schema] of Object.entries(root.properties ?? {})) {
    const field = resolve(schema, root);
    if (field.schema.default !== undefined) value[name] = structuredClone(field.schema.default);
    else if (field.nullable) value[name] = null;
  }
  return value;
}

/** What is wrong with a field, as the key of a text and its figures. */
export interface Fault {
  key: "required" | "short" | "long" | "pattern" | "small" | "large" | "number" | "many";
  limit: number;
}

function matches(pattern: string, value: string): boolean {
  try {
    return new RegExp(pattern, "u").test(value);
  } catch {
    // Written for another engine: the server decides.
    return true;
  }
}

function faultOf(value: unknown, { schema, nullable }: Field, required: boolean): Fault | null {
  if (value === null || value === undefined || value === "") {
    const needed = (required && !nullable) || (schema.minLength ?? 0) > 0;
    return needed && !nullable ? { key: "required", limit: 0 } : null;
  }
  if (typeof value === "string") {
    if (schema.minLength !== undefined && value.trim().length < schema.minLength) {
      return { key: "short", limit: schema.minLength };
    }
    if (schema.maxLength !== undefined && value.length > schema.maxLength)
      return { key: "long", limit: schema.maxLength };
    if (schema.pattern !== undefined && !matches(schema.pattern, value)) return { key: "pattern", limit: 0 };
  }
  if (schema.type === "integer" || schema.type === "number") {
    if (typeof value !== "number" || (schema.type === "integer" && !Number.isInteger(value))) {
      return { key: "number", limit: 0 };
    }
    if (schema.minimum !== undefined && value < schema.minimum)
      return { key: "small", limit: schema.minimum };
    if (schema.maximum !== undefined && value > schema.maximum)
      return { key: "large", limit: schema.maximum };
  }
  if (Array.isArray(value) && schema.maxItems !== undefined && value.length > schema.maxItems) {
    return { key: "many", limit: schema.maxItems };
  }
  return null;
}

/** Every fault of a value by the path of its field: `email`, `slots.2.start`. The server checks again. */
export function faults(
  value: Value,
  schema: Schema,
  root: Schema = schema,
  prefix = "",
): Record<string, Fault> {
  const found: Record<string, Fault> = {};
  for (const [name, part] of Object.entries(schema.properties ?? {})) {
    const field = resolve(part, root);
    const path = prefix + name;
    const here = value[name];
    const fault = faultOf(here, field, schema.required?.includes(name) ?? false);
    if (fault) found[path] = fault;
    if (field.schema.type === "array" && field.schema.items && Array.isArray(here)) {
      const item = resolve(field.schema.items, root);
      here.forEach((one: unknown, index) => {
        if (item.schema.type === "object") {
          Object.assign(found, faults(one as Value, item.schema, root, `${path}.${index}.`));
        } else {
          const wrong = faultOf(one, item, true);
          if (wrong) found[path] = wrong;
        }
      });
    }
  }
  return found;
}

/** An id that people can read in an address, from a name: "Crédit Midi" -> "credit-midi". */
export function idFrom(name: string, taken: ReadonlySet<string>): string {
  const stem =
    name
      .normalize("NFD")
      .replace(/\p{M}/gu, "")
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, "-")
      .replace(/^-+|-+$/g, "")
      .slice(0, 48) || "item";
  let id = stem;
  for (let n = 2; taken.has(id); n += 1) id = `${stem}-${n}`;
  return id;
}

/** Whether a value names `id` in a field that refers to its kind. */
export function refersTo(value: unknown, schema: Schema, root: Schema, kind: string, id: string): boolean {
  const { schema: here } = resolve(schema, root);
  if (here.ref === kind) return value === id;
  if (here.type === "array" && here.items && Array.isArray(value)) {
    const { items } = here;
    return value.some((one) => refersTo(one, items, root, kind, id));
  }
  if (here.properties && typeof value === "object" && value !== null) {
    return Object.entries(here.properties).some(([name, part]) =>
      refersTo((value as Value)[name], part, root, kind, id),
    );
  }
  return false;
}
