import { Modal, type ModalProps } from "@mantine/core";
import type { JSX } from "react";
import { useTranslation } from "react-i18next";

type DialogProps = Pick<ModalProps, "title" | "size" | "children"> & { close(): void };

/** A dialog over the page, there as long as it is drawn. */
export function Dialog({ close, children, ...rest }: DialogProps): JSX.Element {
  const { t } = useTranslation();
  return (
    <Modal opened onClose={close} closeButtonProps={{ "aria-label": t("app.close") }} {...rest}>
      {children}
    </Modal>
  );
}
