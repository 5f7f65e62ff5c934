"""An operation has one hash however its request is spelled, and another request has another."""

from __future__ import annotations

import pytest

from tallystick.agents.payments.operation import Operation, http_resource
from tallystick.core.errors import InvalidInput


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.test/a/b?x=1&y=2",
        "HTTP://SHOP.TEST:80/a/b?x=1&y=2",
        "http://user:secret@shop.test/a/b?x=1&y=2#part",
        "http://shop.test/a/./c/../b?x=1&y=2",
        "http://shop.test/%61/b?%78=1&y=2",
    ],
)
def test_spellings_of_one_request_have_one_hash(url):
    assert http_resource(url) == "http://shop.test/a/b?x=1&y=2"
    assert Operation.of_http("get", url) == Operation.of_http("GET", "http://shop.test/a/b?x=1&y=2")


@pytest.mark.parametrize(
    "other",
    [
        ("POST", "http://shop.test/a?x=1", b""),
        ("GET", "https://shop.test/a?x=1", b""),
        ("GET", "http://shop.test:8080/a?x=1", b""),
        ("GET", "http://shop.test/A?x=1", b""),
        ("GET", "http://shop.test/a/?x=1", b""),
        ("GET", "http://shop.test/a", b""),
        ("GET", "http://shop.test/a?x=2", b""),
        ("GET", "http://shop.test/a%2Fb?x=1", b""),
        ("GET", "http://shop.test/a?x=1", b"body"),
    ],
)
def test_another_request_has_another_hash(other):
    assert Operation.of_http(*other).hash() != Operation.of_http("GET", "http://shop.test/a?x=1").hash()


def test_the_hash_of_an_operation_is_published():
    found = Operation.of_http("POST", "https://shop.example/v2/answer?model=7", b'{"q":1}')
    assert found.hash().hex() == "3260d890f6535a1751757dd87aa4435429925f6d70f4d8c83ffbafea3f23cc75"
    tool = Operation.of("tools/call", "mcp://tool/predict", b'{"rows":[1]}')
    assert tool.hash().hex() == "afba37fad7186abbfe2d34480aa86e4e3915b6374ce32c2f4d9e667695d1e036"


@pytest.mark.parametrize(
    "url", ["", "shop", "ftp://shop/", "http://", "http://shop:x/", "http://sh op/", "http://shop/ä", "http://shop/\n"]
)
def test_what_is_no_url_is_refused(url):
    with pytest.raises(InvalidInput) as caught:
        Operation.of_http("GET", url)
    assert caught.value.code == "operation.resource"


@pytest.mark.parametrize("method", ["", "GET ", "a" * 65, "G\nT"])
def test_what_is_no_method_is_refused(method):
    with pytest.raises(InvalidInput) as caught:
        Operation.of_http(method, "http://shop/")
    assert caught.value.code == "operation.method"
