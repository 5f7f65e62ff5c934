"""What computes a node's answers: exact, in bounds, or not at all."""

from __future__ import annotations

import struct
import threading
from dataclasses import replace
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer

import orjson
import pytest

from tallystick.chain.bindings.committee import Terms
from tallystick.core.errors import InvalidInput, Rejected, TallystickError, Unavailable
from tallystick.lithic.artifact import Artifact
from tallystick.lithic.committee.decision import OutputKind
from tallystick.lithic.committee.request import NO_DEMAND, NOBODY
from tallystick.lithic.integer import reference
from tallystick.lithic.kernel import compile_integer
from tallystick.services.lithic_node import read_plan
from tallystick.services.lithic_node.answerers import FunctionAnswerer, KernelAnswerer, OnnxAnswerer, scaled
from tallystick.services.lithic_node.endpoint import EndpointAnswerer
from tests.lithic.random_models import build

LABEL = Terms(
    model_digest=b"m" * 32, input_digest=b"i" * 32, demand=NO_DEMAND, kernel=NOBODY, output_index=0,
    kind=int(OutputKind.LABEL), low=0, high=9, tolerance=0, members=(), threshold=1, fee=0, stake=0, commit_s=1,
    reveal_s=60,
)  # fmt: skip
NUMBER = replace(LABEL, kind=int(OutputKind.NUMBER), low=-1_000, high=1_000)


def refused(ask, code):
    with pytest.raises(TallystickError) as caught:
        ask()
    assert caught.value.code == code


# --- kernels


def test_a_kernel_answers_what_its_reference_says_and_refuses_what_it_refuses(dense_model):
    kernel = compile_integer(dense_model)
    x = tuple(field.high for field in dense_model.input.fields)
    answerer = KernelAnswerer(kernel)
    for index, number in enumerate(reference.predict(dense_model, x)):
        data = reference.pack(dense_model.input, x)
        assert answerer.answer(replace(NUMBER, output_index=index), data) == number
    refused(lambda: answerer.answer(replace(NUMBER, output_index=200), data), "node.index")
    with pytest.raises(Rejected) as caught:
        answerer.answer(NUMBER, data + b"\0")
    assert caught.value.code == "kernel: malformed input"


@pytest.fixture
def dense_model():
    return build(["dense", "relu", "dense"], 8, 12, "none", 3)


# --- functions


def test_a_function_gives_an_integer_or_nothing():
    assert FunctionAnswerer(lambda terms, data: len(data)).answer(LABEL, b"abc") == 3
    for bad in (lambda terms, data: 1.0, lambda terms, data: True, lambda terms, data: 1 / 0, lambda: 1):
        refused(lambda bad=bad: FunctionAnswerer(bad).answer(LABEL, b""), "node.function")

    def busy(terms, data):
        raise Unavailable("node.busy", "later")

    refused(lambda: FunctionAnswerer(busy).answer(LABEL, b""), "node.busy")


# --- ONNX


class Twice:
    """A predictor that doubles."""

    inputs = outputs = ()

    def __init__(self, scale=2):
        from tallystick.inference.tensors import Tensor

        self.scale = scale
        self.inputs = (Tensor("x", "FP32", (-1, -1)),)

    def predict(self, arrays, outputs):
        return [(self.inputs[0], arrays["x"] * self.scale)]


def test_an_onnx_model_reads_a_row_of_numbers_and_gives_the_largest_place_or_a_scaled_number():
    row = struct.pack("<3f", 0.25, 3.5, -1)
    assert OnnxAnswerer(Twice(), "y").answer(LABEL, row) == 1
    numbers = OnnxAnswerer(Twice(), "y", scale=Decimal(10))
    assert [numbers.answer(replace(NUMBER, output_index=i), row) for i in range(3)] == [5, 70, -20]
    assert numbers.answer(replace(NUMBER, output_index=1, high=50), row) == 50
    refused(lambda: numbers.answer(replace(NUMBER, output_index=3), row), "node.index")
    for bad in (b"", row[:-1]):
        refused(lambda bad=bad: numbers.answer(NUMBER, bad), "node.input")
    refused(lambda: OnnxAnswerer(Twice(float("nan")), "y").answer(NUMBER, row), "node.number")
    refused(lambda: OnnxAnswerer(Twice(float("inf")), "y").answer(NUMBER, row), "node.number")


