"""What a request to the template of a path finds, its braces taken as they are."""

from tests.support.api.events import event, store
from tests.support.service import Service, message


async def store_named_by_the_templates(service: Service) -> None:
    await service.store(message(message_id="{message_id}"))
    await store(service, event("{event_id}", source="{source}"))
