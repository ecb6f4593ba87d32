#ifndef MEMORY_H
#define MEMORY_H

#include "base/wsgi_exchange.h"

#include "report.h"

/** An exchange in memory: the body is given beforehand, the response is kept, and everything asked for can fail. */
typedef struct {
    /* what the request brings and how the host behaves; constant while a request runs */
    const char *body;
    size_t body_length;
    size_t read_limit;          /* most bytes handed out by one read, 0: as many as asked for */
    apr_status_t read_status;   /* after the body: an error instead of its end */
    int sends_before_abort;     /* -1: the client never leaves */
    int tells;                  /* log a record for each transfer */
    int discard;                /* do not keep the response, for long runs */
    wsgi_change_t change;
    int log_level;              /* records above it are not wanted */
} memory_plan_t;

typedef struct {
    wsgi_exchange_t exchange;
    const memory_plan_t *plan;
    size_t position;
    int reads, sends, files, proceeds, changes, finishes, lasts, flushes, gone, waits, waiting;
    int outcome; /* given to finish(), -1 */
    int status;
    report_t reason, headers, body, blocks; /* JSON being put together; body is raw */
} memory_t;

void memory_open(memory_t *memory, const memory_plan_t *plan);
void memory_report(const memory_t *memory, wsgi_outcome_t outcome);
void memory_close(memory_t *memory);

/** Report a log record; `scope` is "request" or "server". */
void memory_log(const char *scope, const wsgi_record_t *record);

#endif
