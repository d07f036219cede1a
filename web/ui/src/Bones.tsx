import type { JSX } from "react";

const WIDTHS = ["62%", "48%", "70%", "55%", "40%", "66%"];

/** Grey rows of the size of the real ones, so that nothing jumps when they come. */
export function Bones({ rows, height, label }: { rows: number; height: number; label: string }): JSX.Element {
  return (
    <div className="ui-bones" role="status" aria-label={label}>
      {Array.from({ length: rows }, (_, index) => (
        <div key={index} style={{ height }}>
          <span className="ui-bone" style={{ width: WIDTHS[index % WIDTHS.length], height: 9 }} />
          {height > 36 && (
            <span className="ui-bone" style={{ width: WIDTHS[(index + 3) % WIDTHS.length], height: 8 }} />
          )}
        </div>
      ))}
    </div>
  );
}
