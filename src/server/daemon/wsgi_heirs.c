#include "daemon/wsgi_heirs.h"

#include <pthread.h>
#include <unistd.h>

/* A handler of fork() has no argument. Changed in new processes, and around a fork of ours. */
static struct {
    int listener, keeper;
} kept;

/* In the new process, which has one thread: nobody uses these numbers for something else meanwhile. */
static void close_in_child(void)
{
    (void)close(kept.listener);
    (void)close(kept.keeper);
    kept.listener = kept.keeper = -1; /* their own children may use the numbers */
}

void wsgi_heirs_lose(int listener, int keeper)
{
    kept.listener = listener;
    kept.keeper = keeper;
}

void wsgi_heirs_get_all(void)
{
    wsgi_heirs_lose(-1, -1);
}

int wsgi_heirs_get_nothing(int listener, int keeper)
{
    wsgi_heirs_lose(listener, keeper);
    return pthread_atfork(NULL, NULL, close_in_child);
}
