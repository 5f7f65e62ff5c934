"""Inputs for the precompiled contracts 0x01 to 0x11: good ones, edge cases, and bad ones."""

from __future__ import annotations

import random

from eth_account import Account

from tallystick.core.digest import sha256

# a point of bn128 and its negative; and -Q's pairing partner: e(P, Q) * e(-P, Q) = 1
_P = 21888242871839275222246405745257275088696311157297823662689037894645226208583
_G1 = (1, 2)
_G2 = (
    11559732032986387107991004021392285783925812861821192530917403151452391805634,
    10857046999023057135944570762232829481370756359578518086990519993285655852781,
    4082367875863433681332203403145435568316851327593401208105741076214120093531,
    8495653923123431417604973247489272438418190587263600148770280649306958101930,
)
_N = 21888242871839275222246405745257275088548364400416034343698204186575808495617

# BLS12-381 generators as EIP-2537 writes them: 64-byte field elements, big-endian
_BLS_P = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB
_BLS_G1 = (
    0x17F1D3A73197D7942695638C4FA9AC0FC3688C4F9774B905A14E3A3F171BAC586C55E83FF97A1AEFFB3AF00ADB22C6BB,
    0x08B3F481E3AAA0F1A09E30ED741D8AE4FCF5E095D5D00AF600DB18CB2C04B3EDD03CC744A2888AE40CAA232946C5E7E1,
)
_BLS_G2 = (
    0x024AA2B2F08F0A91260805272DC51051C6E47AD4FA403B02B4510B647AE3D1770BAC0326A805BBEFD48056C8C121BDB8,
    0x13E02B6052719F607DACD3A088274F65596BD0D09920B61AB5DA61BBDC7F5049334CF11213945D57E5AC7D055D042B7E,
    0x0CE5D527727D6E118CC9CDC6DA2E351AADFD9BAA8CBDD3A76D429A695160D12C923AC9CC3BACA289E193548608B82801,
    0x0606C4A02EA734CC32ACD2B02BC28B99CB3E287E85A763AF267492AB572E99AB3F370D275CEC1DA1AAA9075FF05F79BE,
)

_SLOW = (8, 10, 15)

# the point-evaluation input of EIP-4844 for the zero polynomial: commitment and proof at infinity, any z, y = 0
_INFINITY = bytes.fromhex("c0") + bytes(47)


def precompile_input(rng: random.Random) -> tuple[int, bytes]:
    """Return (number, input); pairings and openings, a second each in Python or to warm up, come seldom."""
    numbers = range(1, 18)
    (number,) = rng.choices(numbers, [1 if each in _SLOW else 8 for each in numbers])
    return number, precompile_data(number, rng)


