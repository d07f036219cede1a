import type { JSX } from "react";

interface RingProps {
  /** Seconds left, whole. */
  left: number;
  /** Seconds in all. */
  total: number;
  size?: number;
  urgent: boolean;
}

/** A countdown: the arc shrinks, the figure says it in words of its own; near the end it grows thick. */
export function Ring({ left, total, size = 36, urgent }: RingProps): JSX.Element {
  const width = urgent ? 4 : 2.5;
  const radius = (size - 5) / 2;
  const round = 2 * Math.PI * radius;
  const share = total > 0 ? Math.max(0, Math.min(1, left / total)) : 0;
  const centre = size / 2;
  return (
    <svg className="ui-ring" width={size} height={size} aria-hidden>
      <circle cx={centre} cy={centre} r={radius} fill="none" stroke="var(--line-strong)" strokeWidth={1.5} />
      <circle
        cx={centre}
        cy={centre}
        r={radius}
        fill="none"
        stroke={urgent ? "var(--bad-ink)" : "var(--accent)"}
        strokeWidth={width}
        strokeDasharray={`${round * share} ${round}`}
      />
      <text
        x={centre}
        y={centre}
        transform={`rotate(90 ${centre} ${centre})`}
        textAnchor="middle"
        dominantBaseline="central"
      >
        {Math.max(0, left)}
      </text>
    </svg>
  );
}
