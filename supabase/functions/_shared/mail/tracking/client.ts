/**
 * Which program opened a mail or followed its link, as far as its agent says: a family, no version.
 *
 * @module
 */

/** Families by what their agents hold; the first match counts. */
const FAMILIES: readonly (readonly [RegExp, string])[] = [
  [/GoogleImageProxy/, "gmail"],
  [/YahooMailProxy/, "yahoo"],
  [/Thunderbird/, "thunderbird"],
  [/Outlook|ms-office|MSOffice|Microsoft Office/i, "outlook"],
  [/\bEdg(?:e|A|iOS)?\//, "edge"],
  [/\bOPR\//, "opera"],
  [/SamsungBrowser\//, "samsung"],
  [/\bFirefox\/|\bFxiOS\//, "firefox"],
  [/\bChrome\/|\bCriOS\//, "chrome"],
  // Apple Mail shows mails without naming itself.
  [/AppleWebKit\/[\d.]{1,20} \(KHTML, like Gecko\)(?: Mobile\/\w{1,20})?$/, "apple"],
  [/\bVersion\/[\d.]{1,20}.{0,60}\bSafari\//, "safari"],
];

/** The family of an agent: `gmail`, `outlook`, `chrome`, …; `other` if it says nothing known. */
export function clientOf(userAgent: string): string {
  // Images are loaded through Apple's proxies with this agent.
  if (userAgent === "Mozilla/5.0") return "apple";
  const agent = userAgent.slice(0, 500);
  return FAMILIES.find(([pattern]) => pattern.test(agent))?.[1] ?? "other";
}
