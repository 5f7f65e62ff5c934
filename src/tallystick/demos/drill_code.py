"""Two hostile contracts, small enough to be written out: a shop that calls back, a token that takes more than told.

Vyper is no part of the package, so this is the code itself; each line says what it does.
"""

from __future__ import annotations

from tallystick.chain.bindings.token import Transfer

_RETURN_TRUE = bytes.fromhex("60015f5260205ff3")


def shop_code(target: str, data: bytes) -> bytes:
    """Return the initcode of a shop that, whatever it is asked, calls `target` with `data`.

    Its slot 0 then says what came of that: 1, the call was refused; 2, it went through.
    """
    size = len(data).to_bytes(2, "big").hex()
    head = bytes.fromhex(
        f"61{size}6100335f39"  # memory[0:size] = the data, which lies behind the code
        f"5f5f61{size}5f5f73{target[2:]}5af1"  # call the target with all gas and no value
        "6001015f55"  # slot 0 = 1 + whether it went through
    )
    return initcode(head + _RETURN_TRUE + data)


def went_through(slot: bytes) -> bool:
    """Return whether the shop's call went through, by its slot 0."""
    return int.from_bytes(slot, "big") == 2


def greedy_token_code(holder: str, supply: int) -> bytes:
    """Return the initcode of a token of six decimals whose transfers take a tenth more than they were told.

    All it has belongs to `holder`. It knows balanceOf, transfer and decimals.
    """
    code = bytes.fromhex(
        "5f3560e01c"  # the selector
        "806370a0823114602557"  # balanceOf goes on at 0x25
        "8063a9059cbb14603957"  # transfer at 0x39
        "63313ce56714603057"  # decimals at 0x30
        "5f5ffd"  # nothing else
        "5b600435545f5260205ff3"  # 0x25: the balance of the first argument
        "5b60065f5260205ff3"  # 0x30: six
        "5b60243580600a9004013354033355"  # 0x39: the caller has the amount and a tenth of it less
        "602435600435540160043555"  # the receiver has the amount more
    )
    amount, owner = supply.to_bytes(32, "big").hex(), holder[2:]
    give = bytes.fromhex(
        f"7f{amount}73{owner}55"  # the holder has it all
        f"7f{amount}5f5273{owner}5f7f{Transfer.topic.hex()}60205fa3"  # and an event says so
    )
    return initcode(code + _RETURN_TRUE, give)


def initcode(code: bytes, before: bytes = b"") -> bytes:
    """Return what runs `before` and then makes a contract of `code`."""
    size, at = len(code).to_bytes(2, "big").hex(), f"{len(before) + 10:02x}"
    return before + bytes.fromhex(f"61{size}8060{at}5f395ff3") + code
