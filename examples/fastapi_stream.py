"""A FastAPI endpoint that streams a run: each event is a server-sent event; whoever leaves cancels the run.

    pip install fastapi uvicorn
    uvicorn --app-dir examples fastapi_stream:app
    curl -N 'http://127.0.0.1:8000/runs?task=How+many+vowels+are+in+toolwright+registry'

One Toolwright serves all requests. It has no login: put it behind yours before others can reach it.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

from toolwright import Toolwright


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with Toolwright() as tw:  # its end cancels what runs and leaves no process
        app.state.tw = tw
        yield


app = FastAPI(title="Toolwright", lifespan=lifespan)


@app.get("/runs")
async def run(task: str, request: Request) -> StreamingResponse:
    """The events of a run of *task*, the last one its `result`."""
    tw: Toolwright = request.app.state.tw

    heard = tw.stream(task)

    async def events() -> AsyncIterator[str]:
        async for event in heard:
            body = {"run_id": event.run_id, "at": event.at, **event.data}
            yield f"event: {event.kind}\ndata: {json.dumps(body, default=str)}\n\n"

    # Closed before its end, it cancels the run: also where whoever left is noticed while an event is being sent.
    return StreamingResponse(events(), media_type="text/event-stream", background=BackgroundTask(heard.aclose))


@app.get("/tools")
def tools(request: Request) -> list[dict[str, object]]:
    """What is on the shelf."""
    listed = request.app.state.tw.registry.list()
    return [{"name": one.name, "version": one.number, "description": one.description} for one in listed]
