import "@guichet/ui/styles";
import "./app/app.css";

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./app/App.tsx";
import { discover } from "./app/registry.ts";
import { begin } from "./store/session.ts";
import { followSettings } from "./store/settings.ts";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no element #root");

discover();
followSettings();
void begin();
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