def test_a_number_is_rounded_half_to_even_and_kept_within_bounds():
    assert [scaled(Decimal(x), Decimal(1), NUMBER) for x in ("0.5", "1.5", "-0.5", "1e9", "-1e9")] == [
        0,
        2,
        0,
        1_000,
        -1_000,
    ]


# --- endpoints


class Model(BaseHTTPRequestHandler):
    """A chat endpoint that says what the test set."""

    says, status, asked = "", 200, []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).asked.append((self.path, self.headers.get("Authorization"), orjson.loads(body)))
        said = self.says
        if isinstance(said, str):
            said = orjson.dumps({"choices": [{"message": {"content": said}}]})
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        pass


@pytest.fixture
def model():
    Model.says, Model.status, Model.asked = "", 200, []
    server = HTTPServer(("127.0.0.1", 0), Model)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_endpoint_is_asked_at_temperature_zero_and_answers_one_of_the_allowed_values(model):
    judge = EndpointAnswerer(model, "m", "Is this true? {input}", ("NO", "YES"), key="secret")
    Model.says = " yes\n"
    assert judge.answer(LABEL, "grün".encode()) == 1
    path, authorization, asked = Model.asked[0]
    assert (path, authorization) == ("/v1/chat/completions", "Bearer secret")
    assert asked["temperature"] == 0
    assert asked["messages"] == [{"content": "Is this true? grün", "role": "user"}]
    for said in ("Yes, it is", "maybe", ""):
        Model.says = said
        refused(lambda: judge.answer(LABEL, b"x"), "node.allowed")
    refused(lambda: judge.answer(LABEL, b"\xff"), "node.input")


def test_an_endpoint_gives_a_number_or_nothing(model):
    oracle = EndpointAnswerer(model, "m", "{input}?", scale=Decimal(100))
    for said, number in (("1.235", 124), (" -7.5 ", -750), ("99", 1_000)):
        Model.says = said
        assert oracle.answer(NUMBER, b"x") == number
    for said in ("about 3", "1e3", "NaN", "1,5", "٣"):
        Model.says = said
        refused(lambda: oracle.answer(NUMBER, b"x"), "node.number")


def test_an_endpoint_that_is_busy_or_broken_is_told_from_one_that_answers(model):
    oracle = EndpointAnswerer(model, "m", "{input}")
    for status, code in ((429, "node.busy"), (503, "node.busy"), (401, "node.endpoint")):
        Model.says, Model.status = "1", status
        refused(lambda: oracle.answer(NUMBER, b"x"), code)
    Model.status = 200
    for body in (b"", b"[]", b'{"choices": []}', b'{"choices": [{"message": {"content": 5}}]}', b"[" * 100_000):
        Model.says = body
        refused(lambda: oracle.answer(NUMBER, b"x"), "canonical.depth" if len(body) > 99 else "node.endpoint")
    gone = EndpointAnswerer("http://127.0.0.1:9/v1", "m", "{input}")
    refused(lambda: gone.answer(NUMBER, b"x"), "dialer.connect")


# --- plans

DIGEST = "ab" * 32


def plan(folder, text):
    (folder / "plan.toml").write_text(text)
    return read_plan(folder / "plan.toml").services


