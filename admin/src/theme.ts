/** Colours and typography of the panel. */
import { createTheme, Notification, Textarea, TextInput } from "@mantine/core";

/** What people write runs in its own direction: Arabic and Hebrew from the right. */
const ownDirection = { defaultProps: { attributes: { input: { dir: "auto" } } } };

export const theme = createTheme({
  primaryColor: "teal",
  // Dark enough for white text, in dark and light mode.
  primaryShade: 9,
  autoContrast: true,
  defaultRadius: "md",
  cursorType: "pointer",
  // Animated sections and lists disturb people who asked for reduced motion, and people who click quickly.
  respectReducedMotion: true,
  fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif",
  fontFamilyMonospace: "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace",
  components: {
    Notification: Notification.extend({ defaultProps: { closeButtonProps: { "aria-label": "Dismiss" } } }),
    Textarea: Textarea.extend(ownDirection),
    TextInput: TextInput.extend(ownDirection),
  },
  headings: { fontWeight: "650" },
});
