"""The tool loop: a planner says which tool is called next, and everything it read, said and called is kept.

A planner decides nothing that matters: it may be a language model that every page it reads can talk into anything. What
a tool may do is decided where the tool is, and what the wallet may pay is decided on the chain.

chat      messages and tool calls, in the words of the chat completions interface
tools     what a planner may call, checked against its schema before it runs
planners  who says what is done next: a script, or rules; a model behind HTTP is a service
runs      the loop itself, within its bounds
"""

from __future__ import annotations

from tallystick.agents.loop.chat import Message, ToolCall
from tallystick.agents.loop.planners import Planner, RulePlanner, ScriptPlanner, read_plan
from tallystick.agents.loop.runs import Run, RunBounds, run
from tallystick.agents.loop.tools import Called, Effect, Moment, Tool, Toolbox

__all__ = [
    "Called",
    "Effect",
    "Message",
    "Moment",
    "Planner",
    "RulePlanner",
    "Run",
    "RunBounds",
    "ScriptPlanner",
    "Tool",
    "ToolCall",
    "Toolbox",
    "read_plan",
    "run",
]
