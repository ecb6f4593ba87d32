#include "httpd/wsgi_lostworker.h"

#include <apr_strings.h>
#include <apr_time.h>

#include "base/wsgi_exitstatus.h"

/* The connection breaks while the process is still dying; its keeper hears of the death a moment later. */
enum { LOOKS = 50, PAUSE = 20000 /* microseconds */ };

const char *wsgi_lostworker_explain(const wsgi_endpoint_t *endpoint, apr_uint64_t token, apr_pool_t *pool)
{
    wsgi_worker_snapshot_t worker;

    for (int i = 0; i < LOOKS; i++) {
        if (!wsgi_board_read_taker(endpoint->board, token, &worker)) {
            return "the process that took it did not get as far as starting it";
        }
        if (worker.state == WSGI_WORKER_GONE) {
            return apr_psprintf(pool, "process %ld %s", (long)worker.pid, wsgi_exit_describe(worker.status, pool));
        }
        apr_sleep(PAUSE);
    }
    return apr_psprintf(pool, "process %ld closed the connection", (long)worker.pid);
}
