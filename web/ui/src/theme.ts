import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from "@mantine/core";

const accent: MantineColorsTuple = [
  "#eef1fb",
  "#dde4f7",
  "#bccaf0",
  "#98ade8",
  "#7b95e2",
  "#6882d9",
  "#5672cd",
  "#4561bd",
  "#3551ab",
  "#28428f",
];

/** The library's dark scale in our own cool greys: inputs, menus, switches. */
const dark: MantineColorsTuple = [
  "#e6e8ed",
  "#c6cbd5",
  "#a4abb8",
  "#868e9d",
  "#444b57",
  "#353b46",
  "#1f232a",
  "#16181d",
  "#121419",
  "#0d0f13",
];

/** The list itself scrolls, not a box around it that no keyboard reaches. */
const choice = {
  defaultProps: { size: "sm", checkIconPosition: "right", withScrollArea: false },
  styles: { options: { maxHeight: 220, overflowY: "auto" } },
} as const;

/** Shade 8 and automatic contrast keep every filled control above 4.5:1 in both schemes (measured with axe). */
export const theme = createTheme({
  primaryColor: "accent",
  colors: { accent, dark },
  primaryShade: { light: 8, dark: 8 },
  autoContrast: true,
  defaultRadius: 4,
  cursorType: "pointer",
  respectReducedMotion: true,
  fontFamily: 'Inter, "Segoe UI Variable Text", "Segoe UI", system-ui, Roboto, "Helvetica Neue", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", Menlo, Consolas, monospace',
  fontSizes: { xs: "12px", sm: "13px", md: "14px", lg: "16px", xl: "18px" },
  spacing: { xs: "4px", sm: "8px", md: "12px", lg: "16px", xl: "24px" },
  headings: {
    fontWeight: "600",
    sizes: { h1: { fontSize: "18px" }, h2: { fontSize: "15px" }, h3: { fontSize: "13px" } },
  },
  components: {
    Button: { defaultProps: { size: "sm" }, styles: { root: { height: 32, paddingInline: 12 } } },
    ActionIcon: { defaultProps: { variant: "subtle", color: "gray", size: 28 } },
    TextInput: { defaultProps: { size: "sm" } },
    Select: choice,
    MultiSelect: choice,
    Modal: {
      defaultProps: {
        centered: true,
        overlayProps: { backgroundOpacity: 0.35 },
        transitionProps: { duration: 100 },
      },
    },
    Drawer: {
      defaultProps: { overlayProps: { backgroundOpacity: 0.25 }, transitionProps: { duration: 100 } },
    },
    // Inside the page, so that what opens lies within its landmark.
    Portal: { defaultProps: { target: "#overlays", reuseTargetNode: false } },
    Menu: {
      defaultProps: { shadow: "md", withInitialFocusPlaceholder: false, transitionProps: { duration: 80 } },
    },
    Tooltip: {
      defaultProps: {
        openDelay: 400,
        transitionProps: { duration: 80 },
        events: { hover: true, focus: true, touch: false },
      },
    },
  },
});

/** Hands our own scale (tokens.css) to the library, so that its parts and ours share every colour. */
export const cssVariablesResolver: CSSVariablesResolver = () => {
  const shared = {
    "--mantine-color-body": "var(--ground)",
    "--mantine-color-text": "var(--ink)",
    "--mantine-color-dimmed": "var(--ink-soft)",
    "--mantine-color-placeholder": "var(--ink-soft)",
    "--mantine-color-default": "var(--ground)",
    "--mantine-color-default-hover": "var(--ground-hover)",
    "--mantine-color-default-color": "var(--ink)",
    "--mantine-color-default-border": "var(--line-strong)",
    "--mantine-color-anchor": "var(--accent-ink)",
    "--mantine-color-error": "var(--bad-ink)",
    "--mantine-color-gray-light-color": "var(--ink-soft)",
    "--mantine-color-accent-light": "var(--accent-ground)",
    "--mantine-color-accent-light-hover": "var(--accent-ground)",
    "--mantine-color-accent-light-color": "var(--accent-ink)",
    "--mantine-primary-color-light": "var(--accent-ground)",
    "--mantine-primary-color-light-color": "var(--accent-ink)",
    "--mantine-primary-color-light-hover": "var(--accent-ground)",
    "--mantine-color-gray-text": "var(--ink-soft)",
  };
  return { variables: {}, light: shared, dark: shared };
};
