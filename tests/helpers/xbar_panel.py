"""The panel of an instrument on a real socket, and the requests of a browser."""

import asyncio
import base64
import http.client
import json
import re
import threading
from contextlib import contextmanager

import numpy as np


@contextmanager
def running(*servers):
    """Servers with `start` already bound to their arguments, in one loop of a thread."""
    loop, ready, failures = asyncio.new_event_loop(), threading.Event(), []
    loop.set_exception_handler(lambda _, context: failures.append(context))

    async def start():
        for server, *arguments in servers:
            await server.start(*arguments)

    async def stop():
        for server, *_ in servers:
            await server.stop()

    def turn():
        asyncio.set_event_loop(loop)
        loop.run_until_complete(start())
        ready.set()
        loop.run_forever()
        loop.run_until_complete(stop())
        loop.close()

    thread = threading.Thread(target=turn)
    thread.start()
    assert ready.wait(30)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        assert not thread.is_alive()
    assert not failures, failures


class Browser:
    """A page that was opened: it knows its token, and asks as a browser does."""

    def __init__(self, address, **headers):
        self.address, self.headers = address, headers
        self.connection = http.client.HTTPConnection(*address, timeout=20)
        status, self.text = self.ask("GET", "/")
        self.status = status
        match = re.search(r'name="panel-token" content="([^"]+)"', str(self.text))
        self.token = match and match[1]

    def ask(self, method, path, body=None, **headers):
        """(status, text or value) of a request."""
        self.connection.request(method, path, body, {**self.headers, **headers})
        answer = self.connection.getresponse()
        self.answer = dict(answer.getheaders())
        data = answer.read()
        is_json = self.answer["Content-Type"].startswith("application/json")
        return answer.status, json.loads(data) if is_json and data else data.decode()

    def get(self, path):
        """The value of a view."""
        status, value = self.ask("GET", path)
        assert status == 200, value
        return value

    def post(self, path, wish, **headers):
        """(status, value) of an action, with all that a page of the server sends."""
        given = {"Content-Type": "application/json", "X-Panel-Token": self.token}
        given["Origin"] = "http://{}:{}".format(*self.address)
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        given = {name: value for name, value in given.items() if value is not None}
        return self.ask("POST", path, json.dumps(wish), **given)

    def map(self, query=""):
        """Siemens of the map, (word lines, bit lines), and the rest of the answer."""
        value = self.get(f"/api/map?{query}")
        data = np.frombuffer(base64.b64decode(value.pop("siemens")), "<f4")
        return data.reshape(value["words"], value["bits"]), value

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
