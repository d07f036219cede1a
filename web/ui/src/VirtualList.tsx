import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef, type JSX, type KeyboardEvent, type ReactNode } from "react";

interface VirtualListProps<Item> {
  items: readonly Item[];
  keyOf(item: Item): string;
  /** Height in pixels; measured afterwards where it varies. */
  heightOf(item: Item): number;
  render(item: Item, index: number): ReactNode;
  /** The item that is brought into sight whenever it becomes another one, by its key. */
  chosen?: string | undefined;
  /** Read out as the name of the list. */
  label: string;
  className?: string;
}

const STEPS: Record<string, number> = { ArrowDown: 1, ArrowUp: -1 };

/**
 * A long list of which only the visible part is drawn. Arrow keys, Home and End move the focus from one
 * row's control (marked `data-row`) to the next; the list itself is focusable, so that it can be scrolled.
 */
export function VirtualList<Item>(props: VirtualListProps<Item>): JSX.Element {
  const { items, keyOf, heightOf, render, label, chosen, className = "" } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => {
      const item = items[index];
      return item === undefined ? 0 : heightOf(item);
    },
    getItemKey: (index) => {
      const item = items[index];
      return item === undefined ? index : keyOf(item);
    },
    overscan: 8,
  });

  const at = chosen === undefined ? -1 : items.findIndex((item) => keyOf(item) === chosen);
  const there = at >= 0;
  useEffect(() => {
    if (at >= 0) virtual.scrollToIndex(at, { align: "auto" });
    // Only another choice moves the list, not what comes and goes above it.
    // oxlint-disable-next-line react/exhaustive-deps
  }, [chosen, there]);

  function move(event: KeyboardEvent): void {
    const step = STEPS[event.key];
    if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    const controls = [...(scroller.current?.querySelectorAll<HTMLElement>("[data-row]") ?? [])];
    const here = controls.findIndex((control) => control.contains(document.activeElement));
    const next = controls[here < 0 ? 0 : here + step];
    if (!next) return;
    event.preventDefault();
    next.focus({ preventScroll: false });
  }

  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- arrows move the focus among its rows
    <div
      ref={scroller}
      className={`ui-scroll ${className}`}
      role="list"
      aria-label={label}
      // Scrollable regions must be reachable by keyboard (axe: scrollable-region-focusable).
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
      onKeyDown={move}
    >
      <div style={{ height: virtual.getTotalSize(), position: "relative" }} role="presentation">
        {virtual.getVirtualItems().map((row) => {
          const item = items[row.index];
          return (
            item !== undefined && (
              <div
                key={row.key}
                data-index={row.index}
                role="listitem"
                aria-setsize={items.length}
                aria-posinset={row.index + 1}
                style={{
                  position: "absolute",
                  insetInline: 0,
                  top: 0,
                  transform: `translateY(${row.start}px)`,
                  height: row.size,
                }}
              >
                {render(item, row.index)}
              </div>
            )
          );
        })}
      </div>
    </div>
  );
}
