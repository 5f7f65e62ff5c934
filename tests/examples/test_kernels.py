"""Four models become kernels, answer on a chain as in Python, and short contracts act on what they say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from eth_abi.abi import encode
from vyper.compiler import compile_from_file_input
from vyper.compiler.input_bundle import FilesystemInputBundle
from vyper.compiler.settings import Settings

import tallystick
from examples.kernels import lending
from examples.kernels.__main__ import APPLICATIONS, README, shown, table, with_table
from examples.kernels.application import CONTRACTS, Application, Built, build, main
from tallystick.chain.calls import Call
from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput, Rejected
from tallystick.lithic import check_artifact
from tallystick.lithic.checking import Origin
from tallystick.lithic.contract import calldata
from tallystick.lithic.floats import decide, evaluate
from tallystick.lithic.integer.reference import pack
from tallystick.lithic.quantise.grids import decode
from tallystick.tally import Tally
from tests.house import tree

BY_NAME = {application.name: application for application in APPLICATIONS}
SOMEBODY, STRANGER = "0x" + "ab" * 20, "0x" + "cd" * 20
LEAST_AUC = {"lending": 0.8, "tumour": 0.95, "delivery": 0.88, "media": 0.95}  # other processors round otherwise
LINES_MAX = 12  # of a contract, without decorators, comments and empty lines


@cache
def built(name: str) -> Built:
    """Return an application's kernel, built once."""
    return build(BY_NAME[name])


def row_decided(made: Built, decision: int) -> bytes:
    """Return a held-out row for which the kernel decides so, packed."""
    for row in range(len(made.held_out.classes)):
        x = made.encoded(row)
        if made.kernel.predict(x)[0] == decision:
            return pack(made.kernel.model.input, x)
    raise AssertionError(f"no row of {made.application.name} is decided {decision}")


@cache
def initcode(contract: str) -> bytes:
    """Return what makes a contract of the examples, without its arguments."""
    bundle = FilesystemInputBundle([Path(tallystick.__file__).parent.parent])
    file = bundle.load_file(CONTRACTS / contract)
    found = compile_from_file_input(file, input_bundle=bundle, settings=Settings(), output_formats=["bytecode"])
    return bytes.fromhex(found["bytecode"][2:])


def invocation(signature: str, *values: object) -> bytes:
    """Return the calldata of a function."""
    types = signature.partition("(")[2][:-1].split(",")
    return keccak(signature.encode())[:4] + encode(types, values)


@dataclass(frozen=True)
class Desk:
    """A workspace's chain, and contracts made on it by the workspace's account."""

    tally: Tally

    def creation(self, made: Built, third: tuple[str, object], kernel: str | None = None) -> bytes:
        """Return the initcode of an application's contract, on its or another kernel; `third` is its own argument."""
        arguments = [kernel or made.kernel.address, made.kernel.digest, third[1]]
        return initcode(made.application.contract) + encode(["address", "bytes32", third[0]], arguments)

    def deploy(self, made: Built, third: tuple[str, object]) -> str:
        """Return the address of an application's contract, put on the chain with its kernel."""
        self.tally.lithic.deploy(made.kernel)
        code = self.creation(made, third)
        receipt = self.tally.outbox.send_and_wait(Call(None, code), key=keccak(code).hex())
        assert receipt.contract_address is not None
        return receipt.contract_address

    def send(self, to: str, data: bytes) -> int:
        """Send a transaction; return the gas that it took."""
        return self.tally.outbox.send_and_wait(Call(to, data), key=keccak(data).hex()).gas_used

    def says(self, to: str, data: bytes, sender: str | None = None) -> bool:
        return bool(int.from_bytes(self.tally.node.call(to, data, sender=sender or self.account)))

    @property
    def account(self) -> str:
        return self.tally.account.address


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with tallystick.create(tmp_path_factory.mktemp("kernels") / ".tally") as tally:
        tally.deploy()
        yield Desk(tally)


def test_every_application_of_the_folder_is_run_by_these_tests() -> None:
    files = {path.stem for path in (tree.ROOT / "examples" / "kernels").glob("*.py")}
    assert files - {"__main__", "application"} == set(BY_NAME)
    assert {path.name for path in CONTRACTS.glob("*.vy")} == {one.contract for one in APPLICATIONS}


@pytest.mark.parametrize("name", BY_NAME)
def test_the_code_answers_as_the_reference_within_its_bound_of_gas(name: str) -> None:
    made = built(name)
    for row in range(8):
        x = made.encoded(row)
        assert made.kernel.run(x) == made.kernel.predict(x)
    assert made.gas.least <= made.gas.median <= made.gas.greatest <= made.kernel.worst_gas


@pytest.mark.parametrize("name", BY_NAME)
def test_the_kernel_decides_as_scikit_learn_does(name: str) -> None:
    made = built(name)
    said = made.fitted.predict(made.held_out.features)
    read = decide(made.trained, evaluate(made.trained, made.held_out.features)[-1])
    assert (said == read).mean() >= 0.998  # the file has single precision
    answers = [made.kernel.predict(made.encoded(row))[0] for row in range(len(said))]
    assert (said == answers).mean() >= 0.98


