/* sources: base/wsgi_parse.c */
#include "base/wsgi_parse.h"

#include "wsgi_tap.h"

#include <apr_strings.h>

static const char *const garbage[] = {
    "",  " ",   "x",   "1x",   "x1",  "1 ",   " 1",           "1\n", "--1",   "+-1",   "-",
    "+", "1.0", "1e3", "0x10", "1,0", "\t1", "\xef\xbc\x91", "1-",  "'1'", "0b1", "1_000",
};
enum { GARBAGE = sizeof(garbage) / sizeof(garbage[0]) };

static void flag_is_on_or_off_in_any_case(void)
{
    int flag = 7;

    CHECK_INT(wsgi_parse_flag(&flag, "On"), 1);
    CHECK_INT(flag, 1);
    CHECK_INT(wsgi_parse_flag(&flag, "oFF"), 1);
    CHECK_INT(flag, 0);
    CHECK_INT(wsgi_parse_flag(&flag, "ON"), 1);
    CHECK_INT(flag, 1);
}

static void flag_refuses_other_words_and_leaves_its_output_alone(void)
{
    static const char *const words[] = { "", "1", "0", "yes", "true", "On ", " On", "Onn", "O", "Offf", "of" };
    int flag = 7;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        CHECK_INT(wsgi_parse_flag(&flag, words[i]), 0);
        CHECK_INT(flag, 7);
    }
}

static void integer_takes_the_ends_of_its_range(void)
{
    apr_int64_t value = 0;

    CHECK_INT(wsgi_parse_integer(&value, "1", 1, 10), 1);
    CHECK_INT(value, 1);
    CHECK_INT(wsgi_parse_integer(&value, "10", 1, 10), 1);
    CHECK_INT(value, 10);
    CHECK_INT(wsgi_parse_integer(&value, "-20", -20, 20), 1);
    CHECK_INT(value, -20);
    CHECK_INT(wsgi_parse_integer(&value, "007", 0, 10), 1);
    CHECK_INT(value, 7);
}

static void integer_refuses_what_is_out_of_range(void)
{
    apr_int64_t value = 42;

    CHECK_INT(wsgi_parse_integer(&value, "0", 1, 10), 0);
    CHECK_INT(wsgi_parse_integer(&value, "11", 1, 10), 0);
    CHECK_INT(wsgi_parse_integer(&value, "-1", 0, 10), 0);
    CHECK_INT(value, 42);
}

static void integer_knows_the_limits_of_64_bits(void)
{
    apr_int64_t value = 42;

    CHECK_INT(wsgi_parse_integer(&value, "9223372036854775808", APR_INT64_MIN, APR_INT64_MAX), 0);
    CHECK_INT(wsgi_parse_integer(&value, "-9223372036854775809", APR_INT64_MIN, APR_INT64_MAX), 0);
    CHECK_INT(wsgi_parse_integer(&value, "99999999999999999999999999", APR_INT64_MIN, APR_INT64_MAX), 0);
    CHECK_INT(value, 42);
    CHECK_INT(wsgi_parse_integer(&value, "9223372036854775807", APR_INT64_MIN, APR_INT64_MAX), 1);
    CHECK_INT(value, APR_INT64_MAX);
    CHECK_INT(wsgi_parse_integer(&value, "-9223372036854775808", APR_INT64_MIN, APR_INT64_MAX), 1);
    CHECK(value == APR_INT64_MIN);
}

static void numbers_refuse_garbage_and_leave_their_output_alone(void)
{
    apr_int64_t value = 42;
    apr_interval_time_t time = 42;
    int octal = 42;

    for (int i = 0; i < GARBAGE; i++) {
        CHECK_INT(wsgi_parse_integer(&value, garbage[i], APR_INT64_MIN, APR_INT64_MAX), 0);
        CHECK_INT(wsgi_parse_octal(&octal, garbage[i], 0777), 0);
        CHECK_INT(wsgi_parse_seconds(&time, garbage[i], 0, APR_INT64_MAX), 0);
        CHECK_INT(wsgi_parse_milliseconds(&time, garbage[i], 0, APR_INT64_MAX), 0);
    }
    CHECK_INT(value, 42);
    CHECK_INT(octal, 42);
    CHECK_TIME(time, 42);
}

