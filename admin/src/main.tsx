/** The panel: reads its config, connects, and shows the pages to members of the team. */
import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "./style.css";
import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Router } from "wouter";
import { readConfig } from "./data/config.ts";
import { connect } from "./data/client.ts";
import { Refusal } from "./data/refusal.ts";
import { Card } from "./session/Card.tsx";
import { SessionGate } from "./session/SessionGate.tsx";
import { useHashPath, useHashSearch } from "./ui/location.ts";
import { isNotLoaded } from "./shell/Boundary.tsx";
import { Shell } from "./shell/Shell.tsx";
import { theme } from "./theme.ts";
import { AskProvider } from "./ui/ask.tsx";
import { Failed } from "./ui/states.tsx";

const queries = new QueryClient({
  defaultOptions: {
    mutations: { networkMode: "always" },
    queries: {
      // Without a network a read fails and the page says so, instead of waiting silently.
      networkMode: "always",
      staleTime: 2_000,
      // The database would refuse the same request again, but a lost network may return.
      retry: (count, error) => (error as Refusal).code === "network" && count < 2,
    },
  },
});

const root = createRoot(document.getElementById("root")!, {
  // A page that could not be loaded says so itself, and is no fault of the panel.
  onCaughtError: (error) => isNotLoaded(error as Error) || console.error(error),
});
try {
  // A meta element cannot set frame-ancestors, and not every host sends headers, so the panel does not run in
  // a frame.
  if (self !== top) {
    throw new Error(
      "The panel cannot be used inside another page, which could redirect your clicks. Open it in its own tab.",
    );
  }
  connect(await readConfig());
  root.render(
    <StrictMode>
      <MantineProvider theme={theme} defaultColorScheme="auto">
        <QueryClientProvider client={queries}>
          <Notifications position="bottom-center" />
          <AskProvider>
            <Router hook={useHashPath} searchHook={useHashSearch}>
              <SessionGate>
                <Shell />
              </SessionGate>
            </Router>
          </AskProvider>
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
} catch (error) {
  root.render(
    <MantineProvider theme={theme} defaultColorScheme="auto">
      <Card>
        <Failed error={new Refusal("config", (error as Error).message)} />
      </Card>
    </MantineProvider>,
  );
}
