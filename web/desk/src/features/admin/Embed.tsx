import { Button, CopyButton, TextInput } from "@mantine/core";
import type { JSX } from "react";
import { useTranslation } from "react-i18next";

/** The line that a client puts into the pages of its site, so that this door appears there. */
export function Embed({ entry }: { entry: string }): JSX.Element {
  const { t } = useTranslation();
  const tag = `<script src="${location.origin}/widget/guichet.js" data-entry="${entry}" async></script>`;
  return (
    <section className="group">
      <h3>{t("embed.title")}</h3>
      <div className="group-fields">
        <TextInput
          label={t("embed.label")}
          description={t("embed.hint")}
          value={tag}
          readOnly
          onFocus={(event) => event.currentTarget.select()}
        />
        <div>
          <CopyButton value={tag}>
            {({ copied, copy }) => (
              <Button variant="default" onClick={copy}>
                {t(copied ? "admin.copied" : "admin.copy_line")}
              </Button>
            )}
          </CopyButton>
        </div>
      </div>
    </section>
  );
}
