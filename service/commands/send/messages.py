"""The bodies to send: made-up messages, or the lines of a file."""

import asyncio
import os
import random
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from io import FileIO

from service.messages.message import WebhookBody, encode

CHUNK_BYTES = 1 << 16

# Ofcom and NANPA reserve these numbers for drama and fiction.
SENDERS = tuple(f"+447700900{number:03}" for number in range(1000))
RECIPIENT = "+12025550123"

TEXTS = (
    "Your parcel is on its way",
    "¿A qué hora llega el pedido?",
    "Спасибо, заказ получен",
    "Σας ευχαριστούμε πολύ",
    "رمز التحقق الخاص بك",
    "ההזמנה שלך מוכנה לאיסוף",
    "आपका ऑर्डर भेज दिया गया है",
    "আপনার অর্ডার পাঠানো হয়েছে",
    "สินค้าของคุณพร้อมแล้ว",
    "您的包裹已送达",
    "ご注文ありがとうございます",
    "주문이 완료되었습니다",
    "Gặp bạn lúc 8 giờ nhé",
    "Sipariş yolda 🚚",
)


def made_up() -> bytes:
    """The JSON of one new message, from one of a thousand senders."""
    text = f"{random.choice(TEXTS)} #{random.randrange(10_000):04}"  # noqa: S311 - not a secret
    sender = random.choice(SENDERS)  # noqa: S311 - not a secret
    now = datetime.now(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
    return encode(WebhookBody(str(uuid.uuid4()), sender, RECIPIENT, now, text))


async def lines(file: FileIO) -> AsyncIterator[bytes]:
    """Yield the file's lines unchanged, without the line feed; blank lines are left out.

    Holds one chunk in memory, or one line if that is longer. Raises OSError.
    """
    rest = b""
    async for chunk in _chunks(file):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if line.strip():
                yield line
    if rest.strip():
        yield rest


async def _chunks(file: FileIO) -> AsyncIterator[bytes]:
    while True:
        await _readable(file)
        chunk = os.read(file.fileno(), CHUNK_BYTES)
        if not chunk:
            return
        yield chunk


async def _readable(file: FileIO) -> None:
    """Wait until a read would not block; a pipe may stay silent for hours."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    try:
        loop.add_reader(file, ready.set)
    except PermissionError:  # from epoll, for a plain file, which is always readable
        return
    try:
        await ready.wait()
    finally:
        loop.remove_reader(file)
