import { Bones, Empty, VirtualList } from "@guichet/ui";
import { Button, TextInput } from "@mantine/core";
import { IconPlus, IconSearch } from "@tabler/icons-react";
import { useMemo, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { go, pathTo, To, usePart, useQuery as useAddress } from "../../app/router.tsx";
import { adminEn } from "../../i18n/admin.en.ts";
import { adminFr } from "../../i18n/admin.fr.ts";
import { i18n, useFormat, useRefusalWords } from "../../i18n/index.ts";
import { refusalOf } from "../../net/index.ts";
import { useNames } from "../../store/directory.ts";
import { useItems, useSchemas, type Item } from "./api.ts";
import { ItemForm, NoForm } from "./ItemForm.tsx";
import { KINDS, LAYOUTS, type Kind } from "./layout.ts";
import { useFormWords } from "./words.ts";

i18n.addResourceBundle("en", "desk", adminEn, true);
i18n.addResourceBundle("fr", "desk", adminFr, true);

function isKind(part: string | undefined): part is Kind {
  return KINDS.some((kind) => kind === part);
}

function nameOf(item: Item): string {
  return String(item.value["name"] ?? item.value["shortcut"] ?? item.id);
}

function Detail({ kind, item }: { kind: Kind; item: Item }): JSX.Element | null {
  const words = useFormWords();
  const format = useFormat();
  const client = useNames("client");
  const field = LAYOUTS[kind].detail;
  const value = field === undefined ? undefined : item.value[field];
  if (field === undefined || typeof value !== "string") return null;
  const text =
    field === "client"
      ? client(value)
      : field === "country"
        ? format.country(value)
        : words.option(field, value);
  return <span className="soft cut">{text}</span>;
}

function ItemList({
  kind,
  items,
  chosen,
}: {
  kind: Kind;
  items: readonly Item[];
  chosen: string | undefined;
}): JSX.Element {
  const { t } = useTranslation();
  const [address, change] = useAddress();
  const words = address.get("words") ?? "";
  const shown = useMemo(() => {
    const wanted = words.trim().toLowerCase();
    return items
      .filter((item) => JSON.stringify(item.value).toLowerCase().includes(wanted))
      .toSorted(
        (a, b) =>
          Number(a.value["active"] === false) - Number(b.value["active"] === false) ||
          nameOf(a).localeCompare(nameOf(b)),
      );
  }, [items, words]);
  const query = words === "" ? "" : `?words=${encodeURIComponent(words)}`;
  return (
    <section className="item-list" aria-label={t(`kind.${kind}`)}>
      <div className="item-list-head">
        <TextInput
          type="search"
          aria-label={t("admin.search")}
          placeholder={t("admin.search")}
          leftSection={<IconSearch size={16} />}
          value={words}
          onChange={(event) => change({ words: event.currentTarget.value })}
        />
        <Button
          leftSection={<IconPlus size={14} />}
          onClick={() => go(`${pathTo("admin", kind, "new")}${query}`)}
        >
          {t("admin.add")}
        </Button>
      </div>
      {items.length === 0 && <Empty title={t("admin.none_yet")} hint={t(`about.${kind}`)} />}
      {items.length > 0 && shown.length === 0 && <Empty title={t("admin.no_match")} />}
      {shown.length > 0 && (
        <VirtualList
          items={shown}
          keyOf={(item) => item.id}
          heightOf={() => 40}
          label={t(`kind.${kind}`)}
          render={(item) => (
            <To
              to={`${pathTo("admin", kind, item.id)}${query}`}
              className="item-row"
              data-row
              data-inactive={item.value["active"] === false || undefined}
              aria-current={item.id === chosen ? "true" : undefined}
            >
              <span className="cut">{nameOf(item)}</span>
              {item.value["active"] === false ? (
                <span className="tag">{t("admin.inactive")}</span>
              ) : (
                <Detail kind={kind} item={item} />
              )}
            </To>
          )}
        />
      )}
    </section>
  );
}

function KindPane({ kind }: { kind: Kind }): JSX.Element {
  const { t } = useTranslation();
  const words = useRefusalWords();
  const part = usePart(2);
  const schemas = useSchemas();
  const items = useItems(kind);
  const single = kind === "organisation";
  const chosen = single ? "organisation" : part;
  const item = items.data?.find((one) => one.id === chosen) ?? null;
  if (items.isError) {
    return (
      <Empty title={t("admin.error")} hint={words(refusalOf(items.error))}>
        <Button onClick={() => void items.refetch()}>{t("app.retry")}</Button>
      </Empty>
    );
  }
  if (!items.data) return <Bones rows={10} height={40} label={t("app.loading")} />;
  const taken = new Set(items.data.map((one) => one.id));
  return (
    <>
      {!single && <ItemList kind={kind} items={items.data} chosen={chosen} />}
      <section className="item-pane" aria-label={t("admin.form")}>
        {chosen === undefined ? (
          <Empty title={t(`kind.${kind}`)} hint={t(`about.${kind}`)} />
        ) : !schemas.data ? (
          <NoForm failed={schemas.isError} again={() => void schemas.refetch()} />
        ) : item === null && chosen !== "new" ? (
          <Empty title={t("admin.gone")} />
        ) : (
          <ItemForm
            key={`${kind} ${chosen} ${item?.version ?? 0}`}
            kind={kind}
            item={item}
            taken={taken}
            schemas={schemas.data}
          />
        )}
      </section>
    </>
  );
}

/** Everything that is set up: kinds at the left, their list, and the chosen one as a form. */
export default function AdminPage(): JSX.Element {
  const { t } = useTranslation();
  const part = usePart(1);
  const kind = isKind(part) ? part : "organisation";
  return (
    <div className="admin">
      <nav className="admin-kinds" aria-label={t("page.admin")}>
        <h1>{t("page.admin")}</h1>
        {KINDS.map((one) => (
          <To key={one} to={pathTo("admin", one)} aria-current={one === kind ? "page" : undefined}>
            {t(`kind.${one}`)}
          </To>
        ))}
      </nav>
      <KindPane kind={kind} key={kind} />
    </div>
  );
}
