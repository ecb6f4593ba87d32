/*
 * Runs a harness over a corpus without libFuzzer: every file as it is, then some changed copies of each. The changes
 * come from a generator with a fixed seed, so a failure repeats; the input that caused it is written to the folder the
 * program was started in.
 *
 *     replay [-m CHANGED_COPIES_PER_FILE] FILE_OR_FOLDER...
 */
#include "fuzz.h"

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INPUT_BYTES = 1 << 20 };

static struct {
    uint8_t bytes[INPUT_BYTES];
    size_t size;
} current;

static uint64_t state = 0x9e3779b97f4a7c15u;
static int runs;

/* xorshift64: good enough to choose what to change */
static uint32_t next_random(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % below;
}

static void write_failing_input(int signum)
{
    static const char name[] = "failing-input";
    FILE *file = fopen(name, "wb");

    if (file != NULL) {
        fwrite(current.bytes, 1, current.size, file);
        fclose(file);
        fprintf(stderr, "the input was written to %s\n", name);
    }
    signal(signum, SIG_DFL);
    raise(signum);
}

static void run_current(void)
{
    uint8_t *exact = (uint8_t *)fuzz_copy(current.bytes, current.size);

    runs++;
    LLVMFuzzerTestOneInput(exact, current.size);
    free(exact);
}

static void change_once(void)
{
    static const uint8_t telling[] = { 0,   1,    0x7f, 0x80, 0xff, '\n', '\r', ' ',
                                       '"', '\'', '\\', '=',  ':',  '/',  '0',  '9' };
    uint32_t at = current.size > 0 ? next_random((uint32_t)current.size) : 0;
    uint32_t length = 1 + next_random(8);

    switch (next_random(5)) {
    case 0: /* replace a byte by one that means something somewhere */
        if (current.size > 0) {
            current.bytes[at] = telling[next_random(sizeof(telling))];
        }
        break;
    case 1: /* flip a bit */
        if (current.size > 0) {
            current.bytes[at] ^= (uint8_t)(1u << next_random(8));
        }
        break;
    case 2: /* cut the end off */
        current.size = at;
        break;
    case 3: /* take bytes out */
        length = length > current.size - at ? (uint32_t)(current.size - at) : length;
        memmove(current.bytes + at, current.bytes + at + length, current.size - at - length);
        current.size -= length;
        break;
    default: /* repeat bytes */
        if (current.size + length <= INPUT_BYTES && at + length <= current.size) {
            memmove(current.bytes + at + length, current.bytes + at, current.size - at);
            current.size += length;
        }
        break;
    }
}

static void replay_file(const char *path, int copies)
{
    static uint8_t original[INPUT_BYTES];
    size_t size;
    FILE *file = fopen(path, "rb");

    if (file == NULL) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(2);
    }
    size = fread(original, 1, sizeof(original), file);
    fclose(file);
    for (int i = 0; i <= copies; i++) {
        memcpy(current.bytes, original, size);
        current.size = size;
        for (int changes = i > 0 ? 1 + (int)next_random(4) : 0; changes > 0; changes--) {
            change_once();
        }
        run_current();
    }
}

static void replay(const char *path, int copies)
{
    char inner[4096];
    struct dirent *entry;
    struct stat info;
    DIR *dir;

    if (stat(path, &info) == 0 && S_ISREG(info.st_mode)) {
        replay_file(path, copies);
        return;
    }
    dir = opendir(path);
    if (dir == NULL) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(2);
    }
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
            replay(inner, copies);
        }
    }
    closedir(dir);
}

int main(int argc, char **argv)
{
    int copies = 0, option;

    signal(SIGABRT, write_failing_input); /* from a property, or from a sanitizer told to abort */
    while ((option = getopt(argc, argv, "m:")) != -1) {
        if (option != 'm') {
            return 2;
        }
        copies = atoi(optarg);
    }
    for (int i = optind; i < argc; i++) {
        replay(argv[i], copies);
    }
    printf("%d inputs\n", runs);
    return runs > 0 ? 0 : 2;
}
