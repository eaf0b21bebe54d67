"""What the server refuses and says in its headers, over plain HTTP. Needs no browser."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin

from tests.e2e.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="session")

PINGS = 10_000
"""More than the door lets in a minute."""
FRAME = {"type": "message", "key": "k", "text": "/start"}


@pytest_asyncio.fixture(loop_scope="session")
async def http(served: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=served.address) as client:
        yield client


async def test_pages_are_not_framed_sniffed_or_fed_from_elsewhere(http: httpx.AsyncClient) -> None:
    headers = (await http.get("/")).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "server" not in headers
    cookie = headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:80", ""])
async def test_another_host_is_refused(http: httpx.AsyncClient, host: str) -> None:
    for path in ("/", "/chat/changes", "/static/chat.js", "/healthz"):
        answer = await http.get(path, headers={"Host": host})
        assert answer.status_code == 400
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "https://127.0.0.1", "http://127.0.0.1:1"])
async def test_another_origin_may_not_send(http: httpx.AsyncClient, origin: str | None) -> None:
    await http.get("/")
    headers = {} if origin is None else {"Origin": origin}
    assert (await http.post("/chat/send", json=FRAME, headers=headers)).status_code == 403


async def test_whoever_sends_much_sees_the_refusal_too(http: httpx.AsyncClient) -> None:
    await http.get("/")
    answer = await http.post("/chat/send", content="x" * 900_000, headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403


async def test_a_form_of_another_site_cannot_send(http: httpx.AsyncClient, served: Server) -> None:
    await http.get("/")
    headers = {"Origin": served.address, "Content-Type": "text/plain"}
    answer = await http.post("/chat/send", content=json.dumps(FRAME), headers=headers)
    assert answer.status_code == 415


@pytest.mark.parametrize("cookie", ["", "x", "eyJ2IjoxfQ.x"])
async def test_without_a_cookie_of_ours_there_is_no_chat(http: httpx.AsyncClient, served: Server, cookie: str) -> None:
    headers = {"Origin": served.address, "Cookie": f"visitor={cookie}"}
    assert (await http.get("/chat/changes", headers=headers)).status_code == 401
    assert (await http.post("/chat/send", json=FRAME, headers=headers)).status_code == 401
    assert (await http.get("/chat/file/1", headers=headers)).status_code == 404


@pytest.mark.parametrize(
    "frame", [None, [], "text", {"type": "message"}, {"type": "press", "key": "k"}, {"type": "x", "key": {"a": 1}}]
)
async def test_a_frame_that_is_none_is_told_so(http: httpx.AsyncClient, served: Server, frame: object) -> None:
    await http.get("/")
    headers = {"Origin": served.address, "Content-Type": "application/json"}
    answer = await http.post("/chat/send", content=json.dumps(frame), headers=headers)
    assert answer.status_code == 200
    assert answer.json()["code"] == "bad_frame"


async def test_a_body_that_is_too_long_is_refused_and_the_next_one_served(
    http: httpx.AsyncClient, served: Server
) -> None:
    await http.get("/")
    headers = {"Origin": served.address, "Content-Type": "application/json"}
    assert (await http.post("/chat/send", content="x" * 70_000, headers=headers)).status_code == 413
    assert (await http.post("/chat/send", json=FRAME, headers=headers)).json()["type"] == "accepted"


async def test_a_socket_of_another_origin_is_not_opened(served: Server) -> None:
    request = (
        f"GET /chat/socket HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nOrigin: http://evil.example\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(request.encode())
    status = await reader.readline()
    writer.close()
    await writer.wait_closed()
    assert b"403" in status


async def test_a_socket_that_pings_without_end_is_closed(http: httpx.AsyncClient, served: Server) -> None:
    await http.get("/")
    cookie = {"Cookie": f"visitor={http.cookies['visitor']}"}
    address = served.address.replace("http", "ws") + "/chat/socket"
    async with connect(address, origin=Origin(served.address), additional_headers=cookie) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            for _ in range(PINGS):
                await socket.send('{"type": "ping"}')
                await asyncio.wait_for(socket.recv(), 30)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/.env"])
async def test_only_what_is_meant_to_be_served_is(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path)).status_code == 404


async def test_without_sockets_a_traditional_reader_gets_that_menu(served: Server) -> None:
    async with httpx.AsyncClient(base_url=served.address, headers={"Accept-Language": "zh-HK"}) as http:
        await http.get("/")
        state = (await http.get("/chat/changes?since=0")).json()["state"]
    assert state["locale"] == "zh-Hant"
    assert "瀏覽主題" in [command["description"] for command in state["commands"]]
