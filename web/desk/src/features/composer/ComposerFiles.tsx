import type { Attachment } from "@guichet/protocol";
import { IconButton } from "@guichet/ui";
import { IconFile, IconX } from "@tabler/icons-react";
import type { JSX } from "react";
import { useTranslation } from "react-i18next";

import { useFormat, useRefusalWords } from "../../i18n/index.ts";
import type { Uploads } from "./uploads.ts";

interface ComposerFilesProps {
  kept: readonly Attachment[];
  uploads: Uploads;
  remove(file: Attachment): void;
}

/** What goes with the reply: files that have arrived, and those on their way. */
export function ComposerFiles({ kept, uploads, remove }: ComposerFilesProps): JSX.Element | null {
  const { t } = useTranslation();
  const format = useFormat();
  const words = useRefusalWords();
  if (kept.length === 0 && uploads.list.length === 0) return null;
  return (
    <ul className="files composer-files" aria-label={t("thread.files")}>
      {kept.map((file) => (
        <li key={file.address} className="file">
          <IconFile size={16} aria-hidden />
          <span className="cut">{file.name}</span>
          <span className="soft num">{format.size(file.size)}</span>
          <IconButton
            label={t("composer.remove_file", { name: file.name })}
            size={22}
            onClick={() => remove(file)}
          >
            <IconX size={14} />
          </IconButton>
        </li>
      ))}
      {uploads.list.map((upload) => (
        <li key={upload.id} className="file">
          <IconFile size={16} aria-hidden />
          <span className="cut">{upload.file.name}</span>
          {upload.refusal ? (
            <span className="ui-error" role="alert">
              {words(upload.refusal)}
              <button type="button" className="ui-link" onClick={() => uploads.retry(upload)}>
                {t("app.retry")}
              </button>
            </span>
          ) : (
            <span className="soft">{t("composer.uploading")}</span>
          )}
          <IconButton
            label={t("composer.remove_file", { name: upload.file.name })}
            size={22}
            onClick={() => uploads.drop(upload.id)}
          >
            <IconX size={14} />
          </IconButton>
        </li>
      ))}
    </ul>
  );
}
