"""One request to an OpenAI-compatible server: sent, sent again where that helps, and what is wrong said once."""

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_before_delay

from neurosieve import ConfigError, ModelError, NeurosieveError, nearest
from neurosieve_plugins.judge.account import Account, account_of
from neurosieve_plugins.judge.answers import REFUSED_BY_SERVER, Answer
from neurosieve_plugins.judge.failures import (
    EndedError,
    PassingError,
    first_line,
    retry_after,
    seconds_to_wait,
    words_of,
)
from neurosieve_plugins.judge.prompt import Request
from neurosieve_plugins.judge.request_form import (
    arguments_for,
    is_filtered,
    is_too_long,
    names_a_form,
    option_to_leave_out,
    options_in_use,
)
from neurosieve_plugins.judge.responses import UnreadableResponseError, answer_of, same_model
from neurosieve_plugins.judge.settings import JudgeSettings

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

__all__ = ["Endpoint", "check_can_ask"]

_NEVER_ANSWERED_SECONDS = 60.0
"""For how long at most a server is tried that has never answered: it is more likely set up wrongly than busy."""


class Endpoint:
    """A judge at its server. It is opened and used within one event loop."""

    def __init__(self, settings: JudgeSettings, answered: bool) -> None:
        """Open the client; nothing is sent. `answered` says whether the judge is known to have answered before.

        Raises:
            ConfigError: the extra `judge` is not installed, or there is no key.
        """
        openai = _openai()
        self._openai = openai
        self._settings = settings
        self._key = settings.key()
        self._account: Account = account_of(settings.address, settings.model)
        self._client: AsyncOpenAI = openai.AsyncOpenAI(
            api_key=self._key, base_url=settings.address, timeout=settings.timeout_seconds, max_retries=0
        )
        self._answered = answered
        self._ended = asyncio.Event()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def end(self) -> None:
        """Let what is under way come to its end, and send nothing more."""
        self._ended.set()

    async def ask(self, request: Request) -> Answer:
        """Return the server's answer to a request.

        Raises:
            NeurosieveError: there is none: the budget is used up, something has to be set right, or the server was
                tried for too long.
            EndedError: the run ends for another reason; it is not sent, or not again.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(PassingError),
            wait=seconds_to_wait,
            stop=lambda state: stop_before_delay(self._seconds_of_trying)(state),
            before_sleep=self._count_failure,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return await retrying(self._ask_once, request)
        except PassingError as error:
            raise ModelError(
                f"the judge `{self._settings.model}` at {self._settings.address} gave no answer in "
                f"{self._seconds_of_trying:g} s of trying: {error}"
                + ("" if self._answered else "; it has never answered: look whether it is set up for this model")
            ) from error

    @property
    def _seconds_of_trying(self) -> float:
        longest = self._settings.retry_seconds
        return longest if self._answered else min(longest, _NEVER_ANSWERED_SECONDS)

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)
        self._check_not_ended()

    def _check_not_ended(self) -> None:
        if self._ended.is_set():
            raise EndedError

    def _count_failure(self, state: RetryCallState) -> None:
        if state.outcome is not None:
            self._account.failures[str(state.outcome.exception())] += 1

    async def _ask_once(self, request: Request) -> Answer:
        """Send a request, again at once where the server does not take how it is put."""
        while True:
            self._check_not_ended()
            options = options_in_use(self._settings, self._account.refused_options)
            tokens = self._account.open(request, self._settings)
            answer = None
            try:
                answer = await self._send(request, options)
            except self._openai.APIStatusError as error:
                # Some servers say 500 of a form that they do not know.
                of_form = error.status_code in (400, 422) or names_a_form(words_of(error.body))
                if of_form and self._leaves_out_more(error, options):
                    continue
                return await self._refusal(error, request)
            finally:
                self._account.close(tokens, request, answer)
            self._account.accepted_options |= options
            self._answered = True
            return answer

    async def _send(self, request: Request, options: frozenset[str]) -> Answer:
        openai, settings = self._openai, self._settings
        try:
            async with asyncio.timeout(settings.timeout_seconds):
                response = await self._client.chat.completions.with_raw_response.create(
                    **arguments_for(request, settings, options)
                )
        except (openai.APITimeoutError, TimeoutError) as error:
            raise PassingError(
                f"no answer within {settings.timeout_seconds:g} seconds (`timeout_seconds`; a server that works on one "
                "request at a time wants a lower `concurrency`)"
            ) from error
        except openai.APIConnectionError as error:
            cause = str(error.__cause__ or error)
            if type(error.__cause__).__name__ == "ConnectError" and not self._account.accepted_options:
                raise ModelError(
                    f"nothing answers at {settings.address} ({self._without_key(cause)}): start the server, or correct "
                    "`base_url`"
                ) from error
            raise PassingError(f"the connection broke ({self._without_key(cause) or 'no reason given'})") from error
        try:
            answer = answer_of(response.text)
        except UnreadableResponseError as error:
            raise PassingError(self._without_key(str(error))) from error
        self._check_name(answer.model)
        return answer

    def _leaves_out_more(self, error: "APIStatusError", options: frozenset[str]) -> bool:
        """Return whether the request may be taken with less in it, which is noted then for all that follow."""
        if options & self._account.refused_options:  # Another request was refused for it meanwhile.
            return True
        refused = option_to_leave_out(words_of(error.body), sorted(options), self._account.accepted_options)
        if refused is not None:
            self._account.refused_options.add(refused)
        return refused is not None

    async def _refusal(self, error: "APIStatusError", request: Request) -> Answer:
        """Return a request's refusal as its answer, where the server says that it is for the request's text.

        Raises:
            NeurosieveError: it is not.
        """
        settings, status = self._settings, error.status_code
        words = self._without_key(words_of(error.body))
        said, line = " ".join(words.split())[:300], first_line(words)
        if status in (401, 403):
            # What the server says is not shown: some repeat the key.
            raise ConfigError(
                f"{settings.address} does not take the key (status {status}): "
                + (
                    f"look at the environment variable `{settings.key_name}`, and whether its key may use "
                    f"`{settings.model}`"
                    if settings.key_name
                    else "name the environment variable that holds it with `key_variable`"
                )
            ) from error
        if status == 404:
            self.end()  # Nobody else is to ask while the names of the models come.
            raise await self._not_there(said) from error
        if status == 429 and error.code == "insufficient_quota":
            raise ModelError(f"{settings.address} has no credit left for this key: {said}") from error
        if status in (408, 409, 425, 429) or status >= 500:
            wait = retry_after(error.response.headers.get("retry-after", ""))
            raise PassingError(f"status {status}: {line}" if line else f"status {status}", wait) from error
        # Any other refusal may be for the account or the server: kept, it would pass for this text's for ever.
        if status in (400, 413, 422) and (is_too_long(said) or is_filtered(error.body)):
            return Answer("", REFUSED_BY_SERVER, f"status {status}: {said}")
        reason = f"{said}; set right what it names" if said else "it gives no reason"
        text = first_line(request.first_text)[:80]
        of_text = f"; if that is the text, leave out the document: the request is of “{text}”" if self._answered else ""
        raise ModelError(f"{settings.address} refuses the request (status {status}): {reason}{of_text}") from error

    async def _not_there(self, said: str) -> NeurosieveError:
        """Return what is wrong where the server answers that something does not exist: the model, or the path."""
        settings = self._settings
        try:
            names = [model.id async for model in self._client.models.list()]
        except Exception:  # Whatever it is: the list is only to help.
            return ConfigError(
                f"{settings.address} has no chat completions, or no model `{settings.model}` (status 404: {said}): "
                "correct `base_url`, which most often ends in `/v1`, or `model`"
            )
        if settings.model in names:
            return ConfigError(f"{settings.address} has the model `{settings.model}`, and no chat completions for it")
        return ConfigError(f"{settings.address} has no model `{settings.model}`: {nearest(settings.model, names)}")

    def _check_name(self, name: str) -> None:
        settings = self._settings
        if name and name != settings.served_model and not same_model(settings.model, name):
            raise ConfigError(
                f"{settings.address} was asked for the model `{settings.model}`, and `{name}` answered: its labels are "
                f"not kept; give `model={name}`, or, if that is the model you mean, `served_model={name}`"
            )

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "…") if self._settings.key_name else text


def check_can_ask(settings: JudgeSettings) -> None:
    """Raise where a judge cannot be asked, before anything is sent.

    Raises:
        ConfigError: the extra `judge` is not installed, or there is no key.
    """
    _openai()
    settings.key()


def _openai() -> Any:
    try:
        import openai
    except ImportError as error:
        raise ConfigError(
            "a judge is asked by the package `openai`, which is not installed: `pip install 'neurosieve[judge]'`"
        ) from error
    for name in ("httpx", "httpx2"):  # A line for each request would drown what a run says.
        if (logger := logging.getLogger(name)).level == logging.NOTSET:
            logger.setLevel(logging.WARNING)
    return openai
