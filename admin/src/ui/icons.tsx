/**
 * Icons: strokes on a 24 by 24 grid, in the colour of the text. Screen readers skip them and read the text
 * beside them.
 */
const PATHS = {
  pulse: "M3 12h4l3 7 4-14 3 7h4",
  flag: "M5 21V4m0 1c4-3 9 3 14 0v9c-5 3-10-3-14 0",
  stairs: "M3 19h5v-5h5V9h5V4h3",
  template: "M4 4h16v5H4V4Zm0 9h7v7H4v-7Zm11 0h5v7h-5v-7Z",
  chat: "M5 4h14a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-7l-5 4v-4H5a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2Z",
  mail: "M3 6h18v12H3zM3 7l9 7 9-7",
  send: "M21 4 3 11l7 3 3 7 8-17ZM10 14l5-5",
  phone: "M7 3h10v18H7zM11 18h2",
  clip:
    "M20 11l-8.500 8.500a5 5 0 0 1-7-7L13 4a3.300 3.300 0 0 1 4.700 4.700l-8.500 8.500a1.700 1.700 0 0 1-2.400-2.400L14 7.500",
  megaphone: "M4 10v4h3l8 5V5l-8 5H4Zm14-1a4 4 0 0 1 0 6M7 14l1 6h3l-1-4.200",
  chart: "M4 20V4m0 16h16M8 16v-4m4 4V8m4 8v-6",
  truck:
    "M3 6h11v10H3zM14 10h4l3 3v3h-7M7 19.500a1.750 1.750 0 1 0 0-3.500 1.750 1.750 0 0 0 0 3.500Zm10 0a1.750 1.750 0 1 0 0-3.500 1.750 1.750 0 0 0 0 3.500Z",
  route:
    "M6 20a2 2 0 1 0 0-4 2 2 0 0 0 0 4Zm12-12a2 2 0 1 0 0-4 2 2 0 0 0 0 4Zm-2-2h-5a3 3 0 0 0 0 6h2a3 3 0 0 1 0 6H8",
  split: "M4 12h5l6-6h5m-3-3 3 3-3 3M9 12l6 6h5m-3-3 3 3-3 3",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1m2 4a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
  gear:
    "M4 7h9m5 0h2M4 17h2m5 0h9M15.500 9.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5Zm-7 10a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5Z",
  menu: "M4 7h16M4 12h16M4 17h16",
  sun:
    "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8Zm0-13v2m0 14v2M3 12h2m14 0h2M5.600 5.600l1.400 1.400m10 10 1.400 1.400m0-12.800L17 7M7 17l-1.400 1.400",
  moon: "M20 14A8 8 0 0 1 10 4a8 8 0 1 0 10 10Z",
  auto: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Zm0-18v18M12 7h5m-5 4h8m-8 4h7",
  leave: "M14 8V5H5v14h9v-3M10 12h11m-3-3 3 3-3 3",
  warn: "M12 4 2.500 20h19L12 4Zm0 6v4m0 3v.010",
  check: "m5 12 5 5L20 7",
  cross: "M6 6l12 12M18 6 6 18",
  plus: "M12 5v14M5 12h14",
  back: "M15 5l-7 7 7 7",
  next: "M9 5l7 7-7 7",
  up: "M5 15l7-7 7 7",
  down: "M5 9l7 7 7-7",
  search: "M11 17a6 6 0 1 0 0-12 6 6 0 0 0 0 12Zm4.500-1.500L20 20",
  eye:
    "M2 12s3.500-6 10-6 10 6 10 6-3.500 6-10 6S2 12 2 12Zm10 2.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5Z",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  pause: "M9 5v14M15 5v14",
  play: "M7 4v16l13-8L7 4Z",
  undo: "M9 8H15a5 5 0 0 1 0 10H8M9 8l3-3M9 8l3 3",
  retry: "M20 11a8 8 0 1 0-2 6M20 5v6h-6",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  download: "M12 4v11m-4-4 4 4 4-4M5 20h14",
  bookmark: "M7 4h10v16l-5-4-5 4z",
  upload: "M12 15V4M8 8l4-4 4 4M5 20h14",
  drag: "M9 6v.010M9 12v.010M9 18v.010M15 6v.010M15 12v.010M15 18v.010",
  people:
    "M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7Zm-6 9c0-4 3-6 6-6s6 2 6 6m1-9a3 3 0 1 0-1-5.800M21 19c0-3-1.500-5-4-5.500",
  key: "M14 10l7-7m-3 3 2 2M10.500 9.500a5 5 0 1 0 2 2",
  help:
    "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM9.500 9.500a2.500 2.500 0 1 1 3.500 2.300c-.7.300-1 .8-1 1.700m0 3v.010",
  bell: "M6 16V11a6 6 0 1 1 12 0v5l1.500 2h-15L6 16Zm4 4.500a2.200 2.200 0 0 0 4 0",
  circle: "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16Z",
  keyboard: "M3 7h18v10H3zM7 10.500v.010M10.500 10.500v.010M14 10.500v.010M17.500 10.500v.010M8 14h8",
  clock: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Zm0-14v5l3 2",
  terminal: "M4 5h16v14H4zM8 10l3 2.500-3 2.500M13 15h4",
  edit: "M4 20h4L19 9l-4-4L4 16v4ZM13 7l4 4",
  more: "M5 12v.010M12 12v.010M19 12v.010",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg
      aria-hidden="true"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth={1.8}
      strokeLinecap="round"
      strokeLinejoin="round"
      style={{ flex: "none" }}
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
