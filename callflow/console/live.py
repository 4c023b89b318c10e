"""Live pages: one stream of server-sent events per page, which says what kind of thing changed and nothing else.

The page then asks for its parts again, through the gate like everybody. So the stream carries no data to protect.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from models.live import Live

HEARTBEAT = 15.0  # seconds: a comment that keeps proxies from closing the stream
LONGEST = 300.0  # seconds: then the browser comes again, through the gate


async def stream(live: Live, municipality_id: int) -> AsyncIterator[str]:
    """The lines of one page's stream: `changed`, with `topic:id` of what did (`models.live.Change`)."""
    loop = asyncio.get_running_loop()
    end = loop.time() + LONGEST
    yield "retry: 1000\n\n"
    with live.subscribe(municipality_id) as changes:
        while loop.time() < end:
            found = await changes.wait_async(HEARTBEAT)
            words = " ".join(f"{change.topic}:{change.id}" for change in found)
            yield f"event: changed\ndata: {words}\n\n" if words else ": still here\n\n"
