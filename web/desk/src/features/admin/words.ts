import { useTranslation } from "react-i18next";

import type { Key } from "../../i18n/index.ts";
import type { Schema } from "./schema.ts";

interface Words {
  label(kind: string, field: string, schema: Schema): string;
  hint(kind: string, field: string): string | undefined;
  option(field: string, value: string): string;
}

/** The hand-written words of the forms; a field that has none yet shows its title from the schema. */
export function useFormWords(): Words {
  const { t, i18n } = useTranslation();
  function first(...keys: string[]): string | undefined {
    const key = keys.find((one) => i18n.exists(one));
    return key === undefined ? undefined : t(key as Key);
  }
  return {
    label: (kind, field, schema) =>
      first(`field.${kind}.${field}`, `field.${field}`) ?? schema.title ?? field,
    hint: (kind, field) => first(`hint.${kind}.${field}`, `hint.${field}`),
    option: (field, value) => first(`option.${field}.${value}`, `presence.${value}`) ?? value,
  };
}
