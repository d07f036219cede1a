import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const server = process.env["GUICHET_DEV_SERVER"] ?? "http://127.0.0.1:8000";

// The server answers below /desk/ with these files; every unknown path there is index.html.
export default defineConfig({
  base: "/desk/",
  plugins: [react()],
  build: {
    outDir: "../../src/guichet/server/static/desk",
    emptyOutDir: true,
    target: "es2022",
    manifest: true,
  },
  server: { proxy: { "/api": server, "/ws": { target: server, ws: true } } },
});
