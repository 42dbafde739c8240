"""ASGI 2: the application is called with its scope, and what it gives with receive and send."""

import asyncio
import functools


async def answer(app, receive, send):
    assert await receive() == {"type": "http.request", "body": b"", "more_body": False}
    content = app.scope["asgi"]["version"].encode()
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": content})


class Instance:
    def __init__(self, scope):
        self.scope = scope

    async def __call__(self, receive, send):
        await answer(self, receive, send)


def function(scope):
    return functools.partial(answer, Instance(scope))


def test_class_is_served(bench):
    exchange = bench.run(Instance, asgi2=True)
    assert (exchange.status, exchange.content, exchange.complete_response) == (200, b"2.0", True)


def test_function_is_served(bench):
    assert bench.run(function, asgi2=True).content == b"2.0"


def test_every_request_has_an_instance_of_its_own(bench, make_exchange, wait_for):
    scopes = []

    class App(Instance):
        def __init__(self, scope):
            super().__init__(scope)
            scopes.append(scope)

    async def main():
        handler = bench.handler(App, asgi2=True)
        await asyncio.gather(handler(make_exchange(), wait_for), handler(make_exchange(), wait_for))

    asyncio.run(main())
    assert len({id(scope) for scope in scopes}) == 2


def test_application_that_refuses_the_lifespan_scope_is_served_without(bench, make_exchange, wait_for):
    def app(scope):
        if scope["type"] != "http":
            raise ValueError(scope["type"])
        return Instance(scope)

    async def main():
        handler = bench.handler(app, asgi2=True)
        await handler.startup()
        exchange = make_exchange()
        await handler(exchange, wait_for)
        await handler.shutdown()
        return exchange

    assert asyncio.run(main()).content == b"2.0"


def test_lifespan_of_an_asgi2_application(bench):
    notes = []

    class App:
        def __init__(self, scope):
            notes.append(scope)

        async def __call__(self, receive, send):
            for what in ("startup", "shutdown"):
                notes.append((await receive())["type"])
                await send({"type": f"lifespan.{what}.complete"})

    async def main():
        handler = bench.handler(App, asgi2=True, lifespan="on")
        await handler.startup()
        await handler.shutdown()

    asyncio.run(main())
    assert notes == [
        {"type": "lifespan", "asgi": {"version": "2.0", "spec_version": "2.0"}, "state": {}},
        "lifespan.startup",
        "lifespan.shutdown",
    ]
