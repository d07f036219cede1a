import { ActionIcon, Tooltip, type ActionIconProps } from "@mantine/core";
import type { JSX, MouseEventHandler, ReactNode } from "react";

import { Keys } from "./Keys.tsx";

interface IconButtonProps extends ActionIconProps {
  /** What it does: read out, and shown on hover with the shortcut. */
  label: string;
  keys?: string | undefined;
  children: ReactNode;
  onClick?: MouseEventHandler<HTMLButtonElement>;
  "aria-expanded"?: boolean;
  "aria-pressed"?: boolean;
}

/** A button that is only a picture, and still has a name. */
export function IconButton({ label, keys, children, ...rest }: IconButtonProps): JSX.Element {
  return (
    <Tooltip
      label={
        keys === undefined ? (
          label
        ) : (
          <>
            {label} <Keys keys={keys} />
          </>
        )
      }
    >
      <ActionIcon aria-label={label} {...rest}>
        {children}
      </ActionIcon>
    </Tooltip>
  );
}
