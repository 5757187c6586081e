"""The explorer behind a proxy: another name, and a path before all others."""

import http.client
import re

import pytest
from asking import Z, serving

from dgn_tf import explore
from dgn_tf.explorer.address import Address


@pytest.mark.parametrize(
    ("listening", "known", "strange"),
    [
        ("127.0.0.1", ["localhost:80", "127.0.0.1"], ["10.0.0.1", "pc", "", "localhost.x"]),
        ("0.0.0.0", ["localhost", "10.0.0.1:80", "[::1]:80"], ["pc", "evil.example"]),
    ],
)
def test_a_name_that_others_could_give_is_not_known(listening, known, strange):
    place = Address(listening)
    assert all(place.knows(host, listening) for host in known)
    assert not any(place.knows(host, listening) for host in strange)
    assert Address("MyMachine").knows("mymachine:80", listening)


@pytest.fixture(scope="module")
def proxied(served):
    """An explorer that a proxy has at https://Explore.example.org/heads/x."""
    place = Address(host_names=("Explore.example.org",), url_prefix="/heads/x")
    client = serving(served.config, served.model, place=place)
    yield client
    client.close()


@pytest.mark.parametrize("prefix", ["", "/heads/x"], ids=["taken away", "passed on"])
@pytest.mark.parametrize(
    "host", ["explore.example.org", "EXPLORE.example.org:443", "127.0.0.1:8000"]
)
def test_behind_a_proxy_the_page_works(proxied, prefix, host):
    headers = {"Host": host, "Origin": "https://explore.example.org"}
    status, _, page = proxied.ask(f"{prefix}/", headers=headers)
    assert status == 200
    names = re.findall(r'(?:src|href)="([^"]+)"', page.decode())
    names = [name for name in names if not name.startswith("data:")]
    assert len(names) == 8
    for name in names:
        assert (
            not name.startswith("/") and proxied.ask(f"{prefix}/{name}", headers=headers)[0] == 200
        )
    # Of what the page asks for, nothing begins at the root.
    _, _, script = proxied.ask(f"{prefix}/backend.js", headers=headers)
    assert re.findall(rb'["`]/', script) == []
    assert proxied.ask(f"{prefix}/api/paint", {"latents": Z}, headers)[0] == 200


def test_a_proxy_opens_the_page_to_no_other_name(proxied):
    for host, origin in (
        ("explore.example.org.evil.example", None),
        ("evil.example", None),
        ("explore.example.org", "https://evil.example"),
        ("127.0.0.1", "https://explore.example.org.evil.example"),
        ("127.0.0.1", "null"),
    ):
        headers = {"Host": host} | ({"Origin": origin} if origin else {})
        status, _, found = proxied.ask("/api/paint", {"latents": Z}, headers)
        assert status == 403, (host, origin)
    assert "--host_names" in proxied.ask("/", headers={"Host": "evil.example"})[2]["error"]


def test_the_prefix_without_a_slash_leads_to_the_page(proxied):
    connection = http.client.HTTPConnection("127.0.0.1", proxied.server.server_address[1])
    connection.request("GET", "/heads/x")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Location"]) == (308, "/heads/x/")
    connection.close()
    assert proxied.server.address.endswith("/heads/x/")
    assert proxied.ask("/heads/xy/")[0] == 404


@pytest.mark.parametrize(
    "flag",
    [
        "--host_names=https://explore.example.org",
        "--host_names=explore.example.org:80",
        "--host_names=a,*",
        "--url_prefix=heads",
        "--url_prefix=/a//b",
        "--url_prefix=/a?b",
        "--host=",
    ],
)
def test_names_and_paths_that_are_none_are_refused(run_app, flag):
    said = run_app(explore, "--run_dir=none", flag)
    assert said.status == 2 and flag.partition("=")[0] in said.err and "such as" in said.err


def test_a_model_of_unknown_latents_samples_the_prior_alone(proxied):
    headers = {"Host": "explore.example.org"}
    _, _, text = proxied.ask("/model.js", headers=headers)
    assert b'"samples": ["prior"]' in text
    asked = {"seed": 0, "count": 1, "source": "training"}
    status, _, found = proxied.ask("/api/sample", asked, headers)
    assert status == 400 and "nothing is known of the latents" in found["error"]
