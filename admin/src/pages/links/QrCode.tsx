/** The QR code of a link, drawn here by the same code as everywhere else. */
import { Button, Image } from "@mantine/core";
import { qrPng, qrSvg } from "../../../../supabase/functions/_shared/links/answer/qr.ts";
import { Icon } from "../../ui/icons.tsx";

/** Width of the PNG in pixels, for print. */
const WIDE = 1024;

/** The URL in the code. Scans are counted apart from taps. */
const scanned = (url: string) => `${url}?src=qr`;

export function QrCode({ code, url }: { code: string; url: string }) {
  return (
    <Image
      src={`data:image/svg+xml,${encodeURIComponent(qrSvg(scanned(url)))}`}
      alt={`QR code of the link ${code}`}
      w={132}
      h={132}
      bg="white"
      radius="sm"
    />
  );
}

export function QrDownloads({ code, url }: { code: string; url: string }) {
  const save = (name: string, content: BlobPart, type: string) => {
    const address = URL.createObjectURL(new Blob([content], { type }));
    Object.assign(document.createElement("a"), { href: address, download: name }).click();
    // The browser reads the URL by the next task at the latest, but does not report when it has.
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  };
  const icon = <Icon name="download" size={16} />;
  return (
    <>
      <Button
        size="xs"
        variant="default"
        leftSection={icon}
        onClick={() => save(`${code}.svg`, qrSvg(scanned(url)), "image/svg+xml")}
      >
        QR code, SVG
      </Button>
      <Button
        size="xs"
        variant="default"
        leftSection={icon}
        onClick={async () => save(`${code}.png`, await qrPng(scanned(url), WIDE), "image/png")}
      >
        QR code, PNG
      </Button>
    </>
  );
}