static void octal_reads_permission_bits(void)
{
    int value = -1;

    CHECK_INT(wsgi_parse_octal(&value, "022", 0777), 1);
    CHECK_INT(value, 022);
    CHECK_INT(wsgi_parse_octal(&value, "0", 0777), 1);
    CHECK_INT(value, 0);
    CHECK_INT(wsgi_parse_octal(&value, "777", 0777), 1);
    CHECK_INT(value, 0777);
}

static void octal_refuses_other_digits_and_larger_values(void)
{
    static const char *const words[] = { "8", "9", "28", "1000", "-1", "0o22", "7777777777777777777777777" };
    int value = 42;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        CHECK_INT(wsgi_parse_octal(&value, words[i], 0777), 0);
    }
    CHECK_INT(value, 42);
}

static void durations_become_microseconds(void)
{
    apr_interval_time_t value = -1;

    CHECK_INT(wsgi_parse_seconds(&value, "60", 0, 100), 1);
    CHECK_TIME(value, apr_time_from_sec(60));
    CHECK_INT(wsgi_parse_seconds(&value, "0", 0, 100), 1);
    CHECK_TIME(value, 0);
    CHECK_INT(wsgi_parse_milliseconds(&value, "5", 0, 100), 1);
    CHECK_TIME(value, 5000);
}

static void durations_whose_microseconds_overflow_are_refused(void)
{
    apr_interval_time_t value = 42;

    CHECK_INT(wsgi_parse_seconds(&value, "9223372036855", 0, APR_INT64_MAX), 0);
    CHECK_INT(wsgi_parse_milliseconds(&value, "9223372036854776", 0, APR_INT64_MAX), 0);
    CHECK_TIME(value, 42);
    CHECK_INT(wsgi_parse_seconds(&value, "9223372036854", 0, APR_INT64_MAX), 1);
    CHECK_TIME(value, APR_INT64_C(9223372036854000000));
    CHECK_INT(wsgi_parse_milliseconds(&value, "9223372036854775", 0, APR_INT64_MAX), 1);
    CHECK_TIME(value, APR_INT64_C(9223372036854775000));
}

static void real_takes_decimal_fractions(void)
{
    double value = 0;

    CHECK_INT(wsgi_parse_real(&value, "0.005", 0), 1);
    CHECK(value == 0.005);
    CHECK_INT(wsgi_parse_real(&value, ".5", 0), 1);
    CHECK(value == 0.5);
    CHECK_INT(wsgi_parse_real(&value, "2", 0), 1);
    CHECK(value == 2);
    CHECK_INT(wsgi_parse_real(&value, "1e-3", 0), 1);
    CHECK(value == 1e-3);
}

static void real_refuses_garbage_its_minimum_and_what_is_not_finite(void)
{
    static const char *const words[] = { "",    " ",    "x",   "0",    "0.0",   "-1",    "+1",  " 1", "1 ",  "1x",
                                         "nan", "inf",  "1e999", ".",  "1..2",  "1,5",   "1e",  "0x10", "0X1p3",
                                         "infinity", "1e-999", ".e1" };
    double value = 42;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!CHECK_INT(wsgi_parse_real(&value, words[i], 0), 0)) {
            printf("#    for \"%s\"\n", words[i]);
        }
    }
    CHECK(value == 42);
}

/* Take every option of a line. @return "name|value;name|value", with "!word" for a word that is none */
static const char *options_of(const char *line)
{
    const char *rest = tap_text(line), *name, *value, *all = "";
    int rv;

    while ((rv = wsgi_parse_option(&name, &value, &rest, tap.pool)) == 1) {
        all = apr_pstrcat(tap.pool, all, name, "|", value, ";", NULL);
    }
    return rv == 0 ? all : apr_pstrcat(tap.pool, all, "!", name, NULL);
}

static void options_are_separated_by_any_white_space(void)
{
    CHECK_STR(options_of("a=1 b=2"), "a|1;b|2;");
    CHECK_STR(options_of("a=1\tb='2'\tc=3\nd=4"), "a|1;b|2;c|3;d|4;");
    CHECK_STR(options_of("  a=1 \t b=2\t "), "a|1;b|2;");
    CHECK_STR(options_of(""), "");
    CHECK_STR(options_of(" \t "), "");
}

