"""What the server refuses: requests of other pages, under other names, and errors as JSON."""

import ipaddress
import logging
import socket

from aiohttp import web

LOOPBACK = ("127.0.0.1", "localhost", "::1")
# The page needs nothing but what comes from its own address.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine reach a server bound to this host."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_request(request: web.Request, host: str) -> None:
    """Refuse what a page of someone else's could send.

    A name that someone else's DNS lets point here (rebinding) stands in `Host`; a page of
    someone else's stands in `Origin`, and makes `Sec-Fetch-Site` something else than same-origin.

    Args:
        request: any.
        host: what the server was bound to.

    Raises:
        HTTPForbidden: with the reason.
    """
    name = _hostname(request.headers.get("Host", ""))
    if not _may_be_called(name, host):
        raise web.HTTPForbidden(text=f"this server is not called {name!r}; use the address it told")
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"{request.scheme}://{request.headers['Host']}":
        raise web.HTTPForbidden(text="another page's request is not answered")
    site = request.headers.get("Sec-Fetch-Site", "none")
    opened = request.method == "GET" and request.path == "/"  # by a link, which shows no answer
    if site not in ("same-origin", "none") and not opened:
        raise web.HTTPForbidden(text="another page's request is not answered")


def _hostname(header: str) -> str:
    """`[::1]:80` and `localhost:80` without port and brackets, in lower case."""
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower()


def _may_be_called(name: str, host: str) -> bool:
    if name in LOOPBACK or name == host.lower():
        return True
    if is_loopback(host):
        return False
    try:
        ipaddress.ip_address(name)  # which no DNS has a say in
        return True
    except ValueError:
        return name == socket.gethostname().lower()


def middleware(host: str):
    """Checks every request, and makes `{"error": ...}` of what goes wrong.

    Args:
        host: what the server is bound to.
    """

    @web.middleware
    async def guarded(request: web.Request, handler) -> web.StreamResponse:
        try:
            check_request(request, host)
            answer = await handler(request)
        except web.HTTPException as error:
            answer = _error(error.text or error.reason, error.status)
        except ValueError as error:
            answer = _error(str(error), 422)
        except Exception:
            logging.getLogger(__name__).exception("%s %s", request.method, request.path)
            answer = _error("that was an error of ours; the server's terminal shows it", 500)
        answer.headers.update(HEADERS)
        return answer

    return guarded


def _error(message: str, status: int) -> web.Response:
    return web.json_response({"error": message}, status=status)
