#include "daemon/wsgi_orders.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/wsgi_clock.h"
#include "base/wsgi_exitstatus.h"
#include "daemon/wsgi_memory.h"
#include "daemon/wsgi_renewal.h"
#include "daemon/wsgi_retire.h"
#include "wire/wsgi_socket.h"

static const char reason[] = "graceful_signal"; /* as shutdown_reason of the workers that are replaced by an order */

/* ---- answers ---- */

static void hang_up(wsgi_order_client_t *client)
{
    close(client->fd);
    client->fd = -1;
    client->used = 0;
}

/* One that does not read its answer does not keep the group waiting: it misses the last line then. */
static void answer(wsgi_order_client_t *client, const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        ssize_t n = send(client->fd, text, left, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            break;
        }
        if (n > 0) {
            text += n;
            left -= (size_t)n;
        }
    }
    hang_up(client);
}

/* The order is over, and whoever gave it hears so, if still there. */
static void conclude(wsgi_keeper_t *k, const char *text)
{
    wsgi_order_client_t *client = &k->orders.clients[k->orders.client];

    k->orders.order = WSGI_ORDER_NONE;
    if (client->fd >= 0) {
        answer(client, text);
    }
}

/* ---- status ---- */

/* A JSON string (RFC 8259 section 7). Bytes beyond ASCII go out as they are. */
static const char *quote(const char *text, apr_pool_t *pool)
{
    char *out = apr_palloc(pool, 6 * strlen(text) + 3), *to = out;

    *to++ = '"';
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            *to++ = '\\';
            *to++ = *text;
        } else if ((unsigned char)*text < 0x20) {
            to += apr_snprintf(to, 7, "\\u%04x", *text);
        } else {
            *to++ = *text;
        }
    }
    *to++ = '"';
    *to = '\0';
    return out;
}

static const char *describe_worker(const wsgi_keeper_t *k, const wsgi_proc_t *proc, apr_time_t now)
{
    static const char *const states[] = { [WSGI_PROC_STARTING] = "starting",
                                          [WSGI_PROC_READY] = "ready",
                                          [WSGI_PROC_RETIRING] = "retiring",
                                          [WSGI_PROC_TEMPLATE_STARTING] = "template starting",
                                          [WSGI_PROC_TEMPLATE] = "template" };
    int busy = wsgi_board_read_load(k->board, proc->slot, APR_INT64_MAX).busy;

    return apr_psprintf(k->scratch, "{\"pid\": %ld, \"state\": \"%s\", \"age\": %.3f, \"busy\": %d, \"rss\": %"
                                    APR_INT64_T_FMT ", \"leaves_because\": %s}",
                        (long)proc->pid, states[proc->state], (double)(now - proc->birth) / APR_USEC_PER_SEC, busy,
                        wsgi_memory_rss(proc->pid), proc->is_obsolete ? quote(proc->reason, k->scratch) : "null");
}

static const char *describe_group(const wsgi_keeper_t *k)
{
    const char *workers = "";

    for (int i = 0; i < k->table.capacity; i++) {
        if (k->table.procs[i].state != WSGI_PROC_FREE) {
            workers = apr_pstrcat(k->scratch, workers, *workers != '\0' ? ", " : "",
                                  describe_worker(k, &k->table.procs[i], wsgi_clock_now()), NULL);
        }
    }
    return apr_psprintf(k->scratch, "{\"group\": %s, \"keeper\": %ld, \"generation\": %d, \"processes\": %d, "
                                    "\"threads\": %d, \"workers\": [%s]}\nOK\n",
                        quote(k->group->name, k->scratch), (long)getpid(), k->start->endpoint->generation,
                        k->succession.wanted, k->group->threads, workers);
}

/* ---- reload and restart ---- */

/* A worker that is told to retire may accept another request until it has read that. */
static int may_accept(const wsgi_proc_t *proc)
{
    return proc->state == WSGI_PROC_READY
           || (proc->state == WSGI_PROC_RETIRING && proc->ready != 0 && proc->control.fd >= 0 && !proc->is_closed);
}

