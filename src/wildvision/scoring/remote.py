"""Fetching photos and manifests by URL through fsspec, without letting a hostile URL or server hurt the run.

Every connection of ``http(s)`` is checked after name resolution and at every redirect, so that neither a redirect nor
a changing DNS answer reaches an address inside the network. Nothing here knows what a photo is.
"""

from __future__ import annotations

import asyncio
import io
import ipaddress
import math
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, NoReturn

from wildvision.contract import Status
from wildvision.errors import ArgumentError, MissingExtraError
from wildvision.scoring.items import Item, is_hidden

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_HTTP = ("http://", "https://")
_RETRIED_CODES = {408, 425, 429, 500, 502, 503, 504}
_CHUNK = 1 << 18
_STREAMED = {"block_size": 0, "size": 1}
"""How fsspec is told to stream over HTTP; any size spares the request that would ask for it."""
_LEAST = {"seconds": 0.001, "max_bytes": 1, "attempts": 1, "backoff": 0, "max_redirects": 0}
_IPV4_INSIDE = tuple(map(ipaddress.IPv6Network, ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96")))  # RFC 4291, 2765, 6052
_LOCAL_IPV6 = (ipaddress.IPv6Network("64:ff9b:1::/48"),)  # translation of a network's own, RFC 8215
_STORES = {"s3", "s3a", "gs", "gcs", "hf", "az", "abfs", "abfss", "oss", "memory"}
"""Schemes whose servers the operator chose by configuration, not the URL."""


@dataclass(frozen=True)
class RemotePolicy:
    """What may be fetched, how large, how long, how often.

    Attributes:
        allow_private: Whether URLs may lead to loopback, private and link-local addresses (cloud metadata services
            among them). Leave it off for URLs that others wrote.
        seconds: Time limit for one attempt, whatever the server sends meanwhile.
        max_bytes: Largest photo that is fetched.
        attempts: How often a fetch is tried where trying again can help.
        backoff: Seconds before the second attempt; doubles each time. A ``Retry-After`` of up to 30 s is obeyed.
        max_redirects: Redirects that are followed.
    """

    allow_private: bool = False
    seconds: float = 20.0
    max_bytes: int = 64 << 20
    attempts: int = 3
    backoff: float = 0.5
    max_redirects: int = 5

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            if not (math.isfinite(value := getattr(self, name)) and value >= least):
                raise ArgumentError(f"{name} must be a number of at least {least}; received {value!r}")

    @property
    def worst_seconds(self) -> float:
        """The longest that :func:`fetch` can take."""
        return self.attempts * self.seconds + sum(max(self._pause(n), 30.0) for n in range(self.attempts - 1))

    def _pause(self, attempt: int) -> float:
        return self.backoff * float(2**attempt)


PUBLIC_ONLY = RemotePolicy()
"""The policy for URLs that others wrote."""


class FetchError(Exception):
    """A URL gave no bytes; ``status`` is what its row says."""

    def __init__(self, status: Status, message: str, *, retry: bool = False, pause: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.retry = retry
        self.pause = pause


class RefusedAddressError(OSError):
    """The address lies inside the network and the policy does not allow that."""


def is_url(text: str) -> bool:
    """Whether the text has a scheme, such as ``s3://``."""
    return _URL.match(text) is not None


def fetch(url: str, policy: RemotePolicy) -> bytes:
    """The bytes behind a URL, tried again with back-off where that can help.

    Raises:
        FetchError: There are none; its ``status`` says which kind of failure.
        MissingExtraError: fsspec or the driver for the scheme is not installed.
    """
    for attempt in range(policy.attempts):
        try:
            return _fetch_once(url, policy)
        except FetchError as e:
            if not e.retry or attempt + 1 == policy.attempts:
                tries = f" after {attempt + 1} attempts" if attempt else ""
                raise FetchError(e.status, f"{e}{tries}") from e
            time.sleep(min(max(policy._pause(attempt), e.pause), 30.0))
    raise AssertionError("unreachable: attempts is at least 1")


def open_remote(url: str, policy: RemotePolicy, *, stream: bool = False) -> Any:
    """A binary file object over a URL, for manifests and archives.

    Args:
        url: Of the file.
        policy: What may be fetched from where. Its time limit is for each request, of a stream for each wait.
        stream: Whether it is read front to back, which every web server can do; else pieces of it are asked for. Reads
            of a stream raise OSError when the connection breaks.

    Raises:
        ArgumentError: It cannot be opened.
    """
    try:
        if stream and url.lower().startswith(_HTTP):
            return io.BufferedReader(_Stream(url, policy), _CHUNK)
        return _filesystem(url, policy).open(url, "rb")
    except (OSError, ValueError) as e:
        raise ArgumentError(f"cannot open {url!r}: {e}") from e


class _Stream(io.RawIOBase):
    """The answer to one request of a web server, for as long as it takes to read it."""

    def __init__(self, url: str, policy: RemotePolicy) -> None:
        import aiohttp

        waits = aiohttp.ClientTimeout(total=None, sock_connect=policy.seconds, sock_read=policy.seconds)
        self._url = url
        self._answer = _filesystem(url, policy).open(url, "rb", **_STREAMED, timeout=waits)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._answer.read(len(buffer))
        except Exception as e:  # every driver has its own
            raise OSError(f"{self._url!r} broke off while it was read: {type(e).__name__}: {e}") from e
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._answer.close()
        super().close()


@dataclass(frozen=True)
class RemoteFolder:
    """Every object below ``s3://``, ``gs://``, ``hf://`` or another fsspec URL, in sorted order, folder by folder."""

    url: str
    policy: RemotePolicy = PUBLIC_ONLY

    def describe(self) -> dict[str, Any]:
        """Kind and place."""
        return {"kind": "remote", "path": self.url}

    def count(self) -> int | None:
        """Unknown without listing everything."""
        return None

    def __iter__(self) -> Iterator[Item]:
        fs = _filesystem(self.url, self.policy)
        root = str(fs._strip_protocol(self.url)).rstrip("/")
        if not fs.isdir(root):
            yield Item("0", self.url, self.url)
            return
        for entry in _walk(fs, root):
            name = str(entry["name"])
            relative = name[len(root) :].lstrip("/")
            stamp = str(entry.get("ETag") or entry.get("etag") or entry.get("mtime") or "")
            url = str(fs.unstrip_protocol(name))
            yield Item(relative, url, url, stamp=f"{entry.get('size')}:{stamp}")


def _walk(fs: Any, root: str) -> Iterator[dict[str, Any]]:
    def listed(folder: str) -> Iterator[dict[str, Any]]:
        return iter(sorted(fs.ls(folder, detail=True), key=lambda e: str(e["name"])))

    open_folders = [(root, listed(root))]
    while open_folders:
        folder, entries = open_folders[-1]
        entry = next(entries, None)
        if entry is None:
            open_folders.pop()
            continue
        name = str(entry["name"]).rstrip("/")
        if name == folder or is_hidden(name.rpartition("/")[2]):
            continue
        if entry["type"] == "directory":
            open_folders.append((name, listed(name)))
        else:
            yield entry


def _fetch_once(url: str, policy: RemotePolicy) -> bytes:
    deadline = time.monotonic() + policy.seconds
    http = url.lower().startswith(_HTTP)
    data = bytearray()
    try:
        fs = _filesystem(url, policy)
        with fs.open(url, "rb", **(_STREAMED if http else {})) as stream:
            declared = None if http else getattr(stream, "size", None)
            while chunk := stream.read(_CHUNK):
                data += chunk
                if len(data) > policy.max_bytes:
                    raise FetchError(Status.TOO_LARGE, f"more than {policy.max_bytes} bytes")
                if time.monotonic() > deadline:
                    raise FetchError(Status.TIMEOUT, f"not fetched within {policy.seconds:g} s", retry=True)
    except (FetchError, MissingExtraError):
        raise
    except Exception as e:
        _explain(e, policy)
    if declared is not None and len(data) < int(declared):
        raise FetchError(Status.TRUNCATED, f"{len(data)} of {declared} bytes arrived", retry=True)
    return bytes(data)


def _explain(e: Exception, policy: RemotePolicy) -> NoReturn:
    """Raise the :class:`FetchError` that says what a driver's exception means for the photo."""
    for cause in _causes(e):
        if isinstance(cause, RefusedAddressError):
            raise FetchError(Status.UNREADABLE, str(cause)) from e
    code = getattr(e, "status", None)  # aiohttp
    if isinstance(code, int) and code >= 400:
        headers = getattr(e, "headers", None) or {}
        pause = str(headers.get("Retry-After", ""))
        raise FetchError(
            Status.NOT_FOUND if code in (404, 410) else Status.UNREADABLE,
            f"the server answered {code}",
            retry=code in _RETRIED_CODES,
            pause=float(pause) if pause.isdecimal() else 0.0,
        ) from e
    name = type(e).__name__
    if isinstance(e, FileNotFoundError):
        raise FetchError(Status.NOT_FOUND, "not found") from e
    if isinstance(e, PermissionError):
        raise FetchError(Status.UNREADABLE, f"access denied: {e}") from e
    if isinstance(e, TimeoutError | asyncio.TimeoutError) or "Timeout" in name:
        raise FetchError(Status.TIMEOUT, f"not fetched within {policy.seconds:g} s", retry=True) from e
    if name in ("ClientPayloadError", "IncompleteRead", "ContentLengthError"):
        raise FetchError(Status.TRUNCATED, "the server hung up before the end of the photo", retry=True) from e
    if name in ("InvalidURL", "InvalidUrlClientError", "NonHttpUrlClientError", "TooManyRedirects"):
        raise FetchError(Status.UNREADABLE, f"{name}: {e}") from e
    if isinstance(e, ValueError) and not isinstance(e, UnicodeError):
        raise FetchError(Status.UNSUPPORTED, f"cannot fetch this URL: {e}") from e
    raise FetchError(Status.UNREADABLE, f"{name}: {e}", retry=isinstance(e, OSError)) from e


def _causes(e: BaseException | None) -> Iterator[BaseException]:
    for _ in range(8):
        if e is None:
            return
        yield e
        yield from getattr(e, "exceptions", ())
        inner = getattr(e, "os_error", None)
        if inner is not None and inner is not e:
            yield inner
        e = e.__cause__ or e.__context__


def _filesystem(url: str, policy: RemotePolicy) -> Any:
    try:
        import fsspec
    except ImportError as e:
        raise MissingExtraError("fsspec", "remote") from e
    scheme = url.partition("://")[0].lower()
    if scheme in ("http", "https"):
        return _http_filesystem(scheme, policy)
    if scheme in ("file", "local") or "::" in url:
        raise FetchError(Status.UNSUPPORTED, "write local files as plain paths, and one URL without '::'")
    if scheme not in _STORES and not policy.allow_private:
        raise FetchError(
            Status.UNSUPPORTED,
            f"{scheme}:// may lead to private addresses unseen; allow it with RemotePolicy(allow_private=True) or "
            "--allow-private-addresses if you trust every URL of the source",
        )
    try:
        return fsspec.filesystem(scheme)
    except ImportError as e:
        raise MissingExtraError(str(e), "remote") from e


@cache
def _http_filesystem(scheme: str, policy: RemotePolicy) -> Any:
    """One filesystem, and so one pool of connections, for each policy."""
    try:
        import aiohttp
        import fsspec
    except ImportError as e:
        raise MissingExtraError("aiohttp", "remote") from e

    def guarded_socket(address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, where = address
        if not policy.allow_private:
            _refuse_private(str(where[0]))
        return socket.socket(family, kind, protocol)

    async def client(**_: Any) -> Any:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(socket_factory=guarded_socket, limit=8, use_dns_cache=False),
            timeout=aiohttp.ClientTimeout(total=policy.seconds),
            headers={"User-Agent": "wildvision"},
        )

    return fsspec.filesystem(scheme, get_client=client, max_redirects=policy.max_redirects, skip_instance_cache=True)


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    inner = None
    if isinstance(ip, ipaddress.IPv6Address):
        translated = any(ip in network for network in _IPV4_INSIDE)
        inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if translated else ip.ipv4_mapped or ip.sixtofour
        if ip.is_site_local or any(ip in network for network in _LOCAL_IPV6):
            return False
    return ip.is_global and not ip.is_multicast and (inner is None or inner.is_global)


def _refuse_private(address: str) -> None:
    if not _is_public(address):
        raise RefusedAddressError(
            f"{address} is not a public address and was not contacted; allow such addresses with "
            "RemotePolicy(allow_private=True) or --allow-private-addresses if you trust every URL of the source"
        )
