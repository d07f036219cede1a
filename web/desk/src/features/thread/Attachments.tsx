import type { Attachment } from "@guichet/protocol";
import { IconFile } from "@tabler/icons-react";
import type { JSX } from "react";
import { useTranslation } from "react-i18next";

import { useFormat } from "../../i18n/index.ts";

const SHOWN = /^image\/(png|jpeg|gif|webp)$/;

export function attachmentPath(conversation: string, address: string): string {
  return `/api/attachments/${encodeURIComponent(conversation)}/${encodeURIComponent(address)}`;
}

/** Files beside a message: pictures small, everything else by name and size. */
export function Attachments({
  conversation,
  files,
}: {
  conversation: string;
  files: readonly Attachment[];
}): JSX.Element {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <ul className="files" aria-label={t("thread.files")}>
      {files.map((file) => {
        const path = attachmentPath(conversation, file.address);
        return (
          <li key={file.address}>
            <a
              className="file"
              href={path}
              target="_blank"
              rel="noreferrer"
              download={SHOWN.test(file.type) ? undefined : file.name}
            >
              {SHOWN.test(file.type) ? (
                <img src={path} alt={file.name} loading="lazy" width={160} height={110} />
              ) : (
                <>
                  <IconFile size={16} aria-hidden />
                  <span className="cut">{file.name}</span>
                  <span className="soft num">{format.size(file.size)}</span>
                </>
              )}
            </a>
          </li>
        );
      })}
    </ul>
  );
}
