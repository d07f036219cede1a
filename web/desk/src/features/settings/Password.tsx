import { Button, PasswordInput } from "@mantine/core";
import { useState, type FormEvent, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { say } from "../../app/toasts.tsx";
import { useRefusalWords } from "../../i18n/index.ts";
import { http, refusalOf } from "../../net/index.ts";

const EMPTY = { old: "", password: "" };
type Field = keyof typeof EMPTY;

/** A new password for oneself, with the old one; every other place where one is signed in is left. */
export function Password(): JSX.Element {
  const { t } = useTranslation();
  const words = useRefusalWords();
  const [values, setValues] = useState(EMPTY);
  const [errors, setErrors] = useState<Partial<Record<Field, string>>>({});
  const [busy, setBusy] = useState(false);

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    setBusy(true);
    try {
      await http.post("/api/password", values);
      setValues(EMPTY);
      say("settings.password_changed");
    } catch (refused) {
      const refusal = refusalOf(refused);
      setErrors({ [refusal.field === "old" ? "old" : "password"]: words(refusal) });
    }
    setBusy(false);
  }

  const field = (name: Field): JSX.Element => (
    <PasswordInput
      label={t(name === "old" ? "settings.password_old" : "settings.password_new")}
      autoComplete={name === "old" ? "current-password" : "new-password"}
      value={values[name]}
      error={errors[name]}
      onChange={(event) => {
        setValues({ ...values, [name]: event.currentTarget.value });
        setErrors({});
      }}
      visibilityToggleButtonProps={{ "aria-label": t("account.show_password") }}
      w={260}
    />
  );
  return (
    <form className="form" aria-label={t("settings.password")} onSubmit={(event) => void submit(event)}>
      {field("old")}
      {field("password")}
      <Button
        type="submit"
        variant="default"
        loading={busy}
        disabled={values.old === "" || values.password === ""}
      >
        {t("settings.password_change")}
      </Button>
    </form>
  );
}
