/** The pages of masked messaging, for owners and sitters: a page of its own beside the panel. */
import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "../style.css";
import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { connect } from "../data/client.ts";
import { readConfig } from "../data/config.ts";
import { Refusal } from "../data/refusal.ts";
import { Card } from "../session/Card.tsx";
import { theme } from "../theme.ts";
import { AskProvider } from "../ui/ask.tsx";
import { Failed } from "../ui/states.tsx";
import { Door } from "./Door.tsx";
import { WORDS } from "./words.ts";

const queries = new QueryClient({
  defaultOptions: {
    mutations: { networkMode: "always" },
    // Without a network a read fails and the page says so, instead of waiting silently.
    queries: {
      networkMode: "always",
      staleTime: 2_000,
      retry: (count, error) => (error as Refusal).code === "network" && count < 2,
    },
  },
});

const root = createRoot(document.getElementById("root")!);
try {
  // As the panel: an enclosing page could misdirect clicks.
  if (self !== top) throw new Error("This page cannot be used inside another page. Open it in its own tab.");
  connect(await readConfig());
  root.render(
    <StrictMode>
      <MantineProvider theme={theme} defaultColorScheme="auto">
        <QueryClientProvider client={queries}>
          <Notifications position="bottom-center" />
          <AskProvider>
            <Door />
          </AskProvider>
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
} catch (error) {
  root.render(
    <MantineProvider theme={theme} defaultColorScheme="auto">
      <Card brand={WORDS.brand}>
        <Failed error={new Refusal("config", (error as Error).message)} />
      </Card>
    </MantineProvider>,
  );
}
