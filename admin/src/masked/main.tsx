/** The pages of masked messaging, for owners and sitters: a page of its own beside the panel. */
import "@mantine/core/styles/baseline.css";
import "@mantine/core/styles/default-css-variables.css";
import "@mantine/core/styles/global.css";
import "@mantine/core/styles/ScrollArea.css";
import "@mantine/core/styles/UnstyledButton.css";
import "@mantine/core/styles/VisuallyHidden.css";
import "@mantine/core/styles/Paper.css";
import "@mantine/core/styles/CloseButton.css";
import "@mantine/core/styles/Group.css";
import "@mantine/core/styles/Loader.css";
import "@mantine/core/styles/Overlay.css";
import "@mantine/core/styles/ModalBase.css";
import "@mantine/core/styles/Input.css";
import "@mantine/core/styles/InlineInput.css";
import "@mantine/core/styles/Flex.css";
import "@mantine/core/styles/FloatingIndicator.css";
import "@mantine/core/styles/Text.css";
import "@mantine/core/styles/Center.css";
import "@mantine/core/styles/Stack.css";
import "@mantine/core/styles/Alert.css";
import "@mantine/core/styles/Badge.css";
import "@mantine/core/styles/Button.css";
import "@mantine/core/styles/ThemeIcon.css";
import "@mantine/core/styles/Anchor.css";
import "@mantine/core/styles/Modal.css";
import "@mantine/core/styles/Notification.css";
import "@mantine/core/styles/PasswordInput.css";
import "@mantine/core/styles/SegmentedControl.css";
import "@mantine/core/styles/Skeleton.css";
import "@mantine/core/styles/Title.css";
import "@mantine/core/styles/Tooltip.css";
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
import { theme } from "../theme.ts";
import { Broken } from "./Broken.tsx";
import { Door } from "./Door.tsx";

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
          <Door />
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
} catch (error) {
  root.render(
    <MantineProvider theme={theme} defaultColorScheme="auto">
      <Broken error={new Refusal("config", (error as Error).message)} />
    </MantineProvider>,
  );
}
