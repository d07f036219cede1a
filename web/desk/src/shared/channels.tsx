import { IconMail, IconMessage, IconMessages, type Icon } from "@tabler/icons-react";
import type { JSX } from "react";
import { useTranslation } from "react-i18next";

import type { Key } from "../i18n/index.ts";

interface Look {
  icon: Icon;
  label: Key;
  /** How the composer sends: a chat at Enter, a letter at Ctrl+Enter. */
  letter: boolean;
}

/** How each channel looks; one that is not here is shown with a general sign and its own name. */
const LOOKS: Record<string, Look> = {
  webchat: { icon: IconMessage, label: "channel.webchat", letter: false },
  email: { icon: IconMail, label: "channel.email", letter: true },
};

export function useChannelName(): (channel: string | null | undefined) => string {
  const { t } = useTranslation();
  return (channel) => {
    const look = LOOKS[channel ?? ""];
    return look ? t(look.label) : (channel ?? "");
  };
}

export function isLetter(channel: string | null | undefined): boolean {
  return LOOKS[channel ?? ""]?.letter ?? false;
}

export function ChannelIcon({
  channel,
  size = 16,
}: {
  channel: string | null | undefined;
  size?: number;
}): JSX.Element {
  const name = useChannelName()(channel);
  const Glyph = LOOKS[channel ?? ""]?.icon ?? IconMessages;
  return <Glyph size={size} stroke={1.6} role="img" aria-label={name} className="channel" />;
}
