import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useState, type FormEvent, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { go } from "../app/router.tsx";
import { useRefusalWords } from "../i18n/index.ts";
import { http, refusalOf } from "../net/index.ts";
import { begin } from "../store/session.ts";
import { useSettings } from "../store/settings.ts";
import { Door } from "./Door.tsx";

/** Characters that a password must have at least; the server asks for the same. */
export const SHORTEST_PASSWORD = 10;

/** The first minute of a new house: its name, and the first administrator. */
export default function SetUp(): JSX.Element {
  const { t } = useTranslation();
  const words = useRefusalWords();
  const language = useSettings((chosen) => chosen.language);
  const [values, setValues] = useState({ organisation: "", name: "", email: "", password: "" });
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [busy, setBusy] = useState(false);
  const field = (name: keyof typeof values) => ({
    value: values[name],
    error: errors[name],
    required: true,
    withAsterisk: false,
    onChange: (event: { currentTarget: { value: string } }) => {
      setValues({ ...values, [name]: event.currentTarget.value });
      setErrors({});
    },
  });

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    if (values.password.length < SHORTEST_PASSWORD) {
      setErrors({ password: t("account.too_short", { count: SHORTEST_PASSWORD }) });
      return;
    }
    setBusy(true);
    try {
      await http.post("/api/setup", {
        ...values,
        language,
        time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      });
      go("/admin", { replace: true }); // a centre without queues and doors has nothing to do yet
      await begin();
    } catch (refused) {
      const refusal = refusalOf(refused);
      setErrors({ [refusal.field ?? "form"]: words(refusal) });
      setBusy(false);
    }
  }

  return (
    <Door title={t("setup.title")} hint={t("setup.hint")}>
      <form className="form" onSubmit={(event) => void submit(event)}>
        <TextInput
          label={t("setup.organisation")}
          description={t("setup.organisation_hint")}
          maxLength={80}
          {...field("organisation")}
        />
        <TextInput label={t("setup.name")} autoComplete="name" maxLength={80} {...field("name")} />
        <TextInput
          label={t("account.email")}
          type="email"
          autoComplete="username"
          maxLength={254}
          {...field("email")}
        />
        <PasswordInput
          label={t("account.password")}
          description={t("account.password_hint", { count: SHORTEST_PASSWORD })}
          autoComplete="new-password"
          visibilityToggleButtonProps={{ "aria-label": t("account.show_password") }}
          {...field("password")}
        />
        {errors["form"] !== undefined && (
          <p className="ui-error" role="alert">
            {errors["form"]}
          </p>
        )}
        <Button type="submit" loading={busy} fullWidth>
          {t("setup.do")}
        </Button>
      </form>
    </Door>
  );
}
