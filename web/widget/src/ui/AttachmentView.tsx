import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Attachment } from "../wire.ts";
import { useTools } from "./context.ts";
import { FileIcon } from "./icons.tsx";

/** Shown as pictures; anything else is a file to download. */
const PICTURES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"]);

export function AttachmentView({ attachment }: { attachment: Attachment }): JSX.Element {
  return PICTURES.has(attachment.type) ? (
    <Picture attachment={attachment} />
  ) : (
    <FileLink attachment={attachment} />
  );
}

function Picture({ attachment }: { attachment: Attachment }): JSX.Element {
  const { chat, say } = useTools();
  const { address } = attachment;
  const [url, setUrl] = useState<string | null>(null);
  const [broken, setBroken] = useState(false);
  useEffect(() => {
    let made: string | null = null;
    let gone = false;
    const show = async (): Promise<void> => {
      try {
        const blob = await chat.download(address);
        if (gone) return;
        made = URL.createObjectURL(blob);
        setUrl(made);
      } catch {
        setBroken(true);
      }
    };
    void show();
    return () => {
      gone = true;
      if (made) URL.revokeObjectURL(made);
    };
  }, [chat, address]);
  // A page's policy may forbid blob: pictures; the file can still be had.
  if (broken) return <FileLink attachment={attachment} />;
  if (!url) return <div class="picture waiting" />;
  return (
    <a class="picture" href={url} target="_blank" rel="noopener">
      <img src={url} alt={say("image", { name: attachment.name })} onError={() => setBroken(true)} />
    </a>
  );
}

function FileLink({ attachment }: { attachment: Attachment }): JSX.Element {
  const { chat, say } = useTools();
  const [failed, setFailed] = useState(false);
  const fetchIt = async (): Promise<void> => {
    try {
      const url = URL.createObjectURL(await chat.download(attachment.address));
      const link = Object.assign(document.createElement("a"), { href: url, download: attachment.name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
      setFailed(false);
    } catch {
      setFailed(true);
    }
  };
  return (
    <button type="button" class="file" onClick={() => void fetchIt()}>
      <FileIcon />
      <span class="hidden">{say("download")}</span>
      <span class="chip-name">{attachment.name}</span>
      <span class="dim">{failed ? say("download_failed") : say.size(attachment.size)}</span>
    </button>
  );
}
