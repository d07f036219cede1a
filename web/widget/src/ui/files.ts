import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { Refusal } from "../chat/outside.ts";
import type { Attachment } from "../wire.ts";
import { newId } from "../chat/outbox.ts";
import { useTools } from "./context.ts";

/** One file beside the words not yet sent. */
export interface Chosen {
  key: string;
  file: File;
  /** How much has left, 0 to 1. */
  share: number;
  attachment: Attachment | null;
  problem: string | null;
}

export interface Files {
  chosen: Chosen[];
  /** What could not even be chosen. */
  problem: string | null;
  add(list: FileList | File[] | null | undefined): void;
  remove(key: string): void;
  retry(key: string): void;
  /** What has arrived, leaving the list empty. */
  take(): Attachment[];
  busy: boolean;
}

export const MOST_FILES = 10;
/** Bytes; the server takes a little more. */
export const LARGEST_FILE = 25_000_000;

export function useFiles(): Files {
  const { chat, say } = useTools();
  const [chosen, setChosen] = useState<Chosen[]>([]);
  const [problem, setProblem] = useState<string | null>(null);
  const present = useRef(chosen);
  useLayoutEffect(() => {
    present.current = chosen;
  }, [chosen]);

  const actions = useMemo(() => {
    const change = (key: string, what: Partial<Chosen>): void =>
      setChosen((list) => list.map((one) => (one.key === key ? { ...one, ...what } : one)));
    const upload = ({ key, file }: Chosen): void => {
      chat
        .attach(file, (share) => change(key, { share }))
        .then(
          (attachment) => change(key, { attachment, share: 1 }),
          (error: unknown) => {
            const tooLarge = error instanceof Refusal && error.error.kind === "too_large";
            change(key, {
              problem: tooLarge
                ? say("file_too_large", {
                    name: file.name,
                    limit: say.size(error.error.limit ?? LARGEST_FILE),
                  })
                : say("upload_failed", { name: file.name }),
            });
          },
        );
    };
    return {
      add(list: FileList | File[] | null | undefined): void {
        setProblem(null);
        const room = MOST_FILES - present.current.length;
        const files = [...(list ?? [])];
        if (files.length > room) setProblem(say("files_too_many"));
        for (const file of files.slice(0, room)) {
          if (file.size > LARGEST_FILE) {
            setProblem(say("file_too_large", { name: file.name, limit: say.size(LARGEST_FILE) }));
            continue;
          }
          const one: Chosen = { key: newId(), file, share: 0, attachment: null, problem: null };
          setChosen((all) => [...all, one]);
          upload(one);
        }
      },
      remove: (key: string): void => setChosen((all) => all.filter((one) => one.key !== key)),
      retry(key: string): void {
        const one = present.current.find((each) => each.key === key);
        if (!one) return;
        change(key, { problem: null, share: 0 });
        upload(one);
      },
      take(): Attachment[] {
        const done = present.current.flatMap((one) => one.attachment ?? []);
        setChosen([]);
        setProblem(null);
        return done;
      },
    };
  }, [chat, say]);

  return { chosen, problem, busy: chosen.some((one) => !one.attachment && !one.problem), ...actions };
}
