#include "httpd/wsgi_kept.h"

#include <stdatomic.h>
#include <unistd.h>

enum {
    MOST_OF_GROUP = 32,    /* places of a group */
    MOST_PER_THREAD = 4    /* of all groups: descriptors that the child keeps open while nobody uses them */
};

struct wsgi_kept_t {
    int groups, places;    /* constant */
    int most;              /* constant: connections of all groups */
    atomic_int count;      /* of them now, or on their way in */
    atomic_uint hand;      /* the group that gives one up next, modulo their number */
    atomic_int fds[];      /* groups x places: descriptor + 1, 0 none */
};

wsgi_kept_t *wsgi_kept_create(int groups, int threads, apr_pool_t *pchild)
{
    int places = threads < MOST_OF_GROUP ? threads : MOST_OF_GROUP;
    apr_size_t count = (apr_size_t)groups * (apr_size_t)places;
    wsgi_kept_t *kept = apr_pcalloc(pchild, sizeof(*kept) + count * sizeof(kept->fds[0]));

    kept->groups = groups;
    kept->places = places;
    kept->most = threads * MOST_PER_THREAD;
    return kept;
}

static atomic_int *places_of(wsgi_kept_t *kept, int group)
{
    return &kept->fds[group * kept->places];
}

/* From the first place on, so that few connections are used much, and the others can be given up. */
int wsgi_kept_take(wsgi_kept_t *kept, int group)
{
    atomic_int *places = places_of(kept, group);

    for (int i = 0; i < kept->places; i++) {
        int taken = atomic_load_explicit(&places[i], memory_order_relaxed) != 0 ? atomic_exchange(&places[i], 0) : 0;
        if (taken != 0) {
            atomic_fetch_sub(&kept->count, 1);
            return taken - 1;
        }
    }
    return -1;
}

/* Close the connection that is used least of the group whose turn it is. */
static void give_one_up(wsgi_kept_t *kept)
{
    for (int n = 0; n < kept->groups; n++) {
        atomic_int *places = places_of(kept, (int)(atomic_fetch_add(&kept->hand, 1) % (unsigned)kept->groups));
        for (int i = kept->places - 1; i >= 0; i--) {
            int taken = atomic_exchange(&places[i], 0);
            if (taken != 0) {
                atomic_fetch_sub(&kept->count, 1);
                close(taken - 1);
                return;
            }
        }
    }
}

void wsgi_kept_put(wsgi_kept_t *kept, int group, int fd)
{
    atomic_int *places = places_of(kept, group);

    if (atomic_fetch_add(&kept->count, 1) >= kept->most) {
        give_one_up(kept);
    }
    for (int i = 0; i < kept->places; i++) {
        int none = 0;
        if (atomic_load_explicit(&places[i], memory_order_relaxed) == 0
            && atomic_compare_exchange_strong(&places[i], &none, fd + 1)) {
            return;
        }
    }
    atomic_fetch_sub(&kept->count, 1);
    close(fd);
}
