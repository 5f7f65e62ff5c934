"""What opens a record's commitments: salts that prove a content, kept apart from the record and for one user's eyes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tallystick.agents.intents import Intent
from tallystick.agents.intents_openings import Opening, OpeningStore, slot_of, slots_of
from tallystick.core.errors import InvalidInput, Unavailable
from tallystick.tally.agents.reasons import Committed, Reasons, ToolUse, write_record

ACCOUNT = "0x" + "0" * 38 + "99"
SESSION = "0x" + "0" * 38 + "21"
WHY = Reasons(
    "ada",
    "weather",
    prompt=b"which days?",
    tools=(ToolUse("search", b"rain", Committed(b"\7" * 32)),),
    quote=b"\1" * 32,
)


def written(why: Reasons = WHY) -> tuple[Intent, Opening, dict[str, bytes]]:
    made = write_record(why, ACCOUNT, 1337, SESSION, created_at=5, policy=bytes(32), payment=None)
    return made.intent, made.opening, made.contents


def test_a_salt_and_the_content_prove_the_commitment_and_nothing_else_does() -> None:
    intent, opening, _ = written()
    assert opening.check(slot_of(intent, "prompt"), b"which days?").ok
    assert not opening.check(slot_of(intent, "prompt"), b"which nights?").ok
    assert opening.check(slot_of(intent, "tool-1-given"), b"rain").ok
    assert not opening.check(slot_of(intent, "tool-1-gave"), b"anything").ok, "its salt is elsewhere"
    assert intent.tools[0].gave == b"\7" * 32
    swapped = Opening({**opening.salts, "prompt": opening.salts["tool-1-given"]})
    assert not swapped.check(slot_of(intent, "prompt"), b"which days?").ok


def test_two_records_of_the_same_reasons_have_nothing_in_common_to_guess_by() -> None:
    assert written()[0].prompt != written()[0].prompt


def test_a_record_has_a_name_for_each_of_its_commitments() -> None:
    intent, _, _ = written()
    assert [one.name for one in slots_of(intent)] == ["prompt", "tool-1-given", "tool-1-gave"]
    with pytest.raises(InvalidInput, match="no such commitment"):
        slot_of(intent, "tool-2-given")


def test_contents_are_kept_only_when_that_was_asked_for() -> None:
    assert written()[2] == {}
    assert written(replace(WHY, is_kept=True))[2] == {"prompt": b"which days?", "tool-1-given": b"rain"}
    assert written(Reasons("ada", "nothing", is_kept=True))[2] == {}


def test_openings_are_kept_for_this_user_alone(tmp_path: Path) -> None:
    intent, opening, _ = written()
    store = OpeningStore(tmp_path / "openings")
    with pytest.raises(Unavailable) as caught:
        store.find(intent.hash())
    assert caught.value.code == "intent.unopened"
    assert store.kept(intent.hash()) == {}
    store.keep(intent.hash(), opening, {"prompt": b"which days?"})
    assert store.find(intent.hash()) == opening
    files = [path for path in (tmp_path / "openings").rglob("*") if path.is_file()]
    assert len(files) == 2
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert [(name, path.read_bytes()) for name, path in store.kept(intent.hash()).items()] == [
        ("prompt", b"which days?")
    ]
    salts = next(path for path in files if path.name == "salts.json")
    salts.chmod(0o644)
    with pytest.raises(InvalidInput, match="open to others"):
        store.find(intent.hash())


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b'{"format":"tallystick-opening-1","salts":[]}', b'{"format":"other","salts":{}}',
     b'{"format":"tallystick-opening-1","salts":{"prompt":"ab"}}',
     b'{"format":"tallystick-opening-1","salts":{"prompt":7}}', b"\xff"],
)  # fmt: skip
def test_bytes_that_are_no_opening_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        Opening.from_bytes(data)


def test_an_opening_is_read_back_as_it_was_written() -> None:
    opening = written()[1]
    assert Opening.from_bytes(opening.to_bytes()) == opening
