"""What access scripts may ask about a connection that uses TLS."""
import ssl
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from harness.server import free_port

CERTIFICATE = Path(__file__).resolve().parents[2] / "harness" / "localhost.pem"

CONFIG = """
Listen 127.0.0.1:{port} https
<VirtualHost *:{port}>
  SSLEngine on
  SSLCertificateFile {pem}
</VirtualHost>
WSGIScriptAlias /app {{root}}/apps/access.wsgi
<Location /app>
  WSGIAccessScript {{root}}/apps/access.wsgi
</Location>
"""


@pytest.fixture(scope="module")
def tls_port():
    return free_port()


@pytest.fixture(scope="module")
def server(make_server, tls_port):
    return make_server(config=CONFIG.format(port=tls_port, pem=CERTIFICATE), modules=("ssl", "socache_shmcb"), children=1)


def get(port, path):
    """Status over TLS."""
    context = ssl.create_default_context(cafile=str(CERTIFICATE))
    try:
        with urllib.request.urlopen("https://localhost:{}{}".format(port, path), context=context, timeout=20) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


def test_variables(server, tls_port):
    assert get(tls_port, "/app?ssl=SSL_SERVER_S_DN_CN") == 200
    server.log.wait_for(r'ssl 1 \["localhost", "localhost"\]')
    assert get(tls_port, "/app?ssl=NO_SUCH_VARIABLE") == 200
    server.log.wait_for(r"ssl 1 \[(null, null|\"\", \"\")\]")
    assert get(tls_port, "/app?no") == 403
    server.log.expect("WSGI0057")


def test_plain_connection(server, client):
    assert client.get("/app?ssl=SSL_PROTOCOL").status == 200
    server.log.wait_for(r"ssl 0 \[(null, null|\"\", \"\")\]")
