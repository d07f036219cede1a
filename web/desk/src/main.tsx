import "@mantine/core/styles.css";

import { MantineProvider, Title } from "@mantine/core";
import { theme } from "@guichet/ui";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no element #root");

createRoot(root).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto">
      <Title>Guichet</Title>
    </MantineProvider>
  </StrictMode>,
);
