"""WSGITrustedProxyHeaders and WSGITrustedProxies."""
import pytest

ALL = "X-Forwarded-For X-Forwarded-Proto X-Forwarded-Host X-Forwarded-Port X-Forwarded-Server X-Script-Name"
CONFIG = """
WSGIScriptAlias / {root}/apps/environ.wsgi
<Location /all>
  WSGITrustedProxyHeaders """ + ALL + """
</Location>
<Location /listed>
  WSGITrustedProxyHeaders X-Forwarded-For X-Forwarded-Proto
  WSGITrustedProxies 127.0.0.0/8 10.0.0.0/8
</Location>
<Location /others>
  WSGITrustedProxyHeaders X-Forwarded-For X-Forwarded-Proto
  WSGITrustedProxies 10.0.0.0/8
</Location>
<Location /ssl>
  WSGITrustedProxyHeaders X-Forwarded-SSL X-Real-IP
</Location>
"""


@pytest.fixture(scope="module")
def server(make_server, mode):
    return make_server(mode=mode, config=CONFIG)


@pytest.mark.parametrize("path, headers, expected", [
    ("/", {"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https"},
     {"REMOTE_ADDR": "127.0.0.1", "wsgi.url_scheme": "http", "HTTP_X_FORWARDED_FOR": "1.2.3.4"}),
    ("/all", {"X-Forwarded-For": "1.2.3.4, 5.6.7.8"}, {"REMOTE_ADDR": "1.2.3.4", "HTTP_X_FORWARDED_FOR": "1.2.3.4, 5.6.7.8"}),
    ("/all", {"X-Forwarded-Proto": "https"}, {"wsgi.url_scheme": "https", "HTTPS": None}),
    ("/all", {"X-Forwarded-Proto": "HTTP"}, {"wsgi.url_scheme": "http"}),
    ("/all", {"X-Forwarded-Proto": "odd"}, {"wsgi.url_scheme": "http"}),
    ("/all", {"X-Forwarded-Host": "public.example.com:8443"}, {"HTTP_HOST": "public.example.com:8443"}),
    ("/all", {"X-Forwarded-Port": "8443"}, {"SERVER_PORT": "8443"}),
    ("/all", {"X-Forwarded-Server": "front"}, {"SERVER_NAME": "front"}),
    ("/all/x", {"X-Script-Name": "/mounted"},
     {"SCRIPT_NAME": "/mounted", "PATH_INFO": "/all/x", "mod_wsgi.mount_point": "/mounted", "mod_wsgi.script_name": ""}),
    ("/all", {"X-Real-IP": "9.9.9.9"}, {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_REAL_IP": None}), # same category, not configured
    ("/ssl", {"X-Forwarded-SSL": "on", "X-Real-IP": "9.9.9.9"}, {"wsgi.url_scheme": "https", "REMOTE_ADDR": "9.9.9.9"}),
    ("/ssl", {"X-Forwarded-SSL": "0"}, {"wsgi.url_scheme": "http"}),
    ("/listed", {"X-Forwarded-For": "1.1.1.1, 2.2.2.2, 10.0.0.1"}, {"REMOTE_ADDR": "2.2.2.2", "HTTP_X_FORWARDED_FOR": "2.2.2.2, 10.0.0.1"}),
    ("/listed", {"X-Forwarded-For": "10.0.0.2, 10.0.0.1"}, {"REMOTE_ADDR": "10.0.0.2"}),
    ("/listed", {"X-Forwarded-For": "1.1.1.1, 2.2.2.2"}, {"REMOTE_ADDR": "2.2.2.2", "HTTP_X_FORWARDED_FOR": "2.2.2.2"}),
    ("/listed", {"X-Forwarded-For": "1.1.1.1, nonsense, 10.0.0.1"}, {"REMOTE_ADDR": "nonsense"}),
    ("/listed", {"X-Forwarded-For": " , "}, {"REMOTE_ADDR": "127.0.0.1"}),
    ("/others", {"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https", "X-Client-IP": "7.7.7.7"},
     {"REMOTE_ADDR": "127.0.0.1", "wsgi.url_scheme": "http", "HTTP_X_FORWARDED_FOR": None, "HTTP_X_FORWARDED_PROTO": None,
      "HTTP_X_CLIENT_IP": None}),
])
def test_rewriting(client, path, headers, expected):
    environ = client.get(path, headers=headers).json()["environ"]
    assert {key: environ.get(key) for key in expected} == expected
