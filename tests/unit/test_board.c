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

static void check_recalled(const wsgi_board_t *board, int generation, int count, const char *first)
{
    wsgi_board_script_t scripts[WSGI_BOARD_SCRIPTS];

    CHECK_INT(wsgi_board_keeper_recall(board, generation, scripts), count);
    if (first != NULL) {
        CHECK_STR(scripts[0].text, "group");
        CHECK_STR(wsgi_board_script_path(&scripts[0]), first);
    }
}

static void recalls_what_the_last_generation_ran(void)
{
    wsgi_board_t *board = make_board(1, 1);

    check_recalled(board, 5, 0, NULL);
    wsgi_board_keeper_remember(board, 1, "group", "/a");
    wsgi_board_keeper_remember(board, 1, "group", "/b");
    wsgi_board_keeper_remember(board, 1, "group", "/a");
    check_recalled(board, 1, 0, NULL); /* what a generation runs itself its keeper knows */
    check_recalled(board, 2, 2, NULL);
    check_recalled(board, 9, 2, NULL); /* generations between ran nothing */
    wsgi_board_keeper_remember(board, 3, "group", "/b");
    check_recalled(board, 4, 1, "/b");
    check_recalled(board, 3, 1, "/a");
    wsgi_board_parent_destroy(board);
}

static void replaces_scripts_of_earlier_generations_only(void)
{
    wsgi_board_t *board = make_board(1, 1);
    char path[16];

    for (int i = 0; i < WSGI_BOARD_SCRIPTS + 3; i++) {
        snprintf(path, sizeof(path), "/%d", i);
        wsgi_board_keeper_remember(board, 1, "group", path);
    }
    check_recalled(board, 2, WSGI_BOARD_SCRIPTS, NULL);
    wsgi_board_keeper_remember(board, 2, "group", "/new");
    check_recalled(board, 3, 1, "/new");
    wsgi_board_parent_destroy(board);
}

static void remembers_no_script_that_is_too_long(void)
{
    wsgi_board_t *board = make_board(1, 1);
    char path[WSGI_BOARD_TEXT];

    memset(path, '/', sizeof(path));
    path[WSGI_BOARD_TEXT - 7] = '\0'; /* with "group" and two NULs one byte more than what is looked at */
    wsgi_board_keeper_remember(board, 1, "group", path);
    check_recalled(board, 2, 0, NULL);
    path[WSGI_BOARD_TEXT - 8] = '\0';
    wsgi_board_keeper_remember(board, 1, "group", path);
    check_recalled(board, 2, 1, path);
    wsgi_board_parent_destroy(board);
}

static void tells_others_which_code_is_served(void)
{
    wsgi_board_t *board = make_board(1, 1);

    CHECK_INT(wsgi_board_read_published(board, 0), 0);
    CHECK_INT(wsgi_board_read_published(board, 300), 0);
    wsgi_board_slot_publish(board, 300);
    CHECK_INT(wsgi_board_read_published(board, 300), 1);
    CHECK_INT(wsgi_board_read_published(board, 300 + 256), 0);
    for (unsigned stamp = 300; stamp <= 300 + 3 * 256; stamp += 256) { /* in one bucket */
        wsgi_board_slot_publish(board, stamp);
        wsgi_board_slot_publish(board, 300); /* known, so it needs no room */
    }
    CHECK_INT(wsgi_board_read_published(board, 300), 1);
    CHECK_INT(wsgi_board_read_published(board, 300 + 3 * 256), 1);
    wsgi_board_slot_publish(board, 300 + 4 * 256);
    CHECK_INT(wsgi_board_read_published(board, 300), 0); /* the oldest */
    for (unsigned stamp = 300 + 256; stamp <= 300 + 4 * 256; stamp += 256) {
        CHECK_INT(wsgi_board_read_published(board, stamp), 1);
    }
    wsgi_board_parent_destroy(board);
}

static void knows_of_older_generations_that_live(void)
{
    wsgi_board_t *board = make_board(2, 1);
    int slot = wsgi_board_keeper_take(board, 3);

    CHECK_INT(wsgi_board_read_older(board, 3, 0), 0);
    CHECK_INT(wsgi_board_read_older(board, 4, 1), 1);
    wsgi_board_keeper_state(board, slot, WSGI_WORKER_READY);
    CHECK_INT(wsgi_board_read_older(board, 4, 1), 1);
    wsgi_board_keeper_state(board, slot, WSGI_WORKER_RETIRING);
    CHECK_INT(wsgi_board_read_older(board, 4, 1), 0);
    CHECK_INT(wsgi_board_read_older(board, 4, 0), 1);
    wsgi_board_keeper_ended(board, slot, 0);
    CHECK_INT(wsgi_board_read_older(board, 4, 0), 0);
    wsgi_board_parent_destroy(board);
}

static void tells_which_loads_are_of_an_older_version(void)
{
    wsgi_board_t *board;

    CHECK_INT(wsgi_board_parent_create(&board, 4, 2), APR_SUCCESS);
    wsgi_board_slot_publish_load(board, 7, 100, 1000);
    CHECK_INT((int)wsgi_board_read_superseded(board, 7), 0); /* the first version follows none */
    wsgi_board_slot_publish_load(board, 7, 100, 2000);       /* another worker with the same */
    CHECK_INT((int)wsgi_board_read_superseded(board, 7), 0);
    wsgi_board_slot_publish_load(board, 7, 101, 3000);
    CHECK_INT((int)wsgi_board_read_superseded(board, 7), 3000);
    wsgi_board_slot_publish_load(board, 7, 102, 2500);       /* never back */
    CHECK_INT((int)wsgi_board_read_superseded(board, 7), 3000);
    CHECK_INT((int)wsgi_board_read_superseded(board, 8), 0);
    CHECK_INT(wsgi_board_read_published(board, 101), 1);
    wsgi_board_parent_destroy(board);
}

int main(void)
{
    TAP_RUN(tells_which_loads_are_of_an_older_version);
    TAP_RUN(gives_each_worker_a_slot_of_its_own);
    TAP_RUN(uses_the_slot_again_that_was_left_first);
    TAP_RUN(remembers_who_took_a_request_after_its_death);
    TAP_RUN(forgets_a_request_that_ended);
    TAP_RUN(ignores_places_that_do_not_exist);
    TAP_RUN(generation_and_freshness_only_rise);
    TAP_RUN(is_seen_by_other_processes);
    TAP_RUN(sweeps_workers_that_ended_unseen);
    TAP_RUN(recalls_what_the_last_generation_ran);
    TAP_RUN(replaces_scripts_of_earlier_generations_only);
    TAP_RUN(remembers_no_script_that_is_too_long);
    TAP_RUN(tells_others_which_code_is_served);
    TAP_RUN(knows_of_older_generations_that_live);
    return tap_done();
}
