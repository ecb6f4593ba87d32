"""Logs of virtual hosts: lines go to the log of the host that they are about, and to no other."""
import pytest

HOSTS = ("first.example.com", "second.example.com", "third.example.com")


@pytest.fixture(scope="module", params=["embedded", "daemon"])
def server(request, make_server):
    """Hosts without any directive of the module, between which only their names tell."""
    config = "".join("<VirtualHost *>\nServerName {0}\nErrorLog logs/{0}.log\n</VirtualHost>\n".format(host) for host in HOSTS)
    return make_server("logging.wsgi", mode=request.param, config=config, children=1)


def log_of(server, host):
    return (server.root / "logs" / (host + ".log")).read_text()


@pytest.mark.parametrize("host", HOSTS)
def test_lines_of_a_request(server, client, host):
    tag = "tag-of-" + host
    assert client.get("/?" + tag, host=host).status == 200
    server.wait_until(lambda: "no newline " + tag in log_of(server, host), 10, "the last line")
    for other in HOSTS:
        assert other == host or tag not in log_of(server, other)
    assert "errors " + tag not in server.log.all()


def test_lines_of_a_process_of_the_main_server(server, client):
    """About a process as a whole: neither its start nor its standard error belongs to a host."""
    assert client.get("/descriptor?main", host=HOSTS[0]).status == 200
    for text in ("Initialising Python", "from a child main"):
        server.wait_until(lambda: text in server.log.all(), 10, text)
        assert not any(text in log_of(server, host) for host in HOSTS)
