import { defineConfig } from "vite";

// One script that a shop includes by one tag: no chunks, no style sheet beside it (import CSS with ?inline).
export default defineConfig({
  build: {
    outDir: "../../src/guichet/server/static/widget",
    emptyOutDir: true,
    target: "es2020",
    lib: {
      entry: "src/index.tsx",
      formats: ["iife"],
      name: "Guichet",
      fileName: () => "guichet.js",
    },
  },
  define: { "process.env.NODE_ENV": JSON.stringify("production") },
});
