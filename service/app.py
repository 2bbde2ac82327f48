"""Builds the application from all the other parts."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.authorization import RequireToken
from service.api.caller import CallerReader
from service.api.dispatcher import Dispatcher
from service.api.docs import Description, Docs
from service.api.events.one_event import EventBody, OneEvent
from service.api.events.page import Events
from service.api.events.sources import Sources
from service.api.large_answers import LargeAnswers
from service.api.messages.export import Export
from service.api.messages.one_message import OneMessage
from service.api.messages.page import Messages
from service.api.messages.stats import StatsOfMessages
from service.api.middleware import RequestObserver
from service.api.paths import EVENT_BODY, ONE_EVENT, ONE_MESSAGE, SOURCE_WEBHOOK
from service.api.probes import NOT_CONFIGURED, Exposition, Live, Ready
from service.api.webhooks.bodies import BodyReader
from service.api.webhooks.source_webhook import SourceWebhook
from service.api.webhooks.tally import Tally
from service.api.webhooks.webhook import Webhook
from service.errors import StartError
from service.ingest import GroupCommit
from service.settings import Settings
from service.source_settings import MESSAGES_SOURCE
from service.sources.source import Source, load_sources
from service.store.factory import make_store
from service.store.failure import end_process
from service.telemetry.logs import Log
from service.telemetry.metrics import Metrics, ReadAtScrape

PATHS = (
    "/webhook",
    SOURCE_WEBHOOK,
    "/messages",
    "/messages/export",
    ONE_MESSAGE,
    "/stats",
    "/events",
    ONE_EVENT,
    EVENT_BODY,
    "/sources",
    "/health/live",
    "/health/ready",
    "/metrics",
    "/openapi.json",
    "/docs",
)
PROBES = ("/health/live", "/health/ready", "/metrics")


class Application:
    """The service as an ASGI application. Its lifespan opens, drains and closes the store."""

    def __init__(self, settings: Settings, log: Log) -> None:
        self._settings = settings
        self._log = log
        self._sources = load_sources(settings)
        self._schemes = {name: source.scheme.name for name, source in self._sources.items()}
        self._store = store = make_store(
            settings,
            when_disk_fails=partial(end_process, log=log),
            warn=lambda event, message: log.warning(event, message=message),
        )
        self.metrics = Metrics(PATHS, list(self._sources))
        self.metrics.registry.register(
            ReadAtScrape(lambda: log.lines_dropped, lambda: store.engine, store.database_bytes)
        )
        self.metrics.index_lag_messages.set_function(store.messages_behind)
        self.metrics.checkpoint_blocked_seconds.set_function(store.checkpoint_blocked_seconds)
        self._tallies = {name: Tally(name, self.metrics) for name in self.metrics.webhooks}
        self._ingest = GroupCommit(self._store, self.metrics, log, settings.queue_messages_max)
        self._callers = CallerReader(settings.trusted_proxies)
        self._ready = Ready(store, has_secret=bool(settings.secrets or self._sources))
        self._serve = RequestObserver(
            Dispatcher(self._routes()),
            log,
            self.metrics,
            self._callers,
            quiet_paths=() if settings.logs_probes else PROBES,
        )
        self._opening: asyncio.Task[None] | None = None
        self.start_error: StartError | None = None
        """Why the start failed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        await self._serve(scope, receive, send)

    def begin_stop(self) -> None:
        """Be not ready from now on. All else goes on until the lifespan ends."""
        self._ready.is_stopping = True

    def give_up_start(self) -> None:
        """Stop opening the store. The start then fails without a `start_error`."""
        if self._opening is not None:
            self._opening.cancel()

    def _routes(self) -> list[Route]:
        settings, store = self._settings, self._store
        bodies = BodyReader(settings.body_bytes_max)
        webhook = Webhook(settings.secrets, bodies, self._ingest, self._tallies[MESSAGES_SOURCE])
        answers = LargeAnswers()
        return [
            Route("/webhook", webhook, methods=["POST"]),
            *(self._source_route(source, bodies) for source in self._sources.values()),
            Route("/messages", self._protect(Messages(store)), methods=["GET"]),
            Route("/messages/export", self._protect(Export(store)), methods=["GET"]),
            Route(ONE_MESSAGE, self._protect(OneMessage(store)), methods=["GET"]),
            Route("/stats", self._protect(StatsOfMessages(store)), methods=["GET"]),
            Route("/events", self._protect(Events(store, answers)), methods=["GET"]),
            Route(ONE_EVENT, self._protect(OneEvent(store, answers)), methods=["GET"]),
            Route(EVENT_BODY, self._protect(EventBody(store, answers)), methods=["GET"]),
            Route(
                "/sources",
                self._protect(Sources(store, self._schemes, self._tallies)),
                methods=["GET"],
            ),
            Route("/health/live", Live(), methods=["GET"]),
            Route("/health/ready", self._ready, methods=["GET"]),
            Route("/metrics", self._protect(Exposition(self.metrics)), methods=["GET"]),
            Route("/openapi.json", Description(), methods=["GET"]),
            Route("/docs", Docs(), methods=["GET"]),
        ]

    def _source_route(self, source: Source, bodies: BodyReader) -> Route:
        endpoint = SourceWebhook(
            source, bodies, self._ingest, self._tallies[source.name], self._callers
        )
        return Route(SOURCE_WEBHOOK, endpoint, methods=endpoint.methods, name=source.name)

    def _protect(self, app: ASGIApp) -> ASGIApp:
        token = self._settings.read_token
        return app if token is None else RequireToken(app, token)

    async def _live(self, receive: Receive, send: Send) -> None:
        """The ASGI lifespan: start, wait for the end, stop."""
        await receive()
        if (trouble := await self._open_store()) is not None:
            await send({"type": "lifespan.startup.failed", "message": trouble})
            return
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._store.close)
            stack.push_async_callback(self._ingest.close)
            self._ingest.start()
            self._describe()
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _open_store(self) -> str | None:
        """Gives what prevented it."""
        self._opening = asyncio.create_task(self._store.open())
        try:
            await self._opening
        except StartError as error:
            self.start_error = error
            return str(error)
        except asyncio.CancelledError:
            await self._store.close()
            return "stopped by a signal"
        return None

    def _describe(self) -> None:
        """Log the sources, and what an operator should mend."""
        if self._sources:
            self._log.info("sources", schemes=self._schemes)
        for event, message in self._store.warnings():
            self._log.warning(event, message=message)
        if not self._settings.secrets and not self._sources:
            self._log.warning("no_secret", message=f"{NOT_CONFIGURED}: every webhook is refused")
        if self._settings.is_open_to_the_network and self._settings.read_token is None:
            self._log.warning(
                "open_to_everybody",
                message="READ_TOKEN is not set, and HOST is not a loopback address:"
                " anyone who reaches the port can read every message",
            )
