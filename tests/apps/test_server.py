"""The server as a visitor meets it, with requests instead of a browser."""

from __future__ import annotations

import re
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from celltune_nb.apps.server import choose_port
from celltune_nb.errors import InputError
from tests.waiting import LONG, until

pytestmark = pytest.mark.alone  # servers, and kernels behind them

TCP = Path("/proc/net/tcp")


def get(url: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(url, headers={name.title(): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=LONG) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_busy_port_is_named_and_the_default_goes_round_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"Port {port} cannot be used .*leave out --port"):
            choose_port(port)
    assert choose_port(port) == port
    with socket.socket() as taken:
        # as a server binds, whatever was there a moment ago
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        first = choose_port()
        taken.bind(("127.0.0.1", first))
        taken.listen()
        assert choose_port() > first


FASTER = """
import socket
from celltune_nb.apps import server
choose, others = server.choose_port, []

def chosen(wanted=None):
    port = choose(wanted)
    if not others:
        others.append(socket.create_server((server.HOST, port)))
    return port

server.choose_port = chosen
"""


def test_a_port_that_another_program_takes_meanwhile_is_left_to_it(serve_source) -> None:
    page = serve_source("print('inside')", first=FASTER)
    assert "inside" in get(page.address)[1]


@pytest.mark.parametrize("port", [0, -1, 70000])
def test_an_impossible_port_is_refused(port: int) -> None:
    with pytest.raises(InputError, match="no port"):
        choose_port(port)


def test_the_page_is_whole_local_and_closed(serve_source) -> None:
    page = serve_source("print('hello from the kernel', 6 * 7)\n# a secret remark")
    base = page.address
    if TCP.exists():  # only this machine is listened to; Linux lists it
        listening = [line.split()[1] for line in TCP.read_text().splitlines()[1:] if line.split()[3] == "0A"]
        ours = [address.split(":")[0] for address in listening if int(address.split(":")[1], 16) == page.port]
        assert ours == ["0100007F"]

    status, html = get(base)
    assert status == 200
    assert "hello from the kernel 42" in html
    assert "a secret remark" not in html
    assert "Opening the project" in html
    # an address in the page's own code is fine; something to be fetched from elsewhere is not
    assert re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=.?https?://", html) == []
    assert len(page.kernels()) == 1

    theme = get(base + "?theme=..%2F..%2Fetc")
    assert theme[0] == 200
    # a web site that points its own name at this machine
    assert get(base, host=f"attacker.example:{page.port}")[0] == 403
    assert get(base, host=f"localhost:{page.port}")[0] == 200
    for closed in ("voila/files/page.ipynb", "voila/files/picture.png", "api/contents/", "voila/tree"):
        assert get(base + closed)[0] in {403, 404}, closed

    kernels = page.kernels()
    code, out, err = page.end()
    assert code == 0
    assert out.splitlines()[-1] == "Ended. Everything is saved."
    assert "Blocking request with non-local 'Host' attacker.example" in err
    assert "Traceback" not in err
    until(lambda: not any(kernel.is_running() for kernel in kernels))


def test_an_unforeseen_failure_keeps_its_traceback_from_the_page(serve_source) -> None:
    page = serve_source("secret = 'not for the page'\nraise RuntimeError(secret)")
    _, html = get(page.address)
    assert "not for the page" not in html
    assert "The terminal that runs celltune-nb says more." in html
    _, _, err = page.end()
    assert "RuntimeError" in err
    assert ": not for the page" in err


def test_with_a_token_only_the_printed_address_opens_the_page(serve_source) -> None:
    page = serve_source("print('inside')", "token")
    assert "?token=" in page.address
    assert "inside" not in get(page.address.split("?")[0])[1]
    assert "inside" in get(page.address)[1]
