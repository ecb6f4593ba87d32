#include "httpd/wsgi_lostworker.h"

#include <apr_strings.h>
#include <apr_time.h>

#include "base/wsgi_clock.h"
#include "base/wsgi_exitstatus.h"

/* The connection breaks while the process is still dying; its keeper hears of the death a moment later. */
enum { WAIT = 1000000, PAUSE = 20000 /* microseconds */ };

/* Which of the requests that were lost together brought the process down, as far as that is known. */
static const char *describe_part(const wsgi_worker_snapshot_t *worker, apr_uint64_t token)
{
    if (worker->culprit == 0) {
        return "";
    }
    return worker->culprit == token ? " while it ran this request" : " because of another request in the same process";
}

const char *wsgi_lostworker_explain(const wsgi_endpoint_t *endpoint, apr_uint64_t token, apr_pool_t *pool)
{
    apr_time_t deadline = wsgi_clock_now() + WAIT;
    wsgi_worker_snapshot_t worker = { .pid = 0 };

    do {
        if (!wsgi_board_read_taker(endpoint->board, token, &worker)) {
            return worker.pid == 0 ? "the process that took it went away before it began with it"
                                   : apr_psprintf(pool, "process %ld has gone, and its place was taken meanwhile",
                                                  (long)worker.pid);
        }
        if (worker.state == WSGI_WORKER_GONE) {
            return apr_psprintf(pool, "process %ld %s%s", (long)worker.pid, wsgi_exit_describe(worker.status, pool),
                                describe_part(&worker, token));
        }
        apr_sleep(PAUSE);
    } while (wsgi_clock_now() < deadline);
    return apr_psprintf(pool, "process %ld closed the connection; no cause is recorded", (long)worker.pid);
}
