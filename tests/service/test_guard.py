"""Who may ask: by what name, from which page, with which token."""

import os
import stat

import pytest

from glance3d.service.serve import TOKEN_FILE, token_of
from tests.service.servers import Client, served


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with served(tmp_path_factory.mktemp("service")) as client:
        yield client


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    with served(tmp_path_factory.mktemp("service"), host="0.0.0.0") as client:
        yield client


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": ""},
        {"Host": "192.168.0.7"},
        {"Host": "[::bad"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
    ],
)
def test_other_names_and_pages_are_refused(client, headers):
    for method, path in (("GET", "/api/jobs"), ("POST", "/api/jobs"), ("GET", "/info")):
        answer = client.ask(method, path, **headers)
        assert (answer.status, list(answer.json)) == (403, ["error"])


def test_own_names_and_pages_are_let_through(client):
    port = client.port
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}", "LOCALHOST"):
        assert client.get("/api/jobs", Host=host, Origin=f"http://{host}").status == 200
    assert client.get("/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status == 200


def test_every_answer_says_what_the_page_may_do(client):
    for path in ("/", "/static/main.js", "/api/jobs", "/nothing"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    refused = client.get("/", Host="evil.example")
    assert "content-security-policy" in refused.headers


def test_elsewhere_only_with_the_token(guarded):
    token = guarded.address.rpartition("token=")[2]
    for path in ("/", "/api/jobs", "/info", "/static/main.js", "/openapi.json"):
        assert guarded.get(path).status == 401
        assert guarded.get(f"{path}?token={token[:-1]}").status == 401
    assert guarded.get("/health").json == {"status": "ok"}
    assert guarded.ask("POST", "/api/jobs").status == 401
    assert guarded.get(f"/api/jobs?token={token}").status == 200
    assert guarded.get("/api/jobs", Authorization=f"Bearer {token}").status == 200
    assert guarded.get("/api/jobs", Cookie="glance3d-1=x; broken").status == 401


def test_the_page_keeps_the_token_in_a_cookie(guarded):
    token = guarded.address.rpartition("token=")[2]
    answer = guarded.get(f"/?token={token}&x=1")
    assert (answer.status, answer.headers["location"]) == (303, "/?x=1")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert guarded.get("/", Cookie=cookie.partition(";")[0]).status == 200


def test_a_number_is_an_own_name_where_all_may_ask(guarded):
    token = guarded.address.rpartition("token=")[2]
    asking = Client(guarded.address, {"Authorization": f"Bearer {token}"})
    assert asking.get("/api/jobs", Host="192.168.0.7:8080").status == 200
    assert asking.get("/api/jobs", Host="evil.example").status == 403


def test_the_token_is_kept_for_its_owner_alone(tmp_path):
    token = token_of(tmp_path)
    assert len(token) >= 32
    assert token_of(tmp_path) == token
    if os.name != "nt":
        assert stat.S_IMODE((tmp_path / TOKEN_FILE).stat().st_mode) == 0o600