/* No worker answers any more with what was loaded before the order was given, and there are enough others. */
static int is_done(const wsgi_keeper_t *k)
{
    for (int i = 0; i < k->table.capacity; i++) {
        const wsgi_proc_t *proc = &k->table.procs[i];
        if (may_accept(proc) && proc->as_of < k->orders.begun) {
            return 0;
        }
    }
    return wsgi_proctable_count(&k->table, WSGI_PROC_READY) >= k->succession.wanted;
}

static void replace_one(const wsgi_keeper_t *k, wsgi_proc_t *proc)
{
    if (proc->state == WSGI_PROC_READY && k->group->threads == 0) {
        wsgi_retire_signal(proc, SIGTERM); /* a service knows only one way to end; it is started again */
    } else {
        wsgi_proc_make_obsolete(proc, reason);
    }
}

static void replace_all(wsgi_keeper_t *k)
{
    for (int i = 0; i < k->table.capacity; i++) {
        replace_one(k, &k->table.procs[i]);
    }
    wsgi_succession_need_code(&k->succession, k->orders.begun);
    k->succession.next_start = 0; /* whatever ended the workers before may have been mended */
}

static void begin(wsgi_keeper_t *k, int client, wsgi_order_t order)
{
    wsgi_log(k->log, WSGI_HERE, WSGI_LOG_INFO, 0, "Daemon process group '%s' is ordered to %s.", k->group->name,
             order == WSGI_ORDER_RELOAD ? "reload" : "restart");
    k->orders.order = order;
    k->orders.client = client;
    k->orders.begun = wsgi_clock_now();
    k->orders.trouble[0] = '\0';
    if (order == WSGI_ORDER_RELOAD && k->group->threads > 0) {
        wsgi_renewal_reload(k);
    } else {
        replace_all(k);
    }
}

void wsgi_orders_on_ready(wsgi_keeper_t *k, wsgi_proc_t *proc)
{
    if (k->orders.order != WSGI_ORDER_NONE && proc->as_of < k->orders.begun) {
        replace_one(k, proc);
    }
}

void wsgi_orders_note_trouble(wsgi_keeper_t *k, const char *text)
{
    apr_cpystrn(k->orders.trouble, text, sizeof(k->orders.trouble));
}

void wsgi_orders_on_failure(wsgi_keeper_t *k, int status)
{
    if (k->orders.order == WSGI_ORDER_NONE) {
        return;
    }
    for (int i = 0; i < k->table.capacity; i++) {
        wsgi_proc_t *proc = &k->table.procs[i];
        if (proc->is_obsolete && strcmp(proc->reason, reason) == 0) {
            proc->is_obsolete = 0;
        }
    }
    wsgi_succession_keep_code(&k->succession);
    conclude(k, apr_psprintf(k->scratch, "%sERROR A new process of daemon process group '%s' %s.\n", k->orders.trouble,
                             k->group->name,
                             k->orders.trouble[0] != '\0' ? "could not load its scripts; the old ones serve on"
                                                          : wsgi_exit_describe(status, k->scratch)));
}

void wsgi_orders_look(wsgi_keeper_t *k)
{
    if (k->orders.order == WSGI_ORDER_NONE) {
        return;
    }
    if (k->is_draining || k->is_terminating) {
        conclude(k, "ERROR Apache is stopping or has a new configuration.\n");
    } else if (is_done(k)) {
        conclude(k, "OK\n");
    }
}

/* ---- clients ---- */

static void obey(wsgi_keeper_t *k, int index)
{
    wsgi_order_client_t *client = &k->orders.clients[index];
    int is_reload = strcmp(client->line, "reload") == 0;

    if (strcmp(client->line, "status") == 0) {
        answer(client, describe_group(k));
    } else if (!is_reload && strcmp(client->line, "restart") != 0) {
        answer(client, "ERROR One of status, reload and restart is expected.\n");
    } else if (k->orders.order != WSGI_ORDER_NONE) {
        answer(client, "ERROR Another order is being carried out.\n");
    } else {
        begin(k, index, is_reload ? WSGI_ORDER_RELOAD : WSGI_ORDER_RESTART);
    }
}

