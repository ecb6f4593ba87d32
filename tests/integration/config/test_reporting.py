"""Directives about metrics and telemetry: accepted, checked, and said once to be without effect."""
import pytest

PENDING = """
WSGITelemetryService unix:/run/collector.sock interval=0.5
WSGITelemetryService unix:/run/other.sock
WSGITelemetryOptions +captureuseragent -CaptureUserAgent
WSGITelemetryOptions none All
WSGISlowRequests 0.00
WSGISlowRequests 2.5
WSGIServerMetrics On
WSGIDaemonProcess one server-metrics=On
WSGIDaemonProcess two server-metrics=on
<Location /one>
  WSGIProcessGroup one
</Location>
<Location /two>
  WSGIProcessGroup two
</Location>
"""


def test_one_warning(fresh_server):
    server = fresh_server("hello.wsgi", before=PENDING)
    line = server.log.expect("WSGI0290", "WSGITelemetryService WSGITelemetryOptions WSGISlowRequests WSGIServerMetrics server-metrics=On\\.")
    assert line.count("WSGISlowRequests") == 1
    assert len(server.log.lines("WSGI0290")) == 1
    assert server.client().get("/").status == 200
    assert "WSGI0290" in server.check_config().stdout


@pytest.mark.parametrize("line", ["WSGIServerMetrics Off", "WSGIDaemonProcess one server-metrics=Off"])
def test_nothing_to_warn_of(make_server, line):
    done = make_server.site(config=line + "\n").check_config()
    assert done.returncode == 0
    assert "WSGI0290" not in done.stdout