static void option_values_may_be_quoted(void)
{
    CHECK_STR(options_of("a='x y' b=\"p q\""), "a|x y;b|p q;");
    CHECK_STR(options_of("a='' b=\"\""), "a|;b|;");
    CHECK_STR(options_of("a='it\"s' b=\"it's\""), "a|it\"s;b|it's;");
    CHECK_STR(options_of("a='it\\'s'"), "a|it's;");
    CHECK_STR(options_of("a=\"\\\"x\\\"\""), "a|\"x\";");
    CHECK_STR(options_of("a='back\\\\slash'"), "a|back\\slash;");
    CHECK_STR(options_of("a='%{GROUP}'"), "a|%{GROUP};");
}

static void backslash_escapes_nothing_else(void)
{
    CHECK_STR(options_of("a='\\n'"), "a|\\n;");
    CHECK_STR(options_of("a='\\\"'"), "a|\\\";");
    CHECK_STR(options_of("a=\\'x"), "a|\\'x;");
    CHECK_STR(options_of("a=x\\ y=1"), "a|x\\;y|1;");
}

static void name_ends_at_the_first_equals_sign(void)
{
    CHECK_STR(options_of("a=b=c"), "a|b=c;");
    CHECK_STR(options_of("a=="), "a|=;");
    CHECK_STR(options_of("a="), "a|;");
    CHECK_STR(options_of("a= b=1"), "a|;b|1;");
    CHECK_STR(options_of("A=1 a=2"), "A|1;a|2;");
}

static void quote_inside_an_unquoted_value_is_an_ordinary_character(void)
{
    CHECK_STR(options_of("a=x'y b=2"), "a|x'y;b|2;");
    CHECK_STR(options_of("a=x\"y"), "a|x\"y;");
}

static void words_that_are_no_option_are_named(void)
{
    CHECK_STR(options_of("a=1 word"), "a|1;!word");
    CHECK_STR(options_of("word a=1"), "!word");
    CHECK_STR(options_of("a =1"), "!a");
    CHECK_STR(options_of("=1"), "!");
}

static void quote_left_open_or_followed_by_garbage_is_an_error(void)
{
    CHECK_STR(options_of("a='x"), "!a='x");
    CHECK_STR(options_of("a=\""), "!a=\"");
    CHECK_STR(options_of("a='x\\'"), "!a='x\\'");
    CHECK_STR(options_of("a='x'y"), "!a='x'y");
    CHECK_STR(options_of("a='x'b=1"), "!a='x'b=1");
    CHECK_STR(options_of("a='x' b=1"), "a|x;b|1;");
}

static void bytes_above_ascii_are_kept(void)
{
    CHECK_STR(options_of("a=\xc3\xa9 b='\xff \xa0'"), "a|\xc3\xa9;b|\xff \xa0;");
}

int main(void)
{
    TAP_RUN(flag_is_on_or_off_in_any_case);
    TAP_RUN(flag_refuses_other_words_and_leaves_its_output_alone);
    TAP_RUN(integer_takes_the_ends_of_its_range);
    TAP_RUN(integer_refuses_what_is_out_of_range);
    TAP_RUN(integer_knows_the_limits_of_64_bits);
    TAP_RUN(numbers_refuse_garbage_and_leave_their_output_alone);
    TAP_RUN(octal_reads_permission_bits);
    TAP_RUN(octal_refuses_other_digits_and_larger_values);
    TAP_RUN(durations_become_microseconds);
    TAP_RUN(durations_whose_microseconds_overflow_are_refused);
    TAP_RUN(real_takes_decimal_fractions);
    TAP_RUN(real_refuses_garbage_its_minimum_and_what_is_not_finite);
    TAP_RUN(options_are_separated_by_any_white_space);
    TAP_RUN(option_values_may_be_quoted);
    TAP_RUN(backslash_escapes_nothing_else);
    TAP_RUN(name_ends_at_the_first_equals_sign);
    TAP_RUN(quote_inside_an_unquoted_value_is_an_ordinary_character);
    TAP_RUN(words_that_are_no_option_are_named);
    TAP_RUN(quote_left_open_or_followed_by_garbage_is_an_error);
    TAP_RUN(bytes_above_ascii_are_kept);
    return tap_done();
}
