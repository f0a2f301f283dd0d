#include "sequence/loops.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "target/place.h"

#define LOOPS 4

static char devices[LOOPS][32];
static size_t count;

bool loops_possible(void)
{
    return geteuid() == 0 && access("/dev/loop-control", R_OK | W_OK) == 0;
}

const char *loops_attach(const char *image)
{
    char script[256];
    assert_true(count < LOOPS);
    snprintf(script, sizeof script, "losetup -f --show %s", image);
    snprintf(devices[count], sizeof devices[count], "%s", place_run(script));
    snprintf(script, sizeof script, "mkdir -p sys/block && ln -s /sys/block/%s sys/block/", devices[count] + 5);
    place_run(script);
    return devices[count++];
}

void loops_protect(struct protect *protect)
{
    static char sys[4096];
    struct error error = {0};
    snprintf(sys, sizeof sys, "%s", place_path("sys"));
    const struct disk_places places = {sys, "/dev"};
    if (protect_start(protect, &places, &error) != 0) {
        fail_msg("%s", error.message);
    }
}

bool loops_is_protected(const char *device)
{
    bool read_only = false;
    struct error error = {0};
    assert_int_equal(protect_get(device, &read_only, &error), 0);
    return read_only;
}

void loops_detach(void)
{
    while (count > 0) {
        char script[128];
        count--;
        /* The kernel hands the flag on to the loop device's next user. */
        snprintf(script, sizeof script, "blockdev --setrw %s; losetup -d %s", devices[count], devices[count]);
        place_run(script);
    }
}
