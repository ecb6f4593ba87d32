#include "daemon/wsgi_heirs.h"

#include <pthread.h>
#include <unistd.h>

/* A handler of fork() has no argument. Changed in new processes only. */
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

int wsgi_heirs_get_nothing(int listener, int keeper)
{
    kept.listener = listener;
    kept.keeper = keeper;
    return pthread_atfork(NULL, NULL, close_in_child);
}
