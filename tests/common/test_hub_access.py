"""Without the Hub the reason is one line; whatever the environment says about proxies, it is no traceback."""

import socket

import pytest
from huggingface_hub import close_session, constants

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.hub_access import require_hub, why_unreachable


@pytest.fixture
def environment(monkeypatch):
    """Sets variables, with no session of before; the Hub is at a name that no proxy is left out for."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "https://hub.invalid")
    close_session()
    yield monkeypatch.setenv
    close_session()


@pytest.fixture
def closed_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]


@pytest.mark.parametrize("variable", ["ALL_PROXY", "HTTPS_PROXY", "all_proxy"])
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_a_socks_proxy_is_told_the_package_that_it_needs(environment, variable, scheme):
    environment(variable, f"{scheme}://127.0.0.1:1080")
    assert why_unreachable() == (
        f"a SOCKS proxy needs the package socksio: pip install 'httpx2[socks]'; {variable}={scheme}://127.0.0.1:1080"
    )


@pytest.mark.parametrize(
    "value",
    [
        "ftp://127.0.0.1:9",
        "socks4://127.0.0.1:9",
        "http://127.0.0.1:port",
        "http://[::1",
        "::::",
        "http://a b",
        "http://",
    ],
)
def test_a_proxy_that_is_none_is_a_reason_with_its_value(environment, value):
    environment("HTTPS_PROXY", value)
    assert f"HTTPS_PROXY={value}" in why_unreachable()
    with pytest.raises(InputError, match="a thing") as refused:
        require_hub("a thing")
    assert len(str(refused.value)) <= 500
    assert "\n" not in str(refused.value)


def test_a_proxy_that_does_not_answer_is_named_without_its_password(environment, closed_port):
    environment("HTTPS_PROXY", f"http://me:secret@127.0.0.1:{closed_port}")
    reason = why_unreachable()
    assert f"HTTPS_PROXY=http://***@127.0.0.1:{closed_port}" in reason
    assert "secret" not in reason


def test_a_file_of_certificates_that_is_missing_is_a_reason(environment):
    environment("SSL_CERT_FILE", "/nowhere/certificates.pem")
    assert why_unreachable()
