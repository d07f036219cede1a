import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    passWithNoTests: true,
    projects: ["protocol", "ui", "desk", "widget"].map((name) => ({
      root: `./${name}`,
      ...(name === "widget" ? { oxc: { jsx: { importSource: "preact" } } } : {}),
      test: {
        name,
        environment: name === "protocol" ? "node" : "jsdom",
        setupFiles: name === "protocol" ? [] : ["../testing/setup.ts"],
        include: ["{src,tests}/**/*.test.{ts,tsx}"],
        restoreMocks: true,
      },
    })),
  },
});
