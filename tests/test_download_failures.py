"""Downloads that fail: one line each, the cache as it was, and the next try works."""

# A fixture is imported, and then named as an argument.
# ruff: noqa: F401, F811

import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from conftest import ROOT, wait
from messages import on_page
from test_archive_damage import unprivileged
from test_archives import CURRENT, PAIRS, tables, write_zip
from test_download import cached, refused, server

import helpers
from onet_gwa import download

BOTH = ["db_31_0_text.zip", "db_31_0_text.zip.sha256"]


def succeeds(server):
    server.answer = None
    assert list(helpers.load_tasks("onet").itertuples(index=False, name=None)) == PAIRS
    assert cached(server) == BOTH


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("how", ["length", "chunks", "neither"])
def test_cut(server, share, how):
    def answer(handler, content):
        part = content[: int(share * len(content))]
        if how == "chunks":
            handler.send(b"%x\r\n" % len(content) + part, Transfer_Encoding="chunked")
        else:
            handler.send(part, len(content) if how == "length" else None)

    server.answer = answer
    if how == "neither":
        # Nobody can tell that there should be more, but for what the archive says.
        refused(ValueError, server.url, "damaged or truncated")
    else:
        refused(ConnectionError, f"cannot download {server.url}", "; use data=")
    assert cached(server) == [] and server.asked == 3
    succeeds(server)


def drip(handler, piece, **headers):
    handler.send(b"", **headers)
    while not handler.server.closed.is_set():
        handler.wfile.write(piece)
        handler.server.closed.wait(0.1)


@pytest.mark.parametrize("how", ["length", "chunks", "neither"])
def test_slower_than_any_patience(server, monkeypatch, how):
    def answer(handler, content):
        headers = {"length": {"Content_Length": "100000"}, "chunks": {"Transfer_Encoding": "chunked"}}
        drip(handler, b"1\r\na\r\n" if how == "chunks" else b"a", **headers.get(how, {}))

    server.answer = answer
    start = time.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr(download, "MAX_SECONDS", 1)
        refused(ConnectionError, f"cannot download {server.url}", "it takes more than 1 seconds")
    assert time.monotonic() - start < 20
    assert cached(server) == [] and server.asked == 1
    succeeds(server)


def test_without_end(server, monkeypatch):
    def answer(handler, content):
        handler.send(b"PK")
        while not server.closed.is_set():
            handler.wfile.write(b"\0" * 2**16)

    monkeypatch.setattr(download, "MAX_BYTES", 2**20)
    server.answer = answer
    refused(ConnectionError, "it has more than 1 MB, which no release has")
    assert cached(server) == [] and server.asked == 1
    succeeds(server)


@pytest.mark.parametrize(
    "status, text", [(403, "Forbidden"), (500, "Internal Server Error"), (503, "Service Unavailable")]
)
def test_a_server_that_refuses(server, status, text):
    server.answer = lambda handler, content: handler.send_error(status)
    refused(
        ConnectionError, f"cannot download {server.url}", f"(the server answers {status} {text}); use data="
    )
    assert cached(server) == []
    succeeds(server)


def test_redirected(server):
    server.files = {"elsewhere": server.files["db_31_0_text.zip"]}

    def answer(handler, content):
        if content:
            handler.send(content, len(content))
        else:
            handler.send(b"", 0, 302, Location="/elsewhere")

    server.answer = answer
    assert list(helpers.load_tasks("onet").itertuples(index=False, name=None)) == PAIRS


@pytest.mark.parametrize("target", ["/round", "file:///etc/hostname", "ftp://127.0.0.1/x", "http://["])
def test_redirected_to_nothing(server, target):
    server.answer = lambda handler, content: handler.send(b"", 0, 302, Location=target)
    refused(ConnectionError, f"cannot download {server.url}")
    assert cached(server) == []
    succeeds(server)


def test_a_page_to_sign_in(server):
    server.answer = lambda handler, content: handler.send(
        b"\n<!DOCTYPE html><html>", Content_Type="text/html"
    )
    refused(ValueError, f"{server.url} is a web page", form=on_page("data: … is a web page"))
    assert cached(server) == []
    succeeds(server)


@pytest.mark.parametrize(
    "name, value, told",
    [
        ("http_proxy", "http://127.0.0.1:1", "ProxyError"),
        ("http_proxy", "not a proxy", "not a proxy"),
        ("ONET_URL", "https://127.0.0.1:{port}", "SSLError"),
        ("ONET_URL", "http://127.0.0.1:1", "Connection refused"),
        ("ONET_URL", "http://127.0.0.1:99999", "InvalidURL"),
        ("ONET_URL", "http://nobody.invalid", "nobody.invalid"),
        ("ONET_URL", "http://no..body", "label empty"),
    ],
)
def test_no_way_to_the_server(server, monkeypatch, name, value, told):
    with monkeypatch.context() as patch:
        patch.delenv("no_proxy", raising=False)
        patch.delenv("NO_PROXY", raising=False)
        patch.setenv(name, value.format(port=server.server_port))
        refused(ConnectionError, told, form=on_page("data: cannot download"))
    assert cached(server) == [] and server.asked == 0
    succeeds(server)


def test_no_certificates(server, monkeypatch):
    monkeypatch.setenv("ONET_URL", f"https://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    refused(ConnectionError, "cannot download", "/nowhere.pem")


@pytest.mark.parametrize(
    "address",
    [
        "ftp://127.0.0.1",
        "not a url",
        "http://",
        "127.0.0.1",
        "http://[::1",
        "http://a b",
        "http://a/?b",
        "http://a/db_31_0_text.zip",
    ],
)
def test_an_address_that_is_none(server, monkeypatch, address):
    monkeypatch.setenv("ONET_URL", address)
    refused(ValueError, repr(address), form=on_page("ONET_URL: "))
    assert cached(server) == []


def test_an_address_as_people_write_it(server, monkeypatch):
    server.files = {f"a%20path/to/{name}": content for name, content in server.files.items()}
    monkeypatch.setenv("ONET_URL", f"  HTTP://127.0.0.1:{server.server_port}/a%20path/to// ")
    succeeds(server)
    monkeypatch.setenv("ONET_URL", " ")
    assert download._mirror() == download.ONET_URL
