#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static memory_t *of(wsgi_exchange_t *x)
{
    return (memory_t *)x;
}

static void keep(report_t *buffer, const char *data, size_t length)
{
    if (buffer->length + length + 1 > buffer->capacity) {
        buffer->capacity = (buffer->length + length + 1) * 2;
        buffer->text = realloc(buffer->text, buffer->capacity);
        if (buffer->text == NULL) {
            abort();
        }
    }
    memcpy(buffer->text + buffer->length, data, length);
    buffer->length += length;
    buffer->text[buffer->length] = '\0';
}

static apr_status_t read_body(wsgi_exchange_t *x, char *buffer, apr_size_t *length)
{
    memory_t *memory = of(x);
    size_t left = memory->plan->body_length - memory->position;
    size_t most = memory->plan->read_limit;

    memory->reads++;
    if (left == 0 && memory->plan->read_status != APR_SUCCESS) {
        return memory->plan->read_status;
    }
    if (*length > left) {
        *length = left;
    }
    if (most > 0 && *length > most) {
        *length = most;
    }
    memcpy(buffer, memory->plan->body + memory->position, *length);
    memory->position += *length;
    return APR_SUCCESS;
}

static void keep_head(memory_t *memory, const wsgi_head_t *head)
{
    memory->status = head->status;
    report_quote(&memory->reason, head->reason, strlen(head->reason));
    for (apr_uint32_t i = 0; i < head->header_count; i++) {
        report_append(&memory->headers, i > 0 ? ", [" : "[");
        report_quote(&memory->headers, head->headers[i].name, head->headers[i].name_len);
        report_append(&memory->headers, ", ");
        report_quote(&memory->headers, head->headers[i].value, head->headers[i].value_len);
        report_append(&memory->headers, "]");
    }
}

static int leaves(memory_t *memory)
{
    memory->gone |= memory->plan->sends_before_abort >= 0 && memory->sends > memory->plan->sends_before_abort;
    return memory->gone;
}

static void note_block(memory_t *memory, size_t length)
{
    char digits[32];

    snprintf(digits, sizeof(digits), "%s%zu", memory->blocks.length > 0 ? ", " : "", length);
    keep(&memory->blocks, digits, strlen(digits));
}

static void tell(const memory_t *memory, const char *what, size_t length)
{
    char text[40];
    wsgi_record_t record = { .level = WSGI_LOG_INFO, .file = __FILE__, .line = __LINE__, .text = text };

    if (memory->plan->tells) {
        snprintf(text, sizeof(text), "%s %zu", what, length);
        memory_log("request", &record);
    }
}

static apr_status_t send_blocks(wsgi_exchange_t *x, const wsgi_head_t *head, const struct iovec *blocks, int count,
                                unsigned flags)
{
    memory_t *memory = of(x);
    size_t total = 0;

    memory->sends++;
    memory->flushes += (flags & WSGI_SEND_FLUSH) != 0;
    memory->lasts += (flags & WSGI_SEND_LAST) != 0;
    if (leaves(memory)) {
        tell(memory, "lost", 0);
        return APR_ECONNABORTED;
    }
    if ((head == NULL) != (memory->sends + memory->files > 1)) {
        abort(); /* exactly the first transfer carries the head */
    }
    if (memory->plan->discard) {
        return APR_SUCCESS;
    }
    if (head != NULL) {
        keep_head(memory, head);
    }
    for (int i = 0; i < count; i++) {
        keep(&memory->body, blocks[i].iov_base, blocks[i].iov_len);
        total += blocks[i].iov_len;
    }
    note_block(memory, total);
    tell(memory, "sent", total);
    return APR_SUCCESS;
}

