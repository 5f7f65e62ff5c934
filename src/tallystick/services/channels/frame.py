"""What of an HTTP answer a receipt speaks for: status, content type and body, in bytes that both sides make alike."""

from __future__ import annotations

from tallystick.services.http1 import Response


def frame(status: int, content_type: bytes, body: bytes) -> bytes:
    """Return the bytes whose SHA-256 the receipt holds: `status content-type LF body`."""
    return b"%d %b\n%b" % (status, content_type, body)


def unframed(answer: bytes) -> Response:
    """Return the response that a kept answer stands for."""
    head, _, body = answer.partition(b"\n")
    status, _, content_type = head.partition(b" ")
    return Response(int(status), body, content_type)
