/**
 * The part of Meta's Graph API that a setup talks to, as a script: what it answers can be changed between calls. A
 * subscription calls the webhook with the verify token first, as Meta does.
 */
import { createHmac } from "node:crypto";

/** What Meta thinks. */
export interface ScriptedGraph {
  url: string;
  token: { is_valid: boolean; expires_at: number; scopes: string[] };
  /** The app's webhooks, if it has any. */
  callbackUrl: string | undefined;
  /** Whether the account's webhooks go to the app. */
  subscribed: boolean;
  /** Refuses every call with this status. */
  down: number | undefined;
  /** Method and path of each call. */
  calls: string[];
  /** The fields that the app is offered; undefined for all. */
  offered: string[] | undefined;
  /** The fields that the app is subscribed to. */
  fields: string[];
  stop(): Promise<void>;
}

export const APP_ID = "900000000000009";
export const WABA_ID = "100000000000001";

/** Starts it with an app that has no webhooks yet. */
export function scriptedGraph(
  { appSecret, accessToken }: { appSecret: string; accessToken: string },
): ScriptedGraph {
  const scopes = ["whatsapp_business_management", "whatsapp_business_messaging"];
  const refuse = (status: number, message: string, code: number) =>
    Response.json({ error: { message, code } }, { status });

  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname, searchParams } = new URL(request.url);
    const form = new URLSearchParams(request.method === "POST" ? await request.text() : "");
    const path = pathname.replace(/^\/v26\.0\//, "");
    graph.calls.push(`${request.method} ${path}`);
    if (graph.down !== undefined) return refuse(graph.down, "Service temporarily unavailable", 2);
    const caller = request.headers.get("authorization")?.replace(/^Bearer /, "");
    const isApp = path === `${APP_ID}/subscriptions`;
    if (caller !== (isApp ? `${APP_ID}|${appSecret}` : accessToken)) {
      return refuse(
        400,
        isApp ? "Error validating application. Invalid application secret." : "Invalid OAuth access token",
        190,
      );
    }
    // As for an app that requires its secret.
    const proof = searchParams.get("appsecret_proof") ?? form.get("appsecret_proof");
    if (!isApp && proof !== createHmac("sha256", appSecret).update(accessToken).digest("hex")) {
      return refuse(400, "API calls from the server require an appsecret_proof argument", 100);
    }
    switch (`${request.method} ${path}`) {
      case "GET debug_token":
        return Response.json({
          data: {
            app_id: APP_ID,
            ...graph.token,
            granular_scopes: [{ scope: "whatsapp_business_messaging", target_ids: [WABA_ID] }],
            asked: searchParams.get("input_token") === accessToken,
          },
        });
      case `GET ${APP_ID}/subscriptions`:
        return Response.json({
          data: graph.callbackUrl === undefined ? [] : [{
            object: "whatsapp_business_account",
            callback_url: graph.callbackUrl,
            active: true,
            fields: graph.fields.map((name) => ({ name, version: "v26.0" })),
          }],
        });
      case `POST ${APP_ID}/subscriptions`: {
        const fields = form.get("fields")!.split(",");
        const odd = fields.find((field) => graph.offered !== undefined && !graph.offered.includes(field));
        if (odd !== undefined) return refuse(400, `(#100) Param fields has an invalid field ${odd}`, 100);
        graph.fields = fields;
        const url = new URL(form.get("callback_url")!);
        url.search = new URLSearchParams({
          "hub.mode": "subscribe",
          "hub.verify_token": form.get("verify_token")!,
          "hub.challenge": "4711",
        }).toString();
        if (await (await fetch(url)).text() !== "4711") {
          return refuse(400, "The URL couldn't be validated.", 2200);
        }
        graph.callbackUrl = form.get("callback_url")!;
        return Response.json({ success: true });
      }
      case `GET ${WABA_ID}/subscribed_apps`:
        return Response.json({
          data: graph.subscribed ? [{ whatsapp_business_api_data: { id: APP_ID, name: "x", link: "" } }] : [],
        });
      case `POST ${WABA_ID}/subscribed_apps`:
        graph.subscribed = true;
        return Response.json({ success: true });
      case `GET ${WABA_ID}/phone_numbers`:
        return Response.json({ data: [{ display_phone_number: "+1 555 010 0100" }] });
      default:
        return refuse(404, `Unsupported ${request.method} request`, 100);
    }
  });
  const graph: ScriptedGraph = {
    url: `http://127.0.0.1:${server.addr.port}/v26.0`,
    token: { is_valid: true, expires_at: 0, scopes },
    callbackUrl: undefined,
    subscribed: false,
    down: undefined,
    offered: undefined,
    fields: ["messages"],
    calls: [],
    stop: () => server.shutdown(),
  };
  return graph;
}
