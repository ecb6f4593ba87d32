"""An application under the agent of New Relic, in developer mode: nothing is sent anywhere."""
import json
import os

import newrelic.agent

newrelic.agent.initialize(os.path.join(os.path.dirname(__file__), "newrelic.ini"))
newrelic.agent.register_application(timeout=10.0)


@newrelic.agent.wsgi_application()
def application(environ, start_response):
    transaction = newrelic.agent.current_transaction()
    body = json.dumps({"queue_start": transaction.queue_start if transaction else None,
                       "active": transaction is not None}).encode("ascii")
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
