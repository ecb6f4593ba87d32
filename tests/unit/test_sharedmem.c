/* sources: daemon/wsgi_sharedmem.c */
#include "daemon/wsgi_sharedmem.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "wsgi_tap.h"

enum { SIZE = 65536 };

static char *map(int protection, int flags)
{
    char *memory = mmap(NULL, SIZE, protection, flags | MAP_ANONYMOUS, -1, 0);

    CHECK(memory != MAP_FAILED);
    return memory;
}

static int is_mapped(char *memory)
{
    return msync(memory, SIZE, MS_ASYNC) == 0 || errno != ENOMEM;
}

static int includes(void *context, const void *start, const void *end)
{
    const char *wanted = context;

    return wanted >= (const char *)start && wanted < (const char *)end;
}

static void gives_up_what_is_shared_and_writable(void)
{
    char *wanted = map(PROT_READ | PROT_WRITE, MAP_SHARED), *hole = map(PROT_NONE, MAP_PRIVATE);
    char *shared = map(PROT_READ | PROT_WRITE, MAP_SHARED), *own = map(PROT_READ | PROT_WRITE, MAP_PRIVATE);
    char *readable = map(PROT_READ, MAP_SHARED);

    wanted[0] = own[0] = 'x';
    CHECK_INT(wsgi_sharedmem_leave(includes, wanted + 100), 0);
#ifdef __linux__
    CHECK(!is_mapped(shared));
#else
    CHECK(is_mapped(shared));
#endif
    CHECK(is_mapped(wanted) && wanted[0] == 'x');
    CHECK(is_mapped(own) && own[0] == 'x');
    CHECK(is_mapped(readable));
    CHECK(is_mapped(hole));
    munmap(wanted, SIZE);
    munmap(own, SIZE);
    munmap(readable, SIZE);
    munmap(hole, SIZE);
}

int main(void)
{
    TAP_RUN(gives_up_what_is_shared_and_writable);
    return tap_done();
}