def precompile_data(number: int, rng: random.Random) -> bytes:
    """Return an input for one precompile."""
    data = _MAKERS[number](rng)
    roll = rng.random()
    if roll < 0.12:
        data = data[: rng.randrange(len(data) + 1)]
    elif roll < 0.2 and data and number not in _SLOW:
        spoiled = bytearray(data)
        spoiled[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        data = bytes(spoiled)
    elif roll < 0.25:
        data += rng.randbytes(rng.randrange(1, 40))
    return data


def _ecrecover(rng: random.Random) -> bytes:
    digest = rng.randbytes(32)
    signed = Account.unsafe_sign_hash(digest, bytes([rng.randrange(1, 200)]) * 32)
    v = signed.v if rng.random() < 0.8 else rng.choice((0, 26, 29, 2**255))
    s = (
        signed.s
        if rng.random() < 0.8
        else 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 - signed.s
    )
    return digest + _words(v, signed.r, s)


def _bytes(rng: random.Random) -> bytes:
    return rng.randbytes(rng.choice((0, 1, 31, 32, 33, 100, 300)))


def _modexp(rng: random.Random) -> bytes:
    sizes = [rng.choice((0, 1, 2, 31, 32, 33, 64)) for _ in range(3)]
    if rng.random() < 0.05:
        sizes[rng.randrange(3)] = rng.choice((2**64, 2**255))
        return _words(*sizes) + rng.randbytes(20)
    return _words(*sizes) + b"".join(rng.randbytes(size) if rng.random() < 0.85 else bytes(size) for size in sizes)


def _bn_add(rng: random.Random) -> bytes:
    return _words(*_bn_point(rng), *_bn_point(rng))


def _bn_mul(rng: random.Random) -> bytes:
    return _words(*_bn_point(rng), rng.choice((0, 1, 2, _N - 1, _N, 2**256 - 1)))


def _bn_point(rng: random.Random) -> tuple[int, int]:
    return rng.choice((_G1, _G1, (1, _P - 2), (0, 0), (1, 3), (_P + 1, 2)))


def _bn_pairing(rng: random.Random) -> bytes:
    one = _words(*_G1, *_G2)
    other = _words(1, _P - 2, *_G2)
    return rng.choice((b"", one + other, one, one[:-1], _words(0, 0, *_G2)))


def _blake2f(rng: random.Random) -> bytes:
    rounds = rng.choice((0, 1, 12, 20, 10_000_000)).to_bytes(4, "big")
    return rounds + rng.randbytes(64 + 128 + 16) + bytes([rng.choice((0, 1, 1, 2))])


def _point_evaluation(rng: random.Random) -> bytes:
    versioned = b"\x01" + sha256(_INFINITY)[1:]
    z = rng.choice((0, 1, 7, 2**255)).to_bytes(32, "big")
    y = rng.choice((0, 0, 0, 1)).to_bytes(32, "big")
    return versioned + z + y + _INFINITY + _INFINITY


def _g1(rng: random.Random) -> bytes:
    x, y = _BLS_G1
    return rng.choices(
        (_fields(x, y), _fields(x, _BLS_P - y), bytes(128), _fields(x, y + 1), _fields(_BLS_P, 0)), (6, 4, 3, 1, 1)
    )[0]


def _g2(rng: random.Random) -> bytes:
    x0, x1, y0, y1 = _BLS_G2
    good = _fields(x0, x1, y0, y1)
    negative = _fields(x0, x1, _BLS_P - y0, _BLS_P - y1)
    return rng.choices((good, negative, bytes(256), _fields(x0, x1, y0, y0)), (6, 4, 3, 1))[0]


def _scalar(rng: random.Random) -> bytes:
    return rng.choice((0, 1, 2, 5, 2**64 + 3)).to_bytes(32, "big")


def _g1_msm(rng: random.Random) -> bytes:
    return b"".join(_g1(rng) + _scalar(rng) for _ in range(rng.randrange(3)))


def _g2_msm(rng: random.Random) -> bytes:
    return b"".join(_g2(rng) + _scalar(rng) for _ in range(rng.randrange(3)))


def _bls_pairing(rng: random.Random) -> bytes:
    x, y = _BLS_G1
    pair = _fields(x, y) + _fields(*_BLS_G2)
    other = _fields(x, _BLS_P - y) + _fields(*_BLS_G2)
    return rng.choice((b"", pair + other, pair, pair[:-1], bytes(384)))


def _map_g1(rng: random.Random) -> bytes:
    return _fields(rng.choice((0, 1, rng.getrandbits(380) % _BLS_P, _BLS_P)))


def _map_g2(rng: random.Random) -> bytes:
    return _fields(rng.choice((0, 1, rng.getrandbits(380) % _BLS_P)), rng.choice((0, 5, _BLS_P)))


def _words(*values: int) -> bytes:
    return b"".join((value % 2**256).to_bytes(32, "big") for value in values)


def _fields(*values: int) -> bytes:
    return b"".join(value.to_bytes(64, "big") for value in values)


_MAKERS = {
    1: _ecrecover, 2: _bytes, 3: _bytes, 4: _bytes, 5: _modexp, 6: _bn_add, 7: _bn_mul, 8: _bn_pairing, 9: _blake2f,
    10: _point_evaluation, 11: lambda rng: _g1(rng) + _g1(rng), 12: _g1_msm, 13: lambda rng: _g2(rng) + _g2(rng),
    14: _g2_msm, 15: _bls_pairing, 16: _map_g1, 17: _map_g2,
}  # fmt: skip
