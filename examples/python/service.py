"""A service for Gatelink in Python, without packages: verifies each delivery, handles it once, and answers with a reply."""
import base64
import hashlib
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRETS = [one for one in os.environ.get("WEBHOOK_SECRETS", "").split(",") if one]
if not SECRETS:
    raise SystemExit("WEBHOOK_SECRETS is not set: use the whsec_… that Gatelink printed")

# Answers by webhook-id. In production, use a table and write to it in the same transaction as your changes.
answered: dict[str, dict] = {}


def answer_to(event: dict) -> dict:
    if event["type"] != "message.received":
        return {}
    text = event["data"]["message"]["text"] or "no text"
    return {"replies": [{"type": "text", "text": {"body": f"You wrote: {text}"}}]}


def is_signed(headers, body: bytes) -> bool:
    """Whether one of the secrets signed this body within the last five minutes (https://www.standardwebhooks.com)."""
    timestamp = headers.get("webhook-timestamp", "")
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > 300:
        return False
    content = f"{headers.get('webhook-id', '')}.{timestamp}.".encode() + body
    shown = headers.get("webhook-signature", "").encode().split(b" ")
    for secret in SECRETS:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        expected = b"v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest())
        if any(hmac.compare_digest(one, expected) for one in shown):
            return True
    return False


class Service(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        # The signature covers the raw body: verify it before parsing.
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if not is_signed(self.headers, body):
            return self.send(401, {"error": "not signed"})
        key = self.headers["webhook-id"]
        answer = answered.get(key) or answer_to(json.loads(body))
        answered[key] = answer
        if len(answered) > 1000:
            del answered[next(iter(answered))]
        self.send(200, answer)

    def send(self, status: int, answer: dict) -> None:
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


server = ThreadingHTTPServer(("", int(os.environ.get("PORT", 9999))), Service)
print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)
server.serve_forever()
