import type { ComponentChildren, JSX } from "preact";

function icon(paths: ComponentChildren, size = 20): () => JSX.Element {
  return () => (
    <svg width={size} height={size} viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.8"
      stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">
      {paths}
    </svg>
  ); // prettier-ignore
}

export const ChatIcon = icon(
  <path d="M21 11.5a8 8 0 0 1-8.4 8 9 9 0 0 1-3.8-.9L3.5 20.5l1.7-4.6A7.7 7.7 0 0 1 4 11.5a8 8 0 0 1 8.5-8 8 8 0 0 1 8.5 8Z" />,
  22,
);
export const DownIcon = icon(<path d="m6 9.5 6 6 6-6" />);
export const ClipIcon = icon(
  <path d="m20 11-8.2 8.2a5 5 0 0 1-7-7L13 4a3.4 3.4 0 0 1 4.8 4.8l-8.2 8.2a1.7 1.7 0 0 1-2.4-2.4L14.8 7" />,
);
export const SendIcon = icon(<path d="M12 19V5m-6 6 6-6 6 6" />);
export const FileIcon = icon(
  <path d="M14 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V8Zm0 0v5h5" />,
  18,
);
export const CloseIcon = icon(<path d="m7 7 10 10M17 7 7 17" />, 16);
export const AgainIcon = icon(<path d="M4 12a8 8 0 1 0 2.5-5.8M4 4v4.5h4.5" />, 16);
export const WaitIcon = icon(
  <>
    <circle cx="12" cy="12" r="8.5" />
    <path d="M12 7.5V12l3 2" />
  </>,
  16,
);
export const MoonIcon = icon(<path d="M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5Z" />, 16);
export const OfflineIcon = icon(
  <path d="M3 3l18 18M5 12.5a10 10 0 0 1 4-2.4m6 .2a10 10 0 0 1 4 2.2M8.5 16a5 5 0 0 1 7 0M12 19.5h.01" />,
  16,
);