static apr_status_t send_file(wsgi_exchange_t *x, const wsgi_head_t *head, int fd, apr_off_t offset, apr_off_t length)
{
    memory_t *memory = of(x);
    char buffer[4096];

    memory->files++;
    if (leaves(memory)) {
        return APR_ECONNABORTED;
    }
    if (head != NULL) {
        keep_head(memory, head);
    }
    while (length > 0) {
        ssize_t got = pread(fd, buffer, length < (apr_off_t)sizeof(buffer) ? (size_t)length : sizeof(buffer), offset);
        if (got <= 0) {
            return APR_EGENERAL;
        }
        keep(&memory->body, buffer, (size_t)got);
        offset += got;
        length -= got;
    }
    return APR_SUCCESS;
}

static apr_status_t finish(wsgi_exchange_t *x, wsgi_outcome_t outcome)
{
    of(x)->finishes++;
    of(x)->outcome = outcome;
    return APR_SUCCESS;
}

static int aborted(wsgi_exchange_t *x)
{
    return of(x)->gone;
}

static wsgi_change_t script_changed(wsgi_exchange_t *x)
{
    of(x)->changes++;
    return of(x)->plan->change;
}

static void proceed(wsgi_exchange_t *x)
{
    of(x)->proceeds++;
}

static void waiting(wsgi_exchange_t *x, int is_waiting)
{
    of(x)->waiting += is_waiting ? 1 : -1;
    of(x)->waits += is_waiting;
}

void memory_log(const char *scope, const wsgi_record_t *record)
{
    report_t report;

    report_open(&report, "log");
    report_text(&report, "scope", scope, strlen(scope));
    report_number(&report, "level", record->level);
    report_number(&report, "plain", record->plain);
    report_number(&report, "status", record->status);
    report_number(&report, "line", record->line);
    report_text(&report, "file", record->file, strlen(record->file));
    report_text(&report, "text", record->text, strlen(record->text));
    report_close(&report);
}

static void log_record(wsgi_exchange_t *x, const wsgi_record_t *record)
{
    (void)x;
    memory_log("request", record);
}

static int log_enabled(wsgi_exchange_t *x, wsgi_log_level_t level)
{
    return (int)level <= of(x)->plan->log_level;
}

static const wsgi_exchange_ops_t memory_ops = {
    .read = read_body,
    .send = send_blocks,
    .send_file = send_file,
    .finish = finish,
    .aborted = aborted,
    .script_changed = script_changed,
    .proceed = proceed,
    .waiting = waiting,
    .log = log_record,
    .log_enabled = log_enabled,
};

void memory_open(memory_t *memory, const memory_plan_t *plan)
{
    memset(memory, 0, sizeof(*memory));
    memory->exchange.ops = &memory_ops;
    memory->plan = plan;
    memory->outcome = -1;
}

static void put_list(report_t *report, const char *key, const report_t *items)
{
    report_t list = { 0 };

    report_append(&list, "[");
    report_append(&list, items->length > 0 ? items->text : "");
    report_append(&list, "]");
    report_raw(report, key, list.text);
    free(list.text);
}

void memory_report(const memory_t *memory, wsgi_outcome_t outcome)
{
    report_t report;

    report_open(&report, "response");
    report_number(&report, "outcome", outcome);
    report_number(&report, "finished_with", memory->outcome);
    report_number(&report, "finishes", memory->finishes);
    report_number(&report, "lasts", memory->lasts);
    report_number(&report, "sends", memory->sends);
    report_number(&report, "files", memory->files);
    report_number(&report, "reads", memory->reads);
    report_number(&report, "proceeds", memory->proceeds);
    report_number(&report, "waits", memory->waits);
    report_number(&report, "waiting", memory->waiting);
    report_number(&report, "changes", memory->changes);
    report_number(&report, "status", memory->status);
    report_raw(&report, "reason", memory->reason.length > 0 ? memory->reason.text : "null");
    put_list(&report, "headers", &memory->headers);
    put_list(&report, "blocks", &memory->blocks);
    report_text(&report, "body", memory->body.length > 0 ? memory->body.text : "", memory->body.length);
    report_close(&report);
}

void memory_close(memory_t *memory)
{
    free(memory->reason.text);
    free(memory->headers.text);
    free(memory->body.text);
    free(memory->blocks.text);
}
