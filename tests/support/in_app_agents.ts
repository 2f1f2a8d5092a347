/** User agents of apps' own browsers, as they are seen in the field; the numbers of builds are shortened. */
import type { InAppBrowser, Platform } from "../../supabase/functions/_shared/contract/link_limits.ts";

const IOS = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)";
const ANDROID =
  "Mozilla/5.0 (Linux; Android 14; SM-S918B Build/UP1A.231005.007; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/131.0.6778.39 Mobile Safari/537.36";

/** Each with the app and the platform that it is. */
export const IN_APP_AGENTS: readonly (readonly [InAppBrowser, Platform, string])[] = [
  [
    "instagram",
    "ios",
    `${IOS} Mobile/15E148 Instagram 337.0.2.24.92 (iPhone15,3; iOS 18_5; de_DE; de; scale=3.00; 1290x2796; 620)`,
  ],
  [
    "instagram",
    "android",
    `${ANDROID} Instagram 337.0.0.35.102 Android (34/14; 480dpi; 1080x2115; samsung; SM-S918B; dm3q; qcom; de_DE; 621)`,
  ],
  [
    "facebook",
    "ios",
    `${IOS} Mobile/15E148 [FBAN/FBIOS;FBAV/466.0.0.33.108;FBBV/614;FBDV/iPhone15,3;FBMD/iPhone;FBSN/iOS;FBSV/18.5;FBSS/3;FBID/phone;FBLC/de_DE;FBOP/5]`,
  ],
  ["facebook", "android", `${ANDROID} [FB_IAB/FB4A;FBAV/490.0.0.51.82;]`],
  [
    "messenger",
    "ios",
    `${IOS} Mobile/15E148 [FBAN/MessengerForiOS;FBAV/460.0.0.29.108;FBDV/iPhone15,3;FBSN/iOS;FBSV/18.5]`,
  ],
  ["messenger", "android", `${ANDROID} [FB_IAB/Orca-Android;FBAV/460.0.0.41.109;]`],
  [
    "threads",
    "ios",
    `${IOS} Mobile/15E148 Barcelona 342.0.0.28.119 (iPhone15,3; iOS 18_5; de_DE; de; scale=3.00; 1290x2796)`,
  ],
  ["tiktok", "ios", `${IOS} Mobile/15E148 musical_ly_35.3.0 BytedanceWebview/d8a21c6 FalconTag/1`],
  [
    "tiktok",
    "android",
    `${ANDROID} trill_350303 BytedanceWebview/d8a21c6 AppName/musical_ly ByteLocale/de-DE`,
  ],
  ["line", "ios", `${IOS} Mobile/15E148 Safari Line/14.8.0`],
  ["line", "android", `${ANDROID} Line/14.8.0/IAB`],
  ["wechat", "ios", `${IOS} Mobile/15E148 MicroMessenger/8.0.49(0x18003137) NetType/WIFI Language/zh_CN`],
  [
    "wechat",
    "android",
    `${ANDROID} XWEB/1260059 MMWEBSDK/20240404 MicroMessenger/8.0.49.2600(0x28003133) WeChat/arm64 NetType/WIFI`,
  ],
  [
    "snapchat",
    "ios",
    `${IOS} Version/18.5 Mobile/15E148 Snapchat/12.90.0.39 (like Safari/8620.1.16.10.11, panda)`,
  ],
  ["snapchat", "android", `${ANDROID} Snapchat/12.90.0.42 (SM-S918B; Android 14#0#34; gzip; V/MUSHROOM)`],
  ["linkedin", "ios", `${IOS} Mobile/15E148 [LinkedInApp]/9.29.9273`],
  ["linkedin", "android", `${ANDROID} [LinkedInApp]`],
  ["x", "ios", `${IOS} Mobile/15E148 Twitter for iPhone/10.42`],
  ["x", "android", `${ANDROID} TwitterAndroid`],
  ["pinterest", "ios", `${IOS} Mobile/15E148 [Pinterest/iOS]`],
  ["reddit", "ios", `${IOS} Mobile/15E148 Reddit/Version 2024.20.1/Build 617`],
  ["telegram", "android", `${ANDROID} Telegram-Android/11.4.2 (Samsung SM-S918B; Android 14; SDK 34; HIGH)`],
  ["viber", "android", `${ANDROID} Viber/23.2.0.3`],
  ["kakaotalk", "ios", `${IOS} Mobile/15E148 KAKAOTALK 10.8.3`],
  ["naver", "android", `${ANDROID} NAVER(inapp; search; 1300; 12.4.6)`],
  ["qq", "ios", `${IOS} Mobile/15E148 QQ/9.0.60.625 V1_IPH_SQ_9.0.60_1_APP_A Pixel/1290`],
  ["weibo", "android", `${ANDROID} Weibo (samsung-SM-S918B__weibo__14.6.0__android__android14)`],
  ["google", "ios", `${IOS} GSA/322.0.644 Mobile/15E148 Safari/604.1`],
  ["other", "ios", `${IOS} Mobile/15E148`],
  ["other", "android", ANDROID],
];

/** User agents of browsers that are no app's own. */
export const BROWSER_AGENTS: readonly (readonly [Platform, string])[] = [
  ["ios", `${IOS} Version/18.5 Mobile/15E148 Safari/604.1`],
  ["ios", `${IOS} CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1`],
  ["ios", `${IOS} FxiOS/133.0 Mobile/15E148 Safari/605.1.15`],
  ["ios", `${IOS} Version/18.0 EdgiOS/131.0.2903.68 Mobile/15E148 Safari/605.1.15`],
  [
    "android",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
  ],
  [
    "android",
    "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36",
  ],
  ["android", "Mozilla/5.0 (Android 14; Mobile; rv:133.0) Gecko/133.0 Firefox/133.0"],
  [
    "windows",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
  ],
  [
    "macos",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
  ],
  [
    "macos",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
  ],
  ["linux", "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"],
];
