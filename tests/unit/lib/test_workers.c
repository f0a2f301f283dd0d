/* Threads that work off a queue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/workers.h"

#define JOBS 5000

static atomic_uint done[JOBS];
static atomic_uint begun;

/* The job is a number; *context, if not 0, the one that fails. */
static int work(void *context, unsigned worker, void *job, struct error *error)
{
    const size_t *failing = context;
    size_t number = (size_t)(uintptr_t)job;
    (void)worker;
    atomic_fetch_add(&begun, 1);
    atomic_fetch_add(&done[number], 1);
    return number != 0 && number == *failing ? error_set(error, CSN_IO, "job %zu failed", number) : 0;
}

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < JOBS; i++) {
        atomic_store(&done[i], 0);
    }
    atomic_store(&begun, 0);
    return 0;
}

static void test_each_job_is_done_once(void **state)
{
    (void)state;
    struct error error;
    size_t failing = 0;
    for (unsigned threads = 1; threads <= WORKERS_LIMIT; threads *= 2) {
        struct workers *workers = workers_start(threads, 3, work, &failing, &error);
        assert_non_null(workers);
        for (size_t i = 0; i < JOBS; i++) {
            assert_int_equal(workers_give(workers, (void *)(uintptr_t)i, &error), 0);
        }
        assert_int_equal(workers_wait(workers, &error), 0);
        for (size_t i = 0; i < JOBS; i++) {
            assert_int_equal(atomic_exchange(&done[i], 0), 1);
        }
        workers_end(workers);
    }
}

static void test_the_first_failure_ends_it(void **state)
{
    (void)state;
    struct error error = {.code = CSN_NONE};
    size_t failing = 100;
    struct workers *workers = workers_start(2, 3, work, &failing, &error);
    size_t given = 0;
    while (given < JOBS && workers_give(workers, (void *)(uintptr_t)given, &error) == 0) {
        given++;
    }
    assert_int_equal(workers_wait(workers, &error), -1);
    assert_int_equal(error.code, CSN_IO);
    assert_string_equal(error.message, "job 100 failed");
    assert_int_equal(workers_give(workers, NULL, &error), -1);
    assert_true(atomic_load(&begun) < JOBS);
    workers_end(workers);
}

/* Jobs that wait are not begun, and nobody hangs. */
static void test_ending_early(void **state)
{
    (void)state;
    struct error error;
    size_t failing = 0;
    for (int i = 0; i < 200; i++) {
        struct workers *workers = workers_start(3, 8, work, &failing, &error);
        for (size_t k = 0; k < 5; k++) {
            assert_int_equal(workers_give(workers, (void *)(uintptr_t)k, &error), 0);
        }
        workers_end(workers);
    }
    workers_end(NULL);
}

static int sleep_a_while(void *context, unsigned worker, void *job, struct error *error)
{
    (void)context;
    (void)worker;
    (void)error;
    usleep((useconds_t)(uintptr_t)job);
    return 0;
}

static unsigned told;

static void tell(void *context)
{
    (void)context;
    told++;
}

static void test_the_giver_is_told_that_it_takes(void **state)
{
    (void)state;
    struct error error;
    struct workers *workers = workers_start(1, 1, sleep_a_while, NULL, &error);
    workers_meanwhile(workers, tell);
    assert_int_equal(workers_give(workers, (void *)(uintptr_t)1000000, &error), 0);
    assert_int_equal(workers_wait(workers, &error), 0);
    assert_true(told >= 2);
    workers_end(workers);
}

static unsigned taken_back;

static void take(void *job)
{
    (void)job;
    taken_back++;
}

/* Every job is done, failed or handed back. */
static void test_jobs_come_back(void **state)
{
    (void)state;
    struct error error;
    size_t failing = 3;
    unsigned given = 0;
    struct workers *workers = workers_start(1, 8, work, &failing, &error);
    while (given < 20 && workers_give(workers, (void *)(uintptr_t)given, &error) == 0) {
        given++;
    }
    workers_take_back(workers, take);
    workers_end(workers);
    assert_int_equal(atomic_load(&begun) + taken_back, given);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_each_job_is_done_once, setup),
        cmocka_unit_test_setup(test_the_first_failure_ends_it, setup),
        cmocka_unit_test_setup(test_ending_early, setup),
        cmocka_unit_test_setup(test_the_giver_is_told_that_it_takes, setup),
        cmocka_unit_test_setup(test_jobs_come_back, setup),
    };
    return cmocka_run_group_tests_name("workers", tests, NULL, NULL);
}
