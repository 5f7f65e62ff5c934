"""Parsers of the agents' registries: files that strangers publish about agents."""

from __future__ import annotations

from tallystick.agents.credentials.operator import Operator
from tallystick.agents.identity.domains import build_proof, check_domain, read_proof
from tallystick.agents.identity.reference import AgentRef
from tallystick.agents.identity.registration import Registration
from tallystick.agents.reputation.feedback import Feedback
from tallystick.agents.validation.subject import Subject
from tests.agents.registries.test_feedback import FILE as FEEDBACK
from tests.agents.registries.test_identity_files import AGENT, FOREIGN
from tests.agents.registries.test_identity_files import FILE as REGISTRATION
from tests.agents.registries.test_validation_links import SUBJECT
from tests.fuzz.targets import Target, of_text

OPERATOR = Operator(AGENT, "Example GmbH", "DE", "HRB 1234", "legal@example.com")

TARGETS = [
    Target(
        "agents.registration",
        Registration.from_bytes,
        lambda: [REGISTRATION.to_bytes(), FOREIGN],
        Registration.to_bytes,
    ),
    Target("agents.domain_proof", read_proof, lambda: [build_proof([AGENT])], build_proof),
    Target("agents.domain", of_text(check_domain), lambda: [b"quotes.example.com"], str.encode, exact=True),
    Target("agents.reference", of_text(AgentRef.parse), lambda: [str(AGENT).encode()], lambda one: str(one).encode()),
    Target("agents.feedback", Feedback.from_bytes, lambda: [FEEDBACK.to_bytes()], Feedback.to_bytes),
    Target("agents.subject", Subject.from_bytes, lambda: [SUBJECT.to_bytes()], Subject.to_bytes, exact=True),
    Target("agents.operator", Operator.from_bytes, lambda: [OPERATOR.to_bytes()], Operator.to_bytes, exact=True),
]
