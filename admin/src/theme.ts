/** Colours and type of the panel. */
import { createTheme, Notification } from "@mantine/core";

export const theme = createTheme({
  primaryColor: "teal",
  // Dark enough for white words on it, on either ground.
  primaryShade: 9,
  autoContrast: true,
  defaultRadius: "md",
  cursorType: "pointer",
  // Sections and lists that move are in the way of whoever asked for stillness, and of whoever clicks quickly.
  respectReducedMotion: true,
  fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif",
  fontFamilyMonospace: "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace",
  components: {
    Notification: Notification.extend({ defaultProps: { closeButtonProps: { "aria-label": "Dismiss" } } }),
  },
  headings: { fontWeight: "650" },
});
