import { Button, Select, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { useFormat } from "../../i18n/index.ts";
import { commands } from "../../store/commands.ts";
import type { Customer } from "./api.ts";

const FIELDS = ["name", "email", "phone"] as const;
const LANGUAGES = ["fr", "en", "es", "de", "it", "pt", "nl", "ar"];

/** Corrects what is known of a customer, in place. */
export function CustomerForm({ customer, close }: { customer: Customer; close(): void }): JSX.Element {
  const { t } = useTranslation();
  const format = useFormat();
  const queries = useQueryClient();
  const [values, setValues] = useState({
    name: customer.name ?? "",
    email: customer.email ?? "",
    phone: customer.phone ?? "",
    language: customer.language ?? "",
  });

  function submit(event: FormEvent): void {
    event.preventDefault();
    const changed = Object.fromEntries(
      Object.entries(values)
        .filter(([name, value]) => value !== (customer[name as keyof typeof values] ?? ""))
        .map(([name, value]) => [name, value.trim()]),
    );
    if (Object.keys(changed).length > 0) {
      queries.setQueryData(["customer", customer.customer], { ...customer, ...changed });
      commands
        .describeCustomer(customer.customer, changed)
        .catch(() => {})
        .finally(() => void queries.invalidateQueries({ queryKey: ["customer", customer.customer] }));
    }
    close();
  }

  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- Escape, wherever inside
    <form
      className="part form"
      onSubmit={submit}
      aria-label={t("customer.edit")}
      onKeyDown={(event) => {
        if (event.key === "Escape" && !event.defaultPrevented) close();
      }}
    >
      {FIELDS.map((name, index) => (
        <TextInput
          key={name}
          label={name === "name" ? t("customer.name") : t(`identity.${name}`)}
          type={name === "email" ? "email" : "text"}
          value={values[name]}
          maxLength={254}
          // Who asked for this form wants to type.
          // oxlint-disable-next-line jsx-a11y/no-autofocus
          autoFocus={index === 0}
          onChange={(event) => setValues({ ...values, [name]: event.currentTarget.value })}
        />
      ))}
      <Select
        label={t("customer.language")}
        data={LANGUAGES.map((code) => ({ value: code, label: format.language(code) }))}
        value={values.language === "" ? null : values.language}
        onChange={(value) => setValues({ ...values, language: value ?? "" })}
        clearable
      />
      <div className="form-acts">
        <Button variant="default" size="xs" onClick={close}>
          {t("app.cancel")}
        </Button>
        <Button size="xs" type="submit">
          {t("app.save")}
        </Button>
      </div>
    </form>
  );
}
