# pragma version 0.4.3
"""
@title   Answers: what a receipt says
@license Apache-2.0
@notice  The EIP-712 domain of receipts, the hash of an AssuredAnswer, the digest that is signed, and the id of a request.
@custom:invariant Every field goes into the hash, so two receipts of the same hash are the same receipt; chain and
                  contract go into the digest, so no signature counts elsewhere. An id is that of one chain, contract,
                  consumer, nonce, set of terms and input.
@custom:security  The domain is made anew each time: after a fork of the chain the other side has another id.
"""

from ...interfaces import IAssurance

_NAME: constant(String[32]) = "Tallystick Assurance"
_VERSION: constant(String[8]) = "1"
_DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
_ANSWER_TYPE: constant(bytes32) = keccak256(
    "AssuredAnswer(bytes32 requestId,address consumer,bytes32 modelDigest,bytes32 inputDigest,bytes output,uint8 mode,uint256 cost,uint64 deadline,uint256 nonce)"
)


@view
@external
def eip712Domain() -> (bytes1, String[32], String[8], uint256, address, bytes32, DynArray[uint256, 1]):
    # 0x0f: name, version, chain id and contract are in use; salt is not.
    return 0x0f, _NAME, _VERSION, chain.id, self, empty(bytes32), []


@view
@internal
def _id(consumer: address, nonce: uint256, terms: bytes32, input_digest: bytes32) -> bytes32:
    return keccak256(abi_encode(chain.id, self, consumer, nonce, terms, input_digest))


@view
@internal
def _read(answer: IAssurance.AssuredAnswer, held: bytes32) -> DynArray[int256, 256]:
    """
    @dev The numbers of the answer, for its consumer, if this is the receipt whose hash the contract holds.
    """
    assert msg.sender == answer.consumer, "answers: not the consumer"
    shown: bytes32 = self._hash(
        answer.request_id,
        answer.consumer,
        answer.model_digest,
        answer.input_digest,
        keccak256(answer.output),
        answer.mode,
        answer.cost,
        answer.deadline,
        answer.nonce,
    )
    assert shown == held, "answers: not the receipt"
    # Held are hashes of whole words only.
    numbers: DynArray[int256, 256] = []
    for i: uint256 in range(len(answer.output) // 32, bound=256):
        numbers.append(extract32(answer.output, 32 * i, output_type=int256))
    return numbers


@pure
@internal
def _hash(
    request_id: bytes32,
    consumer: address,
    model_digest: bytes32,
    input_digest: bytes32,
    output: bytes32,
    mode: uint8,
    cost: uint256,
    deadline: uint64,
    nonce: uint256,
) -> bytes32:
    """
    @dev EIP-712's hashStruct; `output` is the keccak-256 of the answer's words.
    """
    return keccak256(
        abi_encode(
            _ANSWER_TYPE, request_id, consumer, model_digest, input_digest, output, mode, cost, deadline, nonce
        )
    )


@view
@internal
def _typed(message: bytes32) -> bytes32:
    """
    @dev The digest that is signed for a struct of this hash.
    """
    domain: bytes32 = keccak256(abi_encode(_DOMAIN_TYPE, keccak256(_NAME), keccak256(_VERSION), chain.id, self))
    return keccak256(concat(0x1901, domain, message))
