# pragma version 0.4.3
"""
@title   Answers: what is signed
@license Apache-2.0
@notice  The EIP-712 domain and the digest of an AssuredAnswer.
@custom:invariant Every field of the signed form goes into the digest, and chain and contract through the domain, so no
                  signature counts for another request, contract or chain.
@custom:security  The domain is made anew each time: after a fork of the chain the other side has another id.
"""

_NAME: constant(String[32]) = "Tallystick Assurance"
_VERSION: constant(String[8]) = "1"
_DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
_ANSWER_TYPE: constant(bytes32) = keccak256(
    "AssuredAnswer(bytes32 requestId,address consumer,bytes32 modelDigest,bytes32 inputDigest,bytes output,uint8 mode,uint256 cost,uint64 deadline,uint256 nonce)"
)
_MODE: constant(uint256) = 3  # direct 1, optimistic 2, committee 3, proof 4


@view
@external
def eip712Domain() -> (bytes1, String[32], String[8], uint256, address, bytes32, DynArray[uint256, 1]):
    # 0x0f: name, version, chain id and contract are in use; salt is not.
    return 0x0f, _NAME, _VERSION, chain.id, self, empty(bytes32), []


@view
@internal
def _digest(
    request_id: bytes32,
    consumer: address,
    model_digest: bytes32,
    input_digest: bytes32,
    output: int256,
    cost: uint256,
    deadline: uint256,
    nonce: uint256,
) -> bytes32:
    message: bytes32 = keccak256(
        abi_encode(
            _ANSWER_TYPE,
            request_id,
            consumer,
            model_digest,
            input_digest,
            keccak256(abi_encode(output)),
            _MODE,
            cost,
            deadline,
            nonce,
        )
    )
    return self._typed(message)


@view
@internal
def _typed(message: bytes32) -> bytes32:
    domain: bytes32 = keccak256(abi_encode(_DOMAIN_TYPE, keccak256(_NAME), keccak256(_VERSION), chain.id, self))
    return keccak256(concat(0x1901, domain, message))