@pytest.mark.parametrize("name", BY_NAME)
def test_the_integers_are_as_good_as_the_floats_and_better_than_a_guess(name: str) -> None:
    found = built(name).quality
    assert float(found.agreement) >= 0.98
    assert abs(float(found.of_float.auc or 0) - float(found.of_integer.auc or 0)) <= 0.01
    assert float(found.of_integer.auc or 0) >= LEAST_AUC[name]


@pytest.mark.parametrize("name", BY_NAME)
def test_a_row_out_of_range_is_refused_before_it_is_an_input(name: str) -> None:
    kernel = built(name).kernel
    row = list(decode(kernel.model.input, [[field.high for field in kernel.model.input.fields]])[0])
    assert kernel.encode(row) == tuple(field.high for field in kernel.model.input.fields)
    with pytest.raises(InvalidInput, match="leaves its range"):
        kernel.encode([row[0] * 2, *row[1:]])


@pytest.mark.parametrize("name", ["lending", "delivery", "media"])
def test_an_input_out_of_range_is_refused_by_reference_and_code(name: str) -> None:
    kernel = built(name).kernel
    declared, limit = kernel.model.input, 1 << kernel.model.input.bits
    at = next(at for at, field in enumerate(declared.fields) if field.high + 1 < limit)
    x = [field.low for field in declared.fields]
    assert kernel.run(x) == kernel.predict(x)
    x[at] = declared.fields[at].high + 1
    with pytest.raises(InvalidInput) as refused:
        kernel.predict(x)
    assert refused.value.code == "kernel.input"
    done = kernel.execute(calldata(b"".join(one.to_bytes(declared.bits // 8) for one in x)))
    assert not done.ok
    assert b"kernel: input out of range" in done.output


def test_a_tumours_ranges_fill_their_bytes_so_that_every_input_of_the_right_length_is_one() -> None:
    kernel = built("tumour").kernel
    assert {(field.low, field.high) for field in kernel.model.input.fields} == {(0, 255)}
    assert kernel.execute(calldata(b"\xff" * 30)).ok
    done = kernel.execute(calldata(b"\xff" * 31))
    assert not done.ok
    assert b"kernel: malformed input" in done.output


@pytest.mark.parametrize("name", BY_NAME)
def test_a_contract_given_another_models_kernel_refuses_by_digest(name: str, desk: Desk) -> None:
    made, other = built(name), built("media" if name != "media" else "tumour")
    for one in (made, other):
        desk.tally.lithic.deploy(one.kernel)
    third = ("int256", 0) if name == "tumour" else ("address", desk.account)
    estimate = desk.tally.node.estimate_gas
    assert estimate(None, desk.creation(made, third), sender=desk.account) > 0
    with pytest.raises(Rejected, match="another model"):
        estimate(None, desk.creation(made, third, kernel=other.kernel.address), sender=desk.account)


def test_a_lender_approves_and_refuses_as_the_model_and_takes_no_borrowers_word(desk: Desk) -> None:
    made = built("lending")
    lender = desk.deploy(made, ("address", desk.account))
    approved = invocation("is_approved(address)", SOMEBODY)
    for decision in (1, 0):
        application = row_decided(made, decision)
        gas = desk.send(lender, invocation("decide(address,bytes)", SOMEBODY, application))
        assert gas < 60_000  # as README.md says
        assert desk.says(lender, approved) == bool(decision)
    own_words = invocation("decide(address,bytes)", STRANGER, row_decided(made, 1))
    with pytest.raises(Rejected, match="lender: not the underwriter"):
        desk.says(lender, own_words, sender=STRANGER)


def test_a_triage_calls_urgent_what_the_network_only_doubts(desk: Desk) -> None:
    made = built("tumour")
    scores = sorted(made.kernel.predict(made.encoded(row))[1] for row in range(40))
    doubt = next(score for score in scores if score < 0 and score > scores[0])
    triage = desk.deploy(made, ("int256", doubt))
    seen = set()
    for row in range(40):
        x = made.encoded(row)
        score = made.kernel.predict(x)[1]
        if (score > doubt, score > 0) not in seen:
            seen.add((score > doubt, score > 0))
            sample = pack(made.kernel.model.input, x)
            assert desk.says(triage, invocation("is_urgent(bytes)", sample)) == (score > doubt)
    assert seen == {(True, True), (True, False), (False, False)}
    with pytest.raises(Rejected, match="kernel: malformed input"):
        desk.says(triage, invocation("is_urgent(bytes)", bytes(29)))


def test_an_insurer_takes_what_will_be_in_time_and_refuses_what_will_be_late(desk: Desk) -> None:
    made = built("delivery")
    insurer = desk.deploy(made, ("address", desk.account))
    parcels = {decision: bytes([decision]) * 32 for decision in (0, 1)}
    desk.send(insurer, invocation("insure(bytes32,bytes)", parcels[0], row_decided(made, 0)))
    with pytest.raises(Rejected, match="insurer: likely to be late"):
        desk.send(insurer, invocation("insure(bytes32,bytes)", parcels[1], row_decided(made, 1)))
    for decision, parcel in parcels.items():
        assert desk.says(insurer, invocation("is_insured(bytes32)", parcel)) == (decision == 0)
    with pytest.raises(Rejected, match="insurer: not the dispatcher"):
        desk.says(insurer, invocation("insure(bytes32,bytes)", parcels[1], row_decided(made, 0)), sender=STRANGER)


def test_a_gallery_publishes_a_synthetic_picture_only_if_it_is_declared(desk: Desk) -> None:
    made = built("media")
    gallery = desk.deploy(made, ("address", desk.account))
    picture, other = b"p" * 32, b"o" * 32
    publish = "publish(bytes32,bool,bytes)"
    desk.send(gallery, invocation(publish, other, False, row_decided(made, 0)))
    with pytest.raises(Rejected, match="gallery: declare it as synthetic"):
        desk.send(gallery, invocation(publish, picture, False, row_decided(made, 1)))
    assert not desk.says(gallery, invocation("is_published(bytes32)", picture))
    desk.send(gallery, invocation(publish, picture, True, row_decided(made, 1)))
    assert desk.says(gallery, invocation("is_published(bytes32)", picture))
    assert desk.says(gallery, invocation("is_published(bytes32)", other))
    with pytest.raises(Rejected, match="gallery: not the detector"):
        desk.says(gallery, invocation(publish, other, True, row_decided(made, 0)), sender=STRANGER)


def test_a_lender_looks_at_no_forbidden_ground_and_accounts_for_every_column() -> None:
    left_out = [name for names in lending.LEFT_OUT.values() for name in names]
    assert set(lending.COLUMNS).isdisjoint(left_out)
    assert {"black", "hispan", "white", "male", "married", "dep", "old"} <= set(left_out)
    assert sorted([*lending.COLUMNS, *left_out, lending.LABEL]) == sorted(lending.read()[0])


def test_an_application_writes_files_that_check_and_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(BY_NAME["media"], tmp_path) == 0
    assert "execution gas" in capsys.readouterr().out
    data = (tmp_path / "media.kernel.json").read_bytes()
    assert check_artifact(data).ok
    assert not check_artifact(data.replace(b'"worst_gas":', b'"worst_gas":1', 1)).ok
    report = (tmp_path / "media.html").read_text("utf-8")
    assert "synthetic" in report
    assert "What a score can be off by" in report
    derived = check_artifact(data, origin=Origin((tmp_path / "media.onnx").read_bytes(), _seen(BY_NAME["media"])))
    assert derived.ok, derived.failures


def _seen(application: Application) -> np.ndarray:
    """Return the rows that a model was trained on."""
    rows = application.load()
    return rows.features[np.random.default_rng(7).permutation(len(rows.classes))[: len(rows.classes) * 7 // 10]]


@pytest.mark.parametrize("name", BY_NAME)
def test_no_score_is_further_off_than_is_proven(name: str) -> None:
    made = built(name)
    assert made.kernel.bound is not None
    assert float(made.quality.difference_inside) <= max(map(float, made.kernel.bound.in_range))


def test_an_application_whose_ranges_hold_too_few_of_its_rows_is_refused() -> None:
    application = BY_NAME["media"]
    with pytest.raises(InvalidInput) as refused:
        build(replace(application, ranges=dict.fromkeys(application.features, (0, 1))))
    assert refused.value.code == "kernel.quality"


@pytest.mark.parametrize("contract", [one.contract for one in APPLICATIONS])
def test_a_contract_that_uses_an_answer_is_short(contract: str) -> None:
    lines = (CONTRACTS / contract).read_text("utf-8").splitlines()
    assert len([line for line in lines if line.strip() and not line.startswith(("#", "@"))]) <= LINES_MAX


def test_the_table_shows_what_was_measured_and_another_would_be_seen() -> None:
    found = table([built(name) for name in BY_NAME])
    text = README.read_text("utf-8")
    assert not _differences(found, shown(text)), "run python -m examples.kernels --write"
    for before, after in ((r"0\.\d{3} →", "0.5 →"), (r"\d,\d{3} \|", "9 |"), ("boosting", "bagging")):
        other = re.sub(before, after, found, count=1)
        assert _differences(found, shown(with_table(text, other)))


def _differences(ours: str, theirs: str) -> list[str]:
    """Return the lines that differ by more than another processor's rounding brings about: words, or figures."""
    number = re.compile(r"(?<![\w.-])\d[\d,]*(?:\.\d+)?(?![\w-])")
    lines = [(a, b) for a, b in zip(ours.splitlines(), theirs.splitlines(), strict=False) if a != b]
    found = [b for a, b in lines if number.sub("#", a) != number.sub("#", b)]
    for a, b in lines:
        pairs = zip(number.findall(a), number.findall(b), strict=False)
        found += [b for x, y in pairs if not _is_near(x, y)]
    return found + ([] if ours.count("\n") == theirs.count("\n") else ["another number of lines"])


def _is_near(a: str, b: str) -> bool:
    first, second = (float(one.replace(",", "")) for one in (a, b))
    return abs(first - second) <= (0.05 if "." in a else 0.1 * first)