static int is_waiting(const wsgi_keeper_t *k, int index)
{
    return k->orders.order != WSGI_ORDER_NONE && k->orders.client == index;
}

static void read_client(wsgi_keeper_t *k, int index)
{
    wsgi_order_client_t *client = &k->orders.clients[index];
    size_t room = sizeof(client->line) - 1 - (size_t)client->used;
    ssize_t n = recv(client->fd, client->line + client->used, room, MSG_DONTWAIT);
    char *end;

    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        return;
    }
    if (n <= 0 || is_waiting(k, index)) {
        hang_up(client); /* its order, if it gave one, is carried out all the same */
        return;
    }
    client->used += (int)n;
    client->line[client->used] = '\0';
    end = memchr(client->line, '\n', (size_t)client->used);
    if (end != NULL) {
        *end = '\0';
        obey(k, index);
    } else if (client->used == (int)sizeof(client->line) - 1) {
        hang_up(client);
    }
}

/* A place for another client; one that says nothing gives way. */
static wsgi_order_client_t *make_room(wsgi_keeper_t *k)
{
    for (int i = 0; i < WSGI_ORDER_CLIENTS; i++) {
        if (k->orders.clients[i].fd < 0 && !is_waiting(k, i)) {
            return &k->orders.clients[i];
        }
    }
    for (int i = 0; i < WSGI_ORDER_CLIENTS; i++) {
        if (!is_waiting(k, i)) {
            hang_up(&k->orders.clients[i]);
            return &k->orders.clients[i];
        }
    }
    return NULL; /* not reached: one at most waits */
}

static void take_client(wsgi_keeper_t *k)
{
    int fd = wsgi_socket_accept(k->start->orders);
    wsgi_order_client_t *client;
    uid_t uid;

    if (fd < 0) {
        return; /* the keeper of another generation, which shares the listener, was faster */
    }
    if (wsgi_socket_peer(fd, &uid) < 0 || (uid != 0 && uid != k->group->uid)) {
        close(fd);
        return;
    }
    client = make_room(k);
    if (client == NULL) {
        close(fd);
        return;
    }
    *client = (wsgi_order_client_t){ .fd = fd };
}

/* ---- the keeper's loop ---- */

void wsgi_orders_init(wsgi_keeper_t *k)
{
    for (int i = 0; i < WSGI_ORDER_CLIENTS; i++) {
        k->orders.clients[i].fd = -1;
    }
    if (k->start->orders >= 0) { /* the keeper of another generation may be faster to accept */
        (void)fcntl(k->start->orders, F_SETFL, O_NONBLOCK);
    }
}

void wsgi_orders_leave(wsgi_keeper_t *k)
{
    for (int i = 0; i < WSGI_ORDER_CLIENTS; i++) {
        if (k->orders.clients[i].fd >= 0) {
            close(k->orders.clients[i].fd);
        }
    }
    if (k->start->orders >= 0) {
        close(k->start->orders);
    }
}

void wsgi_orders_poll(const wsgi_keeper_t *k, struct pollfd *fds)
{
    int is_in_charge = !k->is_superseded && !k->is_draining && !k->is_terminating;

    fds[0] = (struct pollfd){ .fd = is_in_charge ? k->start->orders : -1, .events = POLLIN };
    for (int i = 0; i < WSGI_ORDER_CLIENTS; i++) {
        fds[1 + i] = (struct pollfd){ .fd = k->orders.clients[i].fd, .events = POLLIN };
    }
}

void wsgi_orders_serve(wsgi_keeper_t *k, const struct pollfd *fds)
{
    for (int i = 0; i < WSGI_ORDER_CLIENTS; i++) {
        if (fds[1 + i].revents && k->orders.clients[i].fd == fds[1 + i].fd) {
            read_client(k, i);
        }
    }
    if (fds[0].revents) {
        take_client(k);
    }
}
