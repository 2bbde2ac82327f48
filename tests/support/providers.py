"""What messaging providers send, from their own documents, and how they sign it.

The signatures are made without the service's own code, as a provider would make them.
"""

import base64
import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import parse_qsl, urlencode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.service import Json

SMS = {
    "ToCountry": "US",
    "SmsMessageSid": "SMaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "NumMedia": "0",
    "SmsSid": "SMaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "SmsStatus": "received",
    "Body": "Ahoy! 👋 a+b",
    "To": "+18005551212",
    "NumSegments": "1",
    "MessageSid": "SMaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "AccountSid": "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "From": "+14158675310",
    "ApiVersion": "2010-04-01",
}
"""twilio.com/docs/messaging/guides/webhook-request"""

WHATSAPP_TEXT: Json = {
    "from": "16315551181",
    "id": "wamid.HBgLMTYzMTU1NTExODEVAgASGBQzQTdCNTg5RjY1MEMyRjlGMjRGNgA=",
    "timestamp": "1749416383",
    "type": "text",
    "text": {"body": "Does it come in another color?"},
}
WHATSAPP_IMAGE: Json = {
    "from": "16315551181",
    "id": "wamid.HBgLMTYzMTU1NTExODEVAgASGBQzQTdCNTg5RjY1MEMyRjlGMjRGNgB=",
    "timestamp": "1744344496",
    "type": "image",
    "image": {"caption": "Taj Mahal", "mime_type": "image/jpeg", "id": "1003383421387256"},
}
WHATSAPP_STATUS = {
    "id": "wamid.HBgLMTYzMTU1NTExODEVAgARGBI3MTE5MjVBOTE3MDk5QUVFM0YA",
    "status": "delivered",
    "timestamp": "1750263773",
    "recipient_id": "16315551181",
}
"""developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference"""

TELNYX: Json = {
    "id": "84cca175-9755-4859-b67f-4730d7f58aa3",
    "direction": "inbound",
    "type": "SMS",
    "from": {"phone_number": "+13125550001", "carrier": "", "line_type": ""},
    "to": [{"phone_number": "+17735550002", "status": "webhook_delivered"}],
    "text": "Hello from Telnyx!",
    "media": [],
    "received_at": "2019-01-23T18:10:02.574Z",
}
"""developers.telnyx.com/api-reference/callbacks/inbound-message"""


def twilio(**changes: str) -> bytes:
    return urlencode(SMS | changes).encode()


def whatsapp(*messages: Any, **value: Any) -> bytes:
    """Each of `messages` as an entry of its own: so a POST can bring several."""
    metadata = {"display_phone_number": "+1 555 078-3881", "phone_number_id": "106540352242922"}
    entries = [
        {
            "id": "102290129340398",
            "changes": [
                {
                    "field": "messages",
                    "value": {
                        "messaging_product": "whatsapp",
                        "metadata": metadata,
                        "contacts": [{"profile": {"name": "Sheena"}, "wa_id": "16315551181"}],
                        "messages": [message],
                    }
                    | value,
                }
            ],
        }
        for message in messages
    ]
    return json.dumps({"object": "whatsapp_business_account", "entry": entries}).encode()


def telnyx(event_type: str = "message.received", **changes: Any) -> bytes:
    data = {"event_type": event_type, "id": "b301ed3f", "payload": TELNYX | changes}
    return json.dumps({"data": data, "meta": {"attempt": 1}}).encode()


PRIVATE_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC_KEY = base64.b64encode(PRIVATE_KEY.public_key().public_bytes_raw()).decode()


def sign_twilio(secret: str, url: str, body: bytes) -> Json:
    fields = sorted(parse_qsl(body.decode(), keep_blank_values=True))
    signed = url + "".join(name + value for name, value in fields)
    digest = hmac.new(secret.encode(), signed.encode(), hashlib.sha1).digest()
    return {
        "X-Twilio-Signature": base64.b64encode(digest).decode(),
        "Content-Type": "application/x-www-form-urlencoded",
    }


def sign_whatsapp(secret: str, body: bytes) -> Json:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"}


def sign_telnyx(body: bytes) -> Json:
    timestamp = str(int(time.time()))
    signature = PRIVATE_KEY.sign(f"{timestamp}|".encode() + body)
    return {
        "telnyx-timestamp": timestamp,
        "telnyx-signature-ed25519": base64.b64encode(signature).decode(),
        "Content-Type": "application/json",
    }
