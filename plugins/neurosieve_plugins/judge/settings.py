"""What the detectors that ask a judge have in common: which model, where, with which labels, and how far it may go."""

import os
from dataclasses import dataclass
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from annotated_types import Ge, Gt, MinLen

from neurosieve import ConfigError, check_fields, nearest
from neurosieve_plugins.judge.taxonomy import Taxonomy, open_taxonomy

__all__ = ["OPENAI", "JudgeSettings"]

OPENAI = "https://api.openai.com/v1"
"""Where a judge is asked that has no `base_url`."""


@dataclass(frozen=True)
class JudgeSettings:
    """A language model as a judge, and what it is asked for."""

    cost_fields: ClassVar[tuple[str, ...]] = (
        "key_variable",
        "concurrency",
        "timeout_seconds",
        "retry_seconds",
        "budget_requests",
        "budget_tokens",
        "prices",
    )

    taxonomy: Annotated[str, MinLen(1)]
    """The labels and their definitions: `thought_anchors`, `reasoning_steps`, `backtracking`, `refusal`, or the path of
    a YAML file of that form."""
    model: Annotated[str, MinLen(1)]
    """The judge, by the name that its server has for it."""
    labels: tuple[str, ...] = ()
    """Which labels are the behaviour; all of the taxonomy, by default."""
    base_url: str | None = None
    """The address of an OpenAI-compatible server, such as `http://localhost:8000/v1`; null for OpenAI's own."""
    key_variable: str | None = None
    """The environment variable that holds the key. Null takes `OPENAI_API_KEY` at OpenAI's address, and no key at any
    other."""
    served_model: str | None = None
    """The name under which the server answers, where it is neither `model` nor a dated version of it. Any other name
    ends the run."""
    attempts: Annotated[int, Ge(1)] = 3
    """How often something is asked for that has no sound answer. After that it is unknown: counted, neither the
    behaviour nor a control."""
    answer_tokens: Annotated[int, Ge(1)] | None = None
    """The most tokens of an answer, thoughts of a reasoning model among them; null leaves it to the server."""
    concurrency: Annotated[int, Ge(1)] = 8
    """How many requests are under way at a time."""
    timeout_seconds: Annotated[float, Gt(0)] = 300.0
    """How long an answer is waited for."""
    retry_seconds: Annotated[float, Ge(0)] = 600.0
    """For how long a request is sent again that the server could not serve: it was busy, failed, or gave no answer."""
    budget_requests: Annotated[int, Ge(1)] | None = None
    """How many requests may be sent to the judge by this process. Then the run ends, and the same command goes on."""
    budget_tokens: Annotated[int, Ge(1)] | None = None
    """How many tokens, in and out, the judge may be sent and send by this process."""
    prices: tuple[Annotated[float, Ge(0)], ...] = ()
    """What a million tokens cost, `[in, out]`, to say what a run costs."""

    def check_settings(self, name: str) -> None:
        """Raise unless the fields, and those of the detector `name` that has them too, can be used.

        Raises:
            ConfigError: one cannot.
        """
        where = f"the detector `{name}`: "
        if isinstance(self.labels, str):
            raise ConfigError(f"`labels` of the detector `{name}` is a text: give a list, [{self.labels}]")
        check_fields(self, where)
        if len(self.prices) not in (0, 2):
            raise ConfigError(f"{where}prices is {list(self.prices)}: give two numbers, [in, out]")
        self._check_address(where)
        known = open_taxonomy(self.taxonomy).names
        for label in self.labels:
            if label not in known:
                raise ConfigError(
                    f"{where}the taxonomy `{self.taxonomy}` has no label `{label}`: {nearest(label, known)}"
                )

    def _check_address(self, where: str) -> None:
        try:
            parts = urlsplit(self.address)
            sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            sound = False
        if not sound:
            raise ConfigError(f"{where}base_url is `{self.base_url}`: give an address, as http://localhost:8000/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            # It is not shown: a run writes its config down, and a key would be in it.
            raise ConfigError(
                f"{where}base_url holds a user, a password, or what stands behind a `?` or `#`: leave it out, and name "
                "the environment variable with the key in `key_variable`"
            )

    @property
    def address(self) -> str:
        """The address of the server."""
        return OPENAI if self.base_url is None else self.base_url.strip().rstrip("/")

    @property
    def at_openai(self) -> bool:
        """Whether the server is OpenAI's own."""
        host = urlsplit(self.address).hostname or ""
        return host == "api.openai.com" or host.endswith(".api.openai.com")

    @property
    def key_name(self) -> str | None:
        """The environment variable with the key; None where no key is sent."""
        return self.key_variable or ("OPENAI_API_KEY" if self.at_openai else None)

    def key(self) -> str:
        """Return the key, or what is sent in place of one where there is none.

        Raises:
            ConfigError: a variable is to hold it, and does not.
        """
        if self.key_name is None:
            return "none"
        key = os.environ.get(self.key_name, "").strip()
        if not key:
            raise ConfigError(
                f"there is no key for {self.address}: the environment variable `{self.key_name}` is not set; put the "
                "key into it, or name another with `key_variable`, or give the `base_url` of a server that needs none"
            )
        if not (key.isascii() and key.isprintable()):
            raise ConfigError(f"the environment variable `{self.key_name}` holds signs that no key has: set it again")
        return key

    @property
    def labels_and_definitions(self) -> Taxonomy:
        """The taxonomy.

        Raises:
            ConfigError: there is none of that name, or its file is not sound.
        """
        return open_taxonomy(self.taxonomy)

    @property
    def behaviour_labels(self) -> frozenset[str]:
        """The labels that are the behaviour."""
        return frozenset(self.labels or self.labels_and_definitions.names)
