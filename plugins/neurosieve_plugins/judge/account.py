"""What a judge was sent and sent back by this process, and whether that is within the budget."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from threading import Lock

from neurosieve import ConfigError, plural
from neurosieve_plugins.judge.answers import Answer
from neurosieve_plugins.judge.prompt import Request
from neurosieve_plugins.judge.settings import JudgeSettings

__all__ = ["Account", "account_of", "cost", "expected_tokens"]


@dataclass
class Account:
    """What went to one judge and back. Several behaviours share a judge, and its account."""

    counts: Counter[str] = field(default_factory=Counter)
    """`requests`, `tokens_in`, `tokens_out`, and `uncounted`, the answers whose tokens the server does not count."""
    failures: Counter[str] = field(default_factory=Counter)
    """How often the server could not serve a request, by the reason."""
    refused_options: set[str] = field(default_factory=set)
    """What the server does not take in a request."""
    accepted_options: set[str] = field(default_factory=set)
    """What was in a request that the server answered."""
    under_way: int = 0
    """Tokens that the requests under way may come to."""
    asking: Lock = field(default_factory=Lock)
    """Held by who asks, so that nobody else asks the same meanwhile."""

    def open(self, request: Request, settings: JudgeSettings) -> int:
        """Note a request that is about to be sent, and return about how many tokens it comes to.

        Raises:
            ConfigError: it would go beyond the budget.
        """
        tokens = sum(expected_tokens(request))
        spent = self.counts["tokens_in"] + self.counts["tokens_out"] + self.under_way
        if settings.budget_requests is not None and self.counts["requests"] >= settings.budget_requests:
            raise ConfigError(f"the budget of {plural(settings.budget_requests, 'request')} is used up")
        if settings.budget_tokens is not None and spent + tokens > settings.budget_tokens:
            raise ConfigError(
                f"the budget of {plural(settings.budget_tokens, 'token')} is used up: about {spent:,} are spent, and "
                f"the next request would come to about {tokens:,}"
            )
        self.counts["requests"] += 1
        self.under_way += tokens
        return tokens

    def close(self, tokens: int, request: Request, answer: Answer | None) -> None:
        """Note what came of a request that was opened at so many tokens; None where nothing came."""
        self.under_way -= tokens
        if answer is None:
            return
        about_in, about_out = expected_tokens(request)
        self.counts["uncounted"] += answer.tokens_in is None or answer.tokens_out is None
        self.counts["tokens_in"] += about_in if answer.tokens_in is None else answer.tokens_in
        self.counts["tokens_out"] += about_out if answer.tokens_out is None else answer.tokens_out


@cache
def account_of(address: str, model: str) -> Account:
    """Return the account of a judge in this process."""
    return Account()


def expected_tokens(request: Request) -> tuple[int, int]:
    """Return about how many tokens a request and its answer have: one for four bytes, and 15 for each item."""
    return (len(request.system.encode()) + len(request.user.encode())) // 4, 10 + 15 * request.size


def cost(settings: JudgeSettings, tokens_in: int, tokens_out: int) -> str:
    """Return what tokens cost, as the end of a sentence; "" where no prices are given."""
    if not settings.prices:
        return ""
    price_in, price_out = settings.prices
    return f", {(tokens_in * price_in + tokens_out * price_out) / 1e6:,.2f} at the given prices"
