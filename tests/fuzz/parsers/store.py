"""Parsers of `store`: the workspace's configuration and key files."""

from __future__ import annotations

from typing import Any

import orjson

from tallystick.core.errors import InvalidInput
from tallystick.store.keystore import seal, unseal
from tallystick.store.workspace import Config
from tests.fuzz.targets import Target, of_json

PASSPHRASE = b"open"
WORK_MAX = 2**12  # scrypt blocks a fuzzed file may ask for here: its honest bound is a second of work each time


def _unseal(value: Any) -> bytes:
    params = value.get("kdfparams") if isinstance(value, dict) else None
    work = [params.get(name) for name in ("n", "r", "p", "c")] if isinstance(params, dict) else []
    product = 1
    for number in work:
        product *= number if isinstance(number, int) and number > 0 else 1
    if product > WORK_MAX:
        raise InvalidInput("fuzz.work", "too much work to fuzz")
    return unseal(value, PASSPHRASE)


TARGETS = [
    Target(
        "store.config",
        Config.from_bytes,
        lambda: [
            Config().to_bytes(),
            Config("https://example.com/rpc", 1, "s3://bucket/x", {"LogAnchor": "0x" + "0" * 40}).to_bytes(),
        ],
        Config.to_bytes,
    ),
    Target("store.keystore", of_json(_unseal), lambda: [orjson.dumps(seal(bytes(32), PASSPHRASE, 2))]),
]
