import type { Attachment, Refusal } from "@guichet/protocol";
import { useState } from "react";

import { address, http, newKey, refusalOf } from "../../net/index.ts";

/** A file on its way to the server; `refusal`: it did not arrive. */
export interface Upload {
  id: string;
  file: File;
  refusal: Refusal | null;
}

/** Bytes: the server's bound for one file. */
const LARGEST = 25 * 1024 * 1024;

export interface Uploads {
  list: readonly Upload[];
  add(files: Iterable<File>): void;
  retry(upload: Upload): void;
  drop(id: string): void;
}

/** Sends files one by one as they are chosen; each that has arrived is handed to `arrived`. */
export function useUploads(conversation: string, arrived: (file: Attachment) => void): Uploads {
  const [list, setList] = useState<readonly Upload[]>([]);

  const drop = (id: string) => setList((all) => all.filter((one) => one.id !== id));
  const fail = (id: string, refusal: Refusal) =>
    setList((all) => all.map((one) => (one.id === id ? { ...one, refusal } : one)));

  async function send({ id, file }: Upload): Promise<void> {
    if (file.size > LARGEST) {
      fail(id, { kind: "too_large", code: "attachment.too_large", remedy: "", limit: LARGEST });
      return;
    }
    try {
      arrived(await http.upload<Attachment>(address("/api/attachments", { conversation }), file, file.name));
      drop(id);
    } catch (error) {
      fail(id, refusalOf(error));
    }
  }

  return {
    list,
    drop,
    add: (files) => {
      const fresh = [...files].map((file) => ({ id: newKey(), file, refusal: null }));
      setList((all) => [...all, ...fresh]);
      for (const upload of fresh) void send(upload);
    },
    retry: (upload) => {
      setList((all) => all.map((one) => (one.id === upload.id ? { ...one, refusal: null } : one)));
      void send(upload);
    },
  };
}
