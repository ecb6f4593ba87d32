/* sources: base/wsgi_nearest.c */
#include "base/wsgi_nearest.h"

#include "wsgi_tap.h"

static const char *nearest(const char *name)
{
    apr_array_header_t *known = apr_array_make(tap.pool, 3, sizeof(const char *));

    APR_ARRAY_PUSH(known, const char *) = "shop";
    APR_ARRAY_PUSH(known, const char *) = "keystone-admin";
    APR_ARRAY_PUSH(known, const char *) = "keystone-public";
    return wsgi_nearest_name(known, name, tap.pool);
}

static void finds_a_letter_too_many_too_few_or_another(void)
{
    CHECK_STR(nearest("shops"), "shop");
    CHECK_STR(nearest("hop"), "shop");
    CHECK_STR(nearest("ship"), "shop");
}

static void finds_neighbours_that_changed_places(void)
{
    CHECK_STR(nearest("shpo"), "shop");
    CHECK_STR(nearest("hsop"), "shop");
    CHECK_STR(nearest("sohp"), "shop");
    CHECK_STR(nearest("ohps"), NULL);
}

static void takes_the_nearest_of_several(void)
{
    CHECK_STR(nearest("keystone-pubilc"), "keystone-public");
    CHECK_STR(nearest("keystone_admin"), "keystone-admin");
}

static void does_not_mind_the_case(void)
{
    CHECK_STR(nearest("SHOP"), "shop");
}

static void has_nothing_to_say_of_other_names(void)
{
    CHECK_STR(nearest("nowhere"), NULL);
    CHECK_STR(nearest("shopping"), NULL);
    CHECK_STR(nearest(""), NULL);
    CHECK_STR(wsgi_nearest_name(apr_array_make(tap.pool, 1, sizeof(const char *)), "shop", tap.pool), NULL);
}

int main(void)
{
    TAP_RUN(finds_a_letter_too_many_too_few_or_another);
    TAP_RUN(finds_neighbours_that_changed_places);
    TAP_RUN(takes_the_nearest_of_several);
    TAP_RUN(does_not_mind_the_case);
    TAP_RUN(has_nothing_to_say_of_other_names);
    return tap_done();
}
