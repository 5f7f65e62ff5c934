# pragma version 0.4.3
"""
@title   Messages: what sessions sign
@license Apache-2.0
@notice  The EIP-712 domain of an account and the digests of its two typed messages.
@custom:invariant Every field, the account and the chain go into the digest, so no signature counts for another.
@custom:security  The domain is made anew each time: after a fork of the chain the other side has another id.
"""

from ....interfaces import IPolicyRelay

_NAME: constant(String[64]) = "Tallystick PolicyAccount"
_VERSION: constant(String[8]) = "1"
_DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
_ACTION_TYPE: constant(bytes32) = keccak256(
    "Action(address session,uint64 seq,address target,uint256 amount,bytes data,uint64 gasLimit,uint64 deadline,bytes32 intentHash,uint32 epoch)"
)
_DELEGATION_TYPE: constant(bytes32) = keccak256(
    "Delegation(address session,address token,address payee,uint256 maxAmount,uint64 deadline,uint256 nonce,uint32 epoch)"
)


@view
@external
def eip712Domain(account: address) -> (bytes1, String[64], String[8], uint256, address, bytes32, DynArray[uint256, 1]):
    # 0x0f: name, version, chain id and contract are in use; salt is not.
    return 0x0f, _NAME, _VERSION, chain.id, account, empty(bytes32), []


@view
@external
def action_digest(account: address, action: IPolicyRelay.Action) -> bytes32:
    return self._action_digest(account, action)


@view
@external
def delegation_digest(
    account: address,
    session: address,
    token: address,
    payee: address,
    max_amount: uint256,
    deadline: uint64,
    nonce: uint256,
    epoch: uint32,
) -> bytes32:
    return self._delegation_digest(account, session, token, payee, max_amount, deadline, nonce, epoch)


@view
@internal
def _action_digest(account: address, action: IPolicyRelay.Action) -> bytes32:
    return self._typed(
        account,
        keccak256(
            abi_encode(
                _ACTION_TYPE,
                action.session,
                action.seq,
                action.target,
                action.amount,
                keccak256(action.data),
                action.gas_limit,
                action.deadline,
                action.intent_hash,
                action.epoch,
            )
        ),
    )


@view
@internal
def _delegation_digest(
    account: address,
    session: address,
    token: address,
    payee: address,
    max_amount: uint256,
    deadline: uint64,
    nonce: uint256,
    epoch: uint32,
) -> bytes32:
    return self._typed(
        account,
        keccak256(
            abi_encode(_DELEGATION_TYPE, session, token, payee, max_amount, deadline, nonce, epoch)
        ),
    )


@view
@internal
def _typed(account: address, message: bytes32) -> bytes32:
    domain: bytes32 = keccak256(
        abi_encode(_DOMAIN_TYPE, keccak256(_NAME), keccak256(_VERSION), chain.id, account)
    )
    return keccak256(concat(0x1901, domain, message))
