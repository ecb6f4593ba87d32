/* sources: stats/wsgi_board.c */
#include "stats/wsgi_board.h"

#include <sys/wait.h>
#include <unistd.h>

#include "wsgi_tap.h"

static wsgi_board_t *make_board(int slots, int threads)
{
    wsgi_board_t *board;

    CHECK_INT(wsgi_board_parent_create(&board, slots, threads), APR_SUCCESS);
    return board;
}

static void gives_each_worker_a_slot_of_its_own(void)
{
    wsgi_board_t *board = make_board(2, 1);

    CHECK_INT(wsgi_board_keeper_take(board, 1), 0);
    CHECK_INT(wsgi_board_keeper_take(board, 1), 1);
    CHECK_INT(wsgi_board_keeper_take(board, 1), -1);
    wsgi_board_parent_destroy(board);
}

static void uses_the_slot_again_that_was_left_first(void)
{
    wsgi_board_t *board = make_board(3, 1);

    for (int i = 0; i < 3; i++) {
        (void)wsgi_board_keeper_take(board, 1);
    }
    wsgi_board_keeper_ended(board, 2, 0);
    apr_sleep(1000);
    wsgi_board_keeper_ended(board, 0, 0);
    CHECK_INT(wsgi_board_keeper_take(board, 1), 2);
    CHECK_INT(wsgi_board_keeper_take(board, 1), 0);
    wsgi_board_parent_destroy(board);
}

static void remembers_who_took_a_request_after_its_death(void)
{
    wsgi_board_t *board = make_board(4, 3);
    int slot = wsgi_board_keeper_take(board, 7);
    wsgi_worker_snapshot_t worker;

    wsgi_board_keeper_started(board, slot, 4711);
    wsgi_board_slot_begin(board, slot, 2, 0xabcdef0123456789u);
    CHECK_INT(wsgi_board_read_taker(board, 0xabcdef0123456789u, &worker), 1);
    CHECK_INT(worker.state, WSGI_WORKER_STARTING);
    wsgi_board_keeper_ended(board, slot, 9);
    CHECK_INT(wsgi_board_read_taker(board, 0xabcdef0123456789u, &worker), 1);
    CHECK_INT(worker.state, WSGI_WORKER_GONE);
    CHECK_INT(worker.pid, 4711);
    CHECK_INT(worker.status, 9);
    CHECK_INT(worker.generation, 7);
    wsgi_board_parent_destroy(board);
}

static void forgets_a_request_that_ended(void)
{
    wsgi_board_t *board = make_board(1, 1);
    int slot = wsgi_board_keeper_take(board, 1);
    wsgi_worker_snapshot_t worker;

    wsgi_board_slot_begin(board, slot, 0, 5);
    wsgi_board_slot_end(board, slot, 0);
    CHECK_INT(wsgi_board_read_taker(board, 5, &worker), 0);
    wsgi_board_parent_destroy(board);
}

static void ignores_places_that_do_not_exist(void)
{
    wsgi_board_t *board = make_board(1, 1);
    wsgi_worker_snapshot_t worker;

    wsgi_board_slot_begin(board, 1, 0, 5);
    wsgi_board_slot_begin(board, -1, 0, 5);
    wsgi_board_slot_begin(board, 0, 1, 5);
    wsgi_board_slot_begin(board, 0, -1, 5);
    wsgi_board_keeper_ended(board, 99, 0);
    CHECK_INT(wsgi_board_read_taker(board, 5, &worker), 0);
    CHECK_INT(wsgi_board_read_worker(board, 1, &worker), 0);
    CHECK_INT(wsgi_board_read_worker(board, -1, &worker), 0);
    wsgi_board_parent_destroy(board);
}

static void generation_and_freshness_only_rise(void)
{
    wsgi_board_t *board = make_board(1, 1);

    wsgi_board_keeper_generation_ready(board, 3);
    wsgi_board_keeper_generation_ready(board, 2);
    CHECK_INT(wsgi_board_read_generation_ready(board), 3);
    wsgi_board_keeper_fresh(board, 100);
    wsgi_board_keeper_fresh(board, 50);
    CHECK_TIME(wsgi_board_read_fresh(board), 100);
    wsgi_board_parent_destroy(board);
}

static void is_seen_by_other_processes(void)
{
    wsgi_board_t *board = make_board(2, 1);
    int slot = wsgi_board_keeper_take(board, 1), status;
    wsgi_worker_snapshot_t worker;
    pid_t pid = fork();

    if (pid == 0) {
        wsgi_board_slot_begin(board, slot, 0, 77);
        _exit(0);
    }
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK_INT(wsgi_board_read_taker(board, 77, &worker), 1);
    wsgi_board_parent_destroy(board);
}

static void sweeps_workers_that_ended_unseen(void)
{
    wsgi_board_t *board = make_board(2, 1);
    int gone = wsgi_board_keeper_take(board, 1), alive = wsgi_board_keeper_take(board, 1), status;
    wsgi_worker_snapshot_t worker;
    pid_t pid = fork();

    if (pid == 0) {
        _exit(0);
    }
    CHECK_INT(waitpid(pid, &status, 0), pid);
    wsgi_board_keeper_started(board, gone, pid);
    wsgi_board_keeper_started(board, alive, getpid());
    wsgi_board_keeper_sweep(board);
    CHECK_INT(wsgi_board_read_worker(board, gone, &worker), 1);
    CHECK_INT(worker.state, WSGI_WORKER_GONE);
    CHECK_INT(wsgi_board_read_worker(board, alive, &worker), 1);
    CHECK_INT(worker.state, WSGI_WORKER_STARTING);
    wsgi_board_parent_destroy(board);
}

int main(void)
{
    TAP_RUN(gives_each_worker_a_slot_of_its_own);
    TAP_RUN(uses_the_slot_again_that_was_left_first);
    TAP_RUN(remembers_who_took_a_request_after_its_death);
    TAP_RUN(forgets_a_request_that_ended);
    TAP_RUN(ignores_places_that_do_not_exist);
    TAP_RUN(generation_and_freshness_only_rise);
    TAP_RUN(is_seen_by_other_processes);
    TAP_RUN(sweeps_workers_that_ended_unseen);
    return tap_done();
}
