"""The server behind ``celltune-nb demo`` and ``celltune-nb open``: Voilà on this machine only.

Three things differ from Voilà 0.5 as it comes:

* a closed page ends its kernel.  Voilà's page asks for that, but was never given the token that the
  request must carry, so that every visit left a kernel behind (voila-dashboards/voila#1458);
* a request must name this machine, so that no web site can reach the page through a host name of its own;
* fonts and scripts come from this machine: the page works without a network.

Settings of the user's own Jupyter configuration are not read.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from traitlets.config import Config
from voila.app import Voila
from voila.tornado.handler import TornadoVoilaHandler

from celltune_nb.errors import InputError

from .page import EXPORTS

__all__ = ["FIRST_PORT", "choose_port", "serve"]

HOST = "127.0.0.1"
FIRST_PORT = 8866
PORTS_TRIED = 50
FOLDER = Path(__file__).resolve().parent


def choose_port(wanted: int | None = None) -> int:
    """Return a free port of this machine.

    Parameters
    ----------
    wanted : int, optional
        The port to use; by default the first free one from 8866 on.

    Returns
    -------
    int

    Raises
    ------
    InputError
        When the wanted port is taken or not allowed, or no port is free.
    """
    if wanted is not None:
        if not 1 <= wanted <= 65535:
            raise InputError(f"{wanted} is no port: choose one from 1024 to 65535.")
        problem = _problem_with(wanted)
        if problem:
            raise InputError(
                f"Port {wanted} cannot be used ({problem}). Choose another, or leave out --port to take a free one."
            )
        return wanted
    for port in range(FIRST_PORT, FIRST_PORT + PORTS_TRIED):
        if not _problem_with(port):
            return port
    raise InputError(
        f"The ports {FIRST_PORT} to {FIRST_PORT + PORTS_TRIED - 1} are all in use. Name a free one with --port."
    )


def _problem_with(port: int) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # as tornado binds, so that a port that was just given back counts as free
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return error.strerror or str(error)
    return ""


def serve(
    notebook: Path,
    *,
    environment: Mapping[str, str] | None = None,
    port: int | None = None,
    token: bool = False,
    open_browser: bool = False,
    say: Callable[[str], None] = print,
) -> None:
    """Serve one notebook as a page until the process is interrupted.

    Every visit starts a kernel of its own with this Python, and closing the page ends it.

    Parameters
    ----------
    notebook : Path
        The notebook whose outputs are the page.
    environment : mapping, optional
        Variables for the kernels, beside those of this process.
    port : int, optional
        See `choose_port`.
    token : bool
        Ask visitors for a secret that only the printed address contains; for machines with several users.
    open_browser : bool
        Open the page in the person's browser when it is ready.
    say : callable
        Receives each line for the person.

    Raises
    ------
    InputError
        When the port cannot be used.
    """
    chosen = choose_port(port)
    # the page's look is found through Jupyter's search path, by the server and by its static files alike
    shared = [str(FOLDER / "share"), *filter(None, [os.environ.get("JUPYTER_PATH")])]
    os.environ["JUPYTER_PATH"] = os.pathsep.join(shared)
    # who starts this serves herself, and may write where she likes
    os.environ.setdefault(EXPORTS, "anywhere")
    os.environ.update(environment or {})
    secret = secrets.token_hex(24) if token else ""
    app = Server(
        config=_settings(), notebook_path=str(notebook.resolve()), port=chosen, ip=HOST, token=secret
    )

    def ready() -> None:
        address = f"http://{HOST}:{app.port}/" + (f"?token={secret}" if secret else "")
        say(f"Open {address}")
        say("Everything you do is saved as you do it. Ctrl-C here ends the program.")
        if open_browser and _has_screen():
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    # jupyter_server 2 asks tornado 6.5 for a longer wait than it grants, and tornado says so each time
    logging.getLogger("tornado.general").setLevel(logging.ERROR)
    app.when_ready, app.wanted = ready, port
    app.initialize([])
    # Voilà's renderer has no parent, so what went wrong in a cell would be told to nobody
    orphans = logging.getLogger("traitlets")
    orphans.setLevel(logging.ERROR)
    for handler in app.log.handlers:
        orphans.addHandler(handler)
    app.start()
    say("Ended. Everything is saved.")


def _has_screen() -> bool:
    # without one, Python would start a text browser in the person's terminal
    if sys.platform in {"win32", "darwin"}:
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _settings() -> Config:
    settings = Config()
    page = settings.VoilaConfiguration
    page.template = "celltune"
    page.theme = "light"
    page.strip_sources = True
    page.show_tracebacks = False
    page.file_allowlist = []
    page.file_denylist = [".*"]
    page.allow_template_override = "NO"
    page.kernel_spec_manager_class = ThisPython
    settings.VoilaExecutor.cell_error_instruction = "The terminal that runs celltune-nb says more."
    settings.VoilaExecutor.timeout = 600
    # a page that went away without a word (a crash, a laptop asleep) leaves its kernel; an hour later it ends
    kernels = settings.MappingKernelManager
    kernels.cull_idle_timeout = 3600
    kernels.cull_interval = 300
    kernels.cull_connected = False
    kernels.cull_busy = False
    settings.Application.log_level = "ERROR"
    return settings


class ThisPython(KernelSpecManager):
    """Knows one kernel, the Python that runs the server, whatever kernels the person has installed."""

    def find_kernel_specs(self) -> dict[str, str]:
        """Return the one name with the folder of its resources."""
        from ipykernel.kernelspec import RESOURCES

        return {"python3": RESOURCES}

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return how to start this Python."""
        from ipykernel.kernelspec import get_kernel_dict

        # the kernel would warn on the person's terminal that it talks plainly to this machine
        start = get_kernel_dict(extra_arguments=["--IPKernelApp.log_level=40"])
        return KernelSpec(resource_dir=self.find_kernel_specs()[kernel_name], **start)


class PageHandler(TornadoVoilaHandler):
    """Gives the page what Voilà 0.5 forgets: the token with which it may end its kernel."""

    async def get(self, path: str | None = None) -> None:
        """Answer with the page."""
        if path == "favicon.ico":
            self.set_status(204)
            return
        # any other name would be looked up among the installed themes
        if self.get_argument("theme", "light") not in {"light", "dark"}:
            self.request.arguments.pop("theme", None)
        # reading it sets the cookie that the page's closing request repeats
        _ = self.xsrf_token
        await super().get(path)


class Server(Voila):
    """Voilà for one notebook, bound to this machine."""

    port: int
    when_ready: Callable[[], None]
    wanted: int | None = None

    def load_config_file(self, *args: Any, **kwargs: Any) -> None:
        """Read nothing: what the page may do does not depend on files lying about."""

    def init_settings(self) -> dict[str, Any]:
        """Refuse requests that name another host."""
        return {**super().init_settings(), "allow_remote_access": False, "local_hostnames": ["localhost"]}

    def init_handlers(self) -> list[Any]:
        """Use our own handler for the page."""
        return [
            (route[0], PageHandler, *route[2:]) if route[1] is TornadoVoilaHandler else route
            for route in super().init_handlers()
        ]

    def listen(self) -> None:
        """Serve until interrupted, then end every kernel."""
        import tornado.ioloop

        while True:
            try:
                self.app.listen(self.port, self.ip)
                break
            except OSError:  # another program has taken it since it was chosen
                self.port = choose_port(self.wanted)
        self.ioloop = tornado.ioloop.IOLoop.current()
        self.ioloop.add_callback(self.when_ready)
        try:
            self.ioloop.start()
        except KeyboardInterrupt:
            pass
        finally:
            self.stop()
