"""Parsers of committees and of their providers: receipts, answers, journals, and what a chat endpoint says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import orjson

from tallystick.chain.bindings.committee import FeatureDemand, Terms
from tallystick.core import canonical
from tallystick.lithic.committee.journal import Job
from tallystick.lithic.committee.votes import CommitteeEvidence, Vote
from tallystick.lithic.receipts.answer import AssuredAnswer, Mode
from tallystick.lithic.receipts.direct import DirectEvidence
from tallystick.lithic.receipts.optimistic import OptimisticEvidence
from tallystick.lithic.receipts.receipt import AnswerReceipt
from tallystick.services.lithic_node.endpoint import read_chat
from tests.fuzz.targets import Target

WHO = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


def _answer() -> AssuredAnswer:
    return AssuredAnswer(b"r" * 32, WHO, b"m" * 32, b"i" * 32, (-3,), Mode.COMMITTEE, 10, 1_700_000_000, 4)


def _receipts() -> Sequence[bytes]:
    terms = Terms(
        model_digest=b"m" * 32, input_digest=b"i" * 32, demand=FeatureDemand(WHO, 1, b"s" * 32, 60), kernel=WHO,
        output_index=1, kind=2, low=-5, high=5, tolerance=1, members=(WHO,), threshold=1, fee=10, stake=7, commit_s=60,
        reveal_s=60,
    )  # fmt: skip
    evidence = [
        DirectEvidence(WHO, True, b"x"),
        OptimisticEvidence(WHO, 1, 2, 60, 60, b"x"),
        CommitteeEvidence(terms, (Vote(WHO, -3, 10, b"g" * 65),)),
    ]
    return [AnswerReceipt(1, WHO, replace(_answer(), mode=one.mode), one).to_bytes() for one in evidence]


def _answers() -> Sequence[bytes]:
    return [canonical.encode(_answer().to_dict())]


def _jobs() -> Sequence[bytes]:
    return [Job(b"r" * 32, 1_700_000_000, WHO, -3, 10, b"s" * 32, b"d" * 32, b"g" * 65).to_bytes()]


def _chats() -> Sequence[bytes]:
    return [orjson.dumps({"choices": [{"index": 0, "message": {"content": "YES", "role": "assistant"}}], "usage": {}})]


TARGETS = [
    Target(
        "committee.answer",
        lambda data: AssuredAnswer.from_dict(canonical.decode(data)),
        _answers,
        lambda answer: canonical.encode(answer.to_dict()),
    ),
    Target("committee.receipt", AnswerReceipt.from_bytes, _receipts, AnswerReceipt.to_bytes, exact=True),
    Target("committee.job", Job.from_bytes, _jobs, Job.to_bytes, exact=True),
    Target("committee.chat", read_chat, _chats),
]
