/* sources: base/wsgi_parse.c */
/* An option list as in the configuration: every option of the line, its value read as every type. */
#include "base/wsgi_parse.h"

#include "fuzz.h"

static void read_value(const char *value)
{
    apr_int64_t number = 7;
    apr_interval_time_t time = 7;
    double real = 7;
    int flag = 7, octal = 7;

    FUZZ_CHECK(wsgi_parse_flag(&flag, value) ? flag == 0 || flag == 1 : flag == 7);
    FUZZ_CHECK(wsgi_parse_integer(&number, value, -5, 5) ? number >= -5 && number <= 5 : number == 7);
    FUZZ_CHECK(wsgi_parse_octal(&octal, value, 0777) ? octal >= 0 && octal <= 0777 : octal == 7);
    FUZZ_CHECK(wsgi_parse_seconds(&time, value, 0, APR_INT64_MAX) ? time >= 0 && time % APR_USEC_PER_SEC == 0
                                                                  : time == 7);
    time = 7;
    FUZZ_CHECK(wsgi_parse_milliseconds(&time, value, 0, APR_INT64_MAX) ? time >= 0 && time % 1000 == 0 : time == 7);
    FUZZ_CHECK(wsgi_parse_real(&real, value, 0) ? real > 0 && real < 1e400L : real == 7);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool = fuzz_pool();
    char *text = fuzz_text(data, size);
    const char *line = text, *name, *value;
    int rv;

    for (const char *before = line; (rv = wsgi_parse_option(&name, &value, &line, pool)) == 1; before = line) {
        FUZZ_CHECK(line > before && line <= text + strlen(text));
        FUZZ_CHECK(*name != '\0' && strchr(name, '=') == NULL);
        FUZZ_CHECK(strlen(name) + 1 + strlen(value) <= (size_t)(line - before));
        read_value(value);
    }
    FUZZ_CHECK(rv == 0 ? *line == '\0' : name != NULL);
    read_value(text);
    apr_pool_destroy(pool);
    free(text);
    return 0;
}
