"""The lifecycle story: a model trained, changed three times, served, logged, anchored, audited; then tampering caught.

Four chapters, each a file: `publishing`, `predicting`, `auditing`, `tampering`. Everything is done with the verbs that
a user has, on real data, over real HTTP, and audited in another process that has only what the public has.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tallystick.chain.funding import fund_from_unlocked
from tallystick.core.errors import InvalidInput
from tallystick.demos.auditing import Given, audit_untouched
from tallystick.demos.places import Places
from tallystick.demos.predicting import predict_and_anchor, verify_receipt
from tallystick.demos.publishing import STEPS, publish_versions
from tallystick.demos.report import html_report
from tallystick.demos.story import Story
from tallystick.demos.tampering import tamper_by_turns
from tallystick.store.files import write_atomic
from tallystick.store.keys import Keyring
from tallystick.store.workspace import EMBEDDED, Config, Workspace
from tallystick.tally import Tally
from tallystick.tally.inference import LOG_KEY, TICKET_KEY
from tallystick.tally.workspace import ACCOUNT, SIGNER

Chapter = Callable[[str, int], contextlib.AbstractContextManager[Callable[[int], None]]]

PREDICTIONS = 10_000
FUNDS_WEI = 10**18


@dataclass(frozen=True)
class Settings:
    """How the story is told.

    folder       where; another name beside it is taken when it is in use
    predictions  how many are asked for, at least one a round
    rpc          URL of a node; None tells it on the embedded chain
    """

    folder: Path
    predictions: int = PREDICTIONS
    rpc: str | None = None

    def __post_init__(self) -> None:
        if not 4 <= self.predictions <= 1_000_000:
            raise InvalidInput(
                "demo.predictions", "too few or too many", expected="4 to 1,000,000", got=self.predictions
            )


def tell(settings: Settings, chapter: Chapter) -> tuple[Story, Places]:
    """Tell the whole story and write its report; return what happened and where.

    chapter  given a title and a number of steps, shows progress while a block runs
    raises   what the verbs raise; Unavailable "demo.funds" when a node has no account that pays for us
    """
    story, places = Story(), Places.make(settings.folder)
    with _timed(story, "setting up"), chapter("contracts and keys", 1) as advance:
        tally = _open(settings, places)
        addresses = tally.deploy()
        story.chain, story.registry, story.anchor = (
            str(tally.node.chain_id), addresses["ModelRegistry"], addresses["LogAnchor"],
        )  # fmt: skip
        advance(1)
    with tally:
        with _timed(story, "versions"), chapter("training and recording versions", STEPS) as advance:
            model_id = publish_versions(tally, places, story, advance)
        with _timed(story, "predictions"), chapter("predictions over HTTP", settings.predictions) as advance:
            predict_and_anchor(tally, places, story, model_id, settings.predictions, advance)
        with _timed(story, "receipt"):
            verify_receipt(tally, places, story)
        origin = tally.inference.reader().origin
        given = Given(settings.rpc or str(places.chain), story.registry, story.anchor, places.evidence)
        story.commands = _commands(settings, story, places, str(tally.inference.verifier_key()))
    if settings.rpc is None:
        shutil.copyfile(places.workspace / "chain.db", places.chain)
    with _timed(story, "audit"), chapter("audit in another process", 1) as advance:
        audit_untouched(places, given, story)
        advance(1)
    with _timed(story, "tampering"), chapter("one byte flipped, audited again", 5 - bool(settings.rpc)) as advance:
        tamper_by_turns(places, given, story, origin, advance)
    write_atomic(places.report, html_report(story).encode())
    return story, places


def _open(settings: Settings, places: Places) -> Tally:
    """Return the publisher's workspace; on a node, with encrypted keys of its own and coins from the node's account."""
    if settings.rpc is None:
        return Tally.create(places.workspace, _nobody, Config(EMBEDDED, blobs=str(places.evidence)))
    chain_id = Tally.chain_id_of(settings.rpc)
    Workspace.create(places.workspace, Config(settings.rpc, chain_id, str(places.evidence)))
    passphrase = secrets.token_urlsafe(24)
    write_atomic(places.private / "passphrase", f"{passphrase}\n".encode(), mode=0o600)
    keys = Keyring(places.workspace / "keys")
    for name in (ACCOUNT, TICKET_KEY):
        keys.create_account(name, lambda _: passphrase)
    for name in (SIGNER, LOG_KEY):
        keys.create_signer(name, lambda _: passphrase)
    tally = Tally.open(places.workspace, lambda _: passphrase)
    fund_from_unlocked(tally.node, tally.account.address, FUNDS_WEI)
    return tally


def _commands(settings: Settings, story: Story, places: Places, vkey: str) -> tuple[str, ...]:
    """Return what a reader types in the story's folder to repeat the audit and the check of the receipt."""
    chain = "NODE-URL" if settings.rpc else places.chain.relative_to(places.root)  # a URL may carry an access token
    evidence, receipt = (path.relative_to(places.root) for path in (places.evidence, places.public / "receipt.json"))
    return (
        f"tally audit --chain {chain} --blobs {evidence} --verbose \\",
        f"  --registry {story.registry} --anchor {story.anchor}",
        f"tally log verify {receipt} --vkey {vkey}",
    )


def _nobody(name: str) -> str:
    raise InvalidInput("demo.passphrase", f"key {name!r} should need no passphrase")


@contextlib.contextmanager
def _timed(story: Story, name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    story.seconds[name] = time.perf_counter() - started
