/* sources: base/wsgi_fields.c */
#include "base/wsgi_fields.h"

#include "wsgi_tap.h"

#include <apr_strings.h>

static wsgi_fields_t fields;

static void start(apr_uint32_t capacity)
{
    wsgi_fields_init(&fields, capacity, tap.pool);
}

/* "name=value;..." in order, a field without a value as "name;" */
static const char *all(void)
{
    const char *text = "";

    for (apr_uint32_t i = 0; i < fields.count; i++) {
        const wsgi_field_t *field = &fields.items[i];
        text = apr_pstrcat(tap.pool, text, field->name, field->value ? "=" : "", field->value ? field->value : "", ";",
                           NULL);
    }
    return text;
}

static void list_starts_empty(void)
{
    start(0);
    CHECK_INT(fields.count, 0);
    CHECK_STR(wsgi_fields_get(&fields, "a"), NULL);
    CHECK(wsgi_fields_find_header(fields.items, fields.count, "a") == NULL);
    wsgi_fields_unset(&fields, "a");
    CHECK_INT(fields.count, 0);
}

static void added_fields_keep_order_and_duplicates(void)
{
    start(2);
    wsgi_fields_add(&fields, "b", "1");
    wsgi_fields_add(&fields, "a", "2");
    wsgi_fields_add(&fields, "b", "3");
    wsgi_fields_add(&fields, "c", NULL);
    wsgi_fields_add(&fields, "d", "");
    CHECK_STR(all(), "b=1;a=2;b=3;c;d=;");
    CHECK_INT(fields.items[0].name_len, 1);
    CHECK_INT(fields.items[3].value_len, 0);
}

static void list_grows_from_any_capacity(void)
{
    for (apr_uint32_t capacity = 0; capacity < 5; capacity++) {
        start(capacity);
        for (int i = 0; i < 1000; i++) {
            wsgi_fields_add(&fields, "n", apr_itoa(tap.pool, i));
        }
        CHECK_INT(fields.count, 1000);
        CHECK_STR(fields.items[0].value, "0");
        CHECK_STR(fields.items[999].value, "999");
    }
}

static void lengths_count_not_terminators(void)
{
    start(1);
    wsgi_fields_addn(&fields, "a\0b", 3, "x\0y", 3);
    CHECK_STR(wsgi_fields_get(&fields, "a"), NULL);
    CHECK_INT(fields.items[0].value_len, 3);
    CHECK_BYTES(fields.items[0].value, 3, "x\0y", 3);
}

static void get_gives_the_last_of_exactly_that_name(void)
{
    start(4);
    wsgi_fields_add(&fields, "HTTP_A", "1");
    wsgi_fields_add(&fields, "HTTP_A", "2");
    wsgi_fields_add(&fields, "HTTP_AB", "3");
    wsgi_fields_add(&fields, "http_a", "4");
    CHECK_STR(wsgi_fields_get(&fields, "HTTP_A"), "2");
    CHECK_STR(wsgi_fields_get(&fields, "http_a"), "4");
    CHECK_STR(wsgi_fields_get(&fields, "HTTP_"), NULL);
    CHECK_STR(wsgi_fields_get(&fields, ""), NULL);
}

static void set_replaces_the_first_and_drops_the_rest(void)
{
    start(4);
    wsgi_fields_add(&fields, "a", "1");
    wsgi_fields_add(&fields, "b", "2");
    wsgi_fields_add(&fields, "a", "3");
    wsgi_fields_add(&fields, "c", "4");
    wsgi_fields_add(&fields, "a", "5");
    wsgi_fields_set(&fields, "a", "new");
    CHECK_STR(all(), "a=new;b=2;c=4;");
    CHECK_INT(fields.items[0].value_len, 3);
    wsgi_fields_set(&fields, "b", NULL);
    CHECK_STR(all(), "a=new;b;c=4;");
    CHECK_INT(fields.items[1].value_len, 0);
}

static void set_appends_what_is_not_there(void)
{
    start(1);
    wsgi_fields_set(&fields, "a", "1");
    wsgi_fields_set(&fields, "A", "2");
    CHECK_STR(all(), "a=1;A=2;");
}

static void unset_removes_every_one(void)
{
    start(4);
    wsgi_fields_add(&fields, "a", "1");
    wsgi_fields_add(&fields, "a", "2");
    wsgi_fields_add(&fields, "aa", "3");
    wsgi_fields_add(&fields, "a", "4");
    wsgi_fields_unset(&fields, "a");
    CHECK_STR(all(), "aa=3;");
    wsgi_fields_unset(&fields, "x");
    wsgi_fields_unset(&fields, "aa");
    CHECK_STR(all(), "");
}

static void header_is_found_in_any_case(void)
{
    start(4);
    wsgi_fields_add(&fields, "Content-Type", "a");
    wsgi_fields_add(&fields, "content-length", "b");
    wsgi_fields_add(&fields, "CONTENT-TYPE", "c");
    CHECK(wsgi_fields_find_header(fields.items, fields.count, "content-TYPE") == &fields.items[0]);
    CHECK(wsgi_fields_find_header(fields.items, fields.count, "Content-Length") == &fields.items[1]);
    CHECK(wsgi_fields_find_header(fields.items, fields.count, "Content-Typ") == NULL);
    CHECK(wsgi_fields_find_header(fields.items, fields.count, "Content-Type2") == NULL);
    CHECK(wsgi_fields_find_header(NULL, 0, "x") == NULL);
}

int main(void)
{
    TAP_RUN(list_starts_empty);
    TAP_RUN(added_fields_keep_order_and_duplicates);
    TAP_RUN(list_grows_from_any_capacity);
    TAP_RUN(lengths_count_not_terminators);
    TAP_RUN(get_gives_the_last_of_exactly_that_name);
    TAP_RUN(set_replaces_the_first_and_drops_the_rest);
    TAP_RUN(set_appends_what_is_not_there);
    TAP_RUN(unset_removes_every_one);
    TAP_RUN(header_is_found_in_any_case);
    return tap_done();
}
