/* A job is read whole or refused, and the refusal says where and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sequence/job.h"

#define GOOD "[job]\nname = \xE6\xB8\xAF\n[server]\ndisks = serial:A\n[backup]\ndisk = label:B\n[package]\nfiles = a.cpkg\n"

static struct job job;
static struct error error;

static void test_a_job(void **state)
{
    (void)state;
    assert_int_equal(job_parse(&job, "a.job", GOOD, "/stick", &error), 0);
    assert_string_equal(job.name, "\xE6\xB8\xAF");
    assert_string_equal(job.command, "run");
    assert_string_equal(job.backup_folder, "caisson");
    job_free(&job);
}

static void test_a_job_that_is_not_utf8(void **state)
{
    (void)state;
    assert_int_equal(job_parse(&job, "a.job", "[job]\nname = \xB8\xDB\n", "/stick", &error), -1);
    assert_int_equal(error.code, CSN_JOB_SYNTAX);
    assert_non_null(strstr(error.message, "a.job line 2"));
    assert_non_null(strstr(error.message, "UTF-8"));
    assert_null(job.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_job),
        cmocka_unit_test(test_a_job_that_is_not_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
