"""The server that the conformance suite asks for: its tools, resources and prompts, behind our own HTTP serving.

Run as a program it prints its URL and serves until its standard input closes. What it offers is the suite's choice;
what is tested of ours is what stands around it: hosts, sessions, bodies, stopping.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import struct
import sys
import threading
import warnings
import zlib
from typing import Any

from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore

from tallystick.services.listener import Stop
from tallystick.services.mcp.serving import PATH, build_app, serve_http

PAUSE_S = 0.05  # between two notifications, as the suite asks
DIALECT = "https://json-schema.org/draft/2020-12/schema"
WATCHED: set[str] = set()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# One red pixel, and no sound at all.
PNG = base64.b64encode(
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(b"\0\xff\0\0"))
    + _chunk(b"IEND", b"")
).decode()
WAV = base64.b64encode(
    b"RIFF"
    + struct.pack("<I", 36)
    + b"WAVEfmt "
    + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8)
    + b"data\0\0\0\0"
).decode()


def _said(words: str) -> list[Any]:
    return [types.TextContent(type="text", text=words)]


def _image() -> types.ImageContent:
    return types.ImageContent(type="image", data=PNG, mime_type="image/png")


def _embedded(uri: str, kind: str, words: str) -> types.EmbeddedResource:
    inner = types.TextResourceContents(uri=uri, mime_type=kind, text=words)
    return types.EmbeddedResource(type="resource", resource=inner)


async def _log(context: Any, arguments: dict[str, Any]) -> list[Any]:
    for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await context.session.send_log_message("info", words, related_request_id=context.request_id)
        await asyncio.sleep(PAUSE_S)
    return _said("logged")


async def _progress(context: Any, arguments: dict[str, Any]) -> list[Any]:
    for done in (0, 50, 100):
        await context.session.report_progress(done, 100)
        await asyncio.sleep(PAUSE_S)
    return _said("done")


async def _sample(context: Any, arguments: dict[str, Any]) -> list[Any]:
    asked = types.SamplingMessage(role="user", content=types.TextContent(type="text", text=arguments["prompt"]))
    answer = await context.session.create_message([asked], max_tokens=100, related_request_id=context.request_id)
    return _said(f"LLM response: {answer.content.text}")


async def _elicit(context: Any, message: str, members: dict[str, Any]) -> types.ElicitResult:
    shape = {"type": "object", "properties": members, "required": list(members)}
    answer: types.ElicitResult = await context.session.elicit_form(message, shape, context.request_id)
    return answer


async def _ask(context: Any, arguments: dict[str, Any]) -> list[Any]:
    members = {
        "username": {"type": "string", "description": "User's response"},
        "email": {"type": "string", "description": "User's email address"},
    }
    answer = await _elicit(context, arguments["message"], members)
    return _said(f"User response: action={answer.action}, content={json.dumps(answer.content)}")


async def _ask_defaults(context: Any, arguments: dict[str, Any]) -> list[Any]:
    members = {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    }
    answer = await _elicit(context, "Defaults", members)
    return _said(f"Elicitation completed: action={answer.action}, content={json.dumps(answer.content)}")


async def _ask_choices(context: Any, arguments: dict[str, Any]) -> list[Any]:
    titled = [
        {"const": f"value{n}", "title": f"{word} Option"} for n, word in enumerate(("First", "Second", "Third"), 1)
    ]
    plain = ["option1", "option2", "option3"]
    members = {
        "untitledSingle": {"type": "string", "enum": plain},
        "titledSingle": {"type": "string", "oneOf": titled},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": plain}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled}},
    }
    answer = await _elicit(context, "Choices", members)
    return _said(f"Elicitation completed: action={answer.action}, content={json.dumps(answer.content)}")


async def _reconnect(context: Any, arguments: dict[str, Any]) -> list[Any]:
    if context.close_sse_stream is not None:
        await context.close_sse_stream()
    await asyncio.sleep(2 * PAUSE_S)
    return _said("went on after the stream was closed")


async def _fail(context: Any, arguments: dict[str, Any]) -> list[Any]:
    raise ValueError("This tool intentionally returns an error for testing")


def _fixed(*content: Any) -> Any:
    async def answer(context: Any, arguments: dict[str, Any]) -> list[Any]:
        return list(content)

    return answer


TOOLS: dict[str, Any] = {
    "test_simple_text": _fixed(*_said("This is a simple text response for testing.")),
    "test_image_content": _fixed(_image()),
    "test_audio_content": _fixed(types.AudioContent(type="audio", data=WAV, mime_type="audio/wav")),
    "test_embedded_resource": _fixed(
        _embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")
    ),
    "test_multiple_content_types": _fixed(
        *_said("Multiple content types test:"),
        _image(),
        _embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
    ),
    "test_tool_with_logging": _log,
    "test_tool_with_progress": _progress,
    "test_error_handling": _fail,
    "test_sampling": _sample,
    "test_elicitation": _ask,
    "test_elicitation_sep1034_defaults": _ask_defaults,
    "test_elicitation_sep1330_enums": _ask_choices,
    "test_reconnection": _reconnect,
    "json_schema_2020_12_tool": _fixed(*_said("ok")),
}
TEXT_OF = {"test_sampling": "prompt", "test_elicitation": "message"}


def _shape(name: str) -> dict[str, Any]:
    if name == "json_schema_2020_12_tool":
        place = {"type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}
        members = {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}}
        return {
            "$schema": DIALECT, "type": "object", "$defs": {"address": place}, "properties": members,
            "additionalProperties": False,
        }  # fmt: skip
    argument = TEXT_OF.get(name)
    members = {argument: {"type": "string"}} if argument else {}
    return {"type": "object", "properties": members, "required": list(members)}


async def list_tools(context: Any, params: Any) -> types.ListToolsResult:
    tools = [types.Tool(name=name, description=f"The suite's {name}", input_schema=_shape(name)) for name in TOOLS]
    return types.ListToolsResult(tools=tools)


async def call_tool(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
    try:
        return types.CallToolResult(content=await TOOLS[params.name](context, params.arguments or {}))
    except Exception as error:  # noqa: BLE001  the suite wants its own error told
        return types.CallToolResult(content=_said(str(error)), is_error=True)


async def list_resources(context: Any, params: Any) -> types.ListResourcesResult:
    kinds = {
        "test://static-text": "text/plain",
        "test://static-binary": "image/png",
        "test://watched-resource": "text/plain",
    }
    listed = [
        types.Resource(uri=uri, name=uri.partition("://")[2], description=f"The suite's {uri}", mime_type=kind)
        for uri, kind in kinds.items()
    ]
    return types.ListResourcesResult(resources=listed)


async def list_templates(context: Any, params: Any) -> types.ListResourceTemplatesResult:
    made = types.ResourceTemplate(
        uri_template="test://template/{id}/data", name="template", description="By id", mime_type="application/json"
    )
    return types.ListResourceTemplatesResult(resource_templates=[made])


async def read_resource(context: Any, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    uri = str(params.uri)
    if uri == "test://static-binary":
        return types.ReadResourceResult(contents=[types.BlobResourceContents(uri=uri, mime_type="image/png", blob=PNG)])
    kind, words = "text/plain", "This is the content of the static text resource."
    if uri.startswith("test://template/"):
        found = uri.split("/")[3]
        kind = "application/json"
        words = json.dumps({"id": found, "templateTest": True, "data": f"Data for ID: {found}"})
    return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, mime_type=kind, text=words)])


async def subscribe(context: Any, params: types.SubscribeRequestParams) -> types.EmptyResult:
    WATCHED.add(params.uri)
    return types.EmptyResult()


async def unsubscribe(context: Any, params: types.UnsubscribeRequestParams) -> types.EmptyResult:
    WATCHED.discard(params.uri)
    return types.EmptyResult()


PROMPTS = {
    "test_simple_prompt": (),
    "test_prompt_with_arguments": ("arg1", "arg2"),
    "test_prompt_with_embedded_resource": ("resourceUri",),
    "test_prompt_with_image": (),
}


async def list_prompts(context: Any, params: Any) -> types.ListPromptsResult:
    listed = [
        types.Prompt(
            name=name, description=f"The suite's {name}",
            arguments=[types.PromptArgument(name=one, description=one, required=True) for one in arguments],
        )
        for name, arguments in PROMPTS.items()
    ]  # fmt: skip
    return types.ListPromptsResult(prompts=listed)


async def get_prompt(context: Any, params: types.GetPromptRequestParams) -> types.GetPromptResult:
    given = params.arguments or {}
    contents: list[Any] = {
        "test_simple_prompt": lambda: _said("This is a simple prompt for testing."),
        "test_prompt_with_arguments": lambda: _said(
            f"Prompt with arguments: arg1='{given['arg1']}', arg2='{given['arg2']}'"
        ),
        "test_prompt_with_embedded_resource": lambda: [
            _embedded(given["resourceUri"], "text/plain", "Embedded resource content for testing."),
            *_said("Please process the embedded resource above."),
        ],
        "test_prompt_with_image": lambda: [_image(), *_said("Please analyze the image above.")],
    }[params.name]()
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=one) for one in contents])


async def complete(context: Any, params: types.CompleteRequestParams) -> types.CompleteResult:
    return types.CompleteResult(completion=types.Completion(values=["paris", "park"], total=2, has_more=False))


async def set_level(context: Any, params: types.SetLevelRequestParams) -> types.EmptyResult:
    return types.EmptyResult()


class Events(EventStore):
    """Events kept for clients that come back to a stream that was closed under them."""

    def __init__(self) -> None:
        self._kept: list[tuple[str, types.JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: str, message: types.JSONRPCMessage | None) -> str:
        self._kept.append((stream_id, message))
        return str(len(self._kept))

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        last = int(last_event_id)
        stream = self._kept[last - 1][0]
        for number, (one, message) in enumerate(self._kept[last:], last + 1):
            if one == stream and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream


def build_server() -> Server[Any]:
    """Return the suite's server."""
    return Server(
        "conformance", version="1", on_list_tools=list_tools, on_call_tool=call_tool,
        on_list_resources=list_resources, on_list_resource_templates=list_templates, on_read_resource=read_resource,
        on_subscribe_resource=subscribe, on_unsubscribe_resource=unsubscribe, on_list_prompts=list_prompts,
        on_get_prompt=get_prompt, on_completion=complete, on_set_logging_level=set_level,
    )  # fmt: skip


def main() -> None:
    """Serve on a free port until standard input closes."""
    warnings.simplefilter("ignore")  # the suite tests what the newest protocol deprecates
    stop = Stop()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.ask()), daemon=True).start()
    serve_http(
        build_app(build_server(), events=Events()), "127.0.0.1", 0, stop=stop,
        on_ready=lambda host, port: os.write(1, f"http://{host}:{port}{PATH}\n".encode()),
    )  # fmt: skip


if __name__ == "__main__":
    main()