def test_a_plan_says_what_serves_which_model_for_how_much(tmp_path, dense_model):
    kernel = compile_integer(dense_model)
    (tmp_path / "m.kernel.json").write_bytes(Artifact.of(kernel).to_bytes())
    (tmp_path / "key").write_text("sk-1\n")
    (tmp_path / "key").chmod(0o600)
    services = plan(
        tmp_path,
        f"""
        [[model]]
        digest = "{DIGEST}"
        cost = "7"
        stake_max = "9"
        kernel = "0x{"11" * 20}"
        function = "math:gcd"
        [[model]]
        digest = "{kernel.digest.hex()}"
        artifact = "m.kernel.json"
        [[model]]
        digest = "{"cd" * 32}"
        endpoint = "https://models.example/v1"
        model = "m"
        prompt = "{{input}}"
        allowed = ["no", "yes"]
        key_file = "key"
        """,
    )
    first, second, third = services.values()
    assert (first.cost, first.stake_max, first.kernel) == (7, 9, "0x" + "11" * 20)
    assert second.answerer.kernel.digest == kernel.digest
    assert (third.answerer.key, third.answerer.allowed, third.kernel) == ("sk-1", ("no", "yes"), NOBODY)


def test_a_plan_says_in_which_coin_its_costs_are(tmp_path):
    model = f'[[model]]\ndigest = "{DIGEST}"\nfunction = "math:gcd"\n'
    for coin, found in (("", NOBODY), (f'coin = "0x{"11" * 20}"\n', "0x" + "11" * 20)):
        (tmp_path / "plan.toml").write_text(coin + model)
        assert read_plan(tmp_path / "plan.toml").coin == found
    with pytest.raises(InvalidInput) as caught:
        plan(tmp_path, 'coin = "USDC"\n' + model)
    assert caught.value.code == "address.form"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[[model]", "node.plan"),
        ("", "document.missing"),
        ('[[model]]\ndigest = "ab"\nfunction = "math:gcd"', "digest.hex"),
        (f'[[model]]\ndigest = "{DIGEST}"', "node.plan"),
        (f'[[model]]\ndigest = "{DIGEST}"\nfunction = "math:gcd"\nonnx = "x"', "node.plan"),
        (f'[[model]]\ndigest = "{DIGEST}"\nfunction = "math:gcd"\nprompt = "x"', "document.unknown"),
        (f'[[model]]\ndigest = "{DIGEST}"\nfunction = "math:nothing"', "node.import"),
        (f'[[model]]\ndigest = "{DIGEST}"\nfunction = "nowhere:f"', "node.import"),
        (f'[[model]]\ndigest = "{DIGEST}"\nfunction = ":"', "node.import"),
        (f'[[model]]\ndigest = "{DIGEST}"\nfunction = "math:pi"', "node.import"),
        (f'[[model]]\ndigest = "{DIGEST}"\nfunction = "math:gcd"\ncost = 7', "document.type"),
        (2 * f'[[model]]\ndigest = "{DIGEST}"\nfunction = "math:gcd"\n', "node.plan"),
        (f'[[model]]\ndigest = "{DIGEST}"\nendpoint = "http://a"\nmodel = "m"\nprompt = "x"', "node.plan"),
        (f'[[model]]\ndigest = "{DIGEST}"\nendpoint = "ftp://a"\nmodel = "m"\nprompt = "{{input}}"', "dialer.url"),
        (
            f'[[model]]\ndigest = "{DIGEST}"\nendpoint = "http://a"\nmodel = "m"\nprompt = "{{input}}"\n'
            'allowed = ["Yes", "yes "]',
            "node.plan",
        ),
        (
            f'[[model]]\ndigest = "{DIGEST}"\nendpoint = "http://a"\nmodel = "m"\nprompt = "{{input}}"\nscale = "0"',
            "node.plan",
        ),
        (f'[[model]]\ndigest = "{DIGEST}"\nartifact = "absent"', "files.missing"),
    ],
)
def test_a_plan_that_cannot_be_kept_is_refused(tmp_path, text, code):
    with pytest.raises(InvalidInput) as caught:
        plan(tmp_path, text)
    assert caught.value.code == code
