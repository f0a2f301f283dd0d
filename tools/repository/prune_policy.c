#include "repository/prune_policy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DAY_SEC 86400

static bool same_sources(const struct repository_snapshot *a, const struct repository_snapshot *b)
{
    if (a->sources.count != b->sources.count) {
        return false;
    }
    for (size_t i = 0; i < a->sources.count; i++) {
        if (!strings_has(&b->sources, a->sources.items[i])) {
            return false;
        }
    }
    return true;
}

static const char *tag(const struct repository_snapshot *snapshot, const char *key)
{
    for (size_t i = 0; i < snapshot->tag_keys.count; i++) {
        if (strcmp(snapshot->tag_keys.items[i], key) == 0) {
            return snapshot->tag_values.items[i];
        }
    }
    return "";
}

/* What came from a running database server is of its cluster: two of one host are not the same. */
bool prune_same_series(const struct prune_item *a, const struct prune_item *b)
{
    return strcmp(a->snapshot->host, b->snapshot->host) == 0 && same_sources(a->snapshot, b->snapshot) &&
           strcmp(tag(a->snapshot, "system-identifier"), tag(b->snapshot, "system-identifier")) == 0;
}

static bool same_installation(const struct repository_snapshot *a, const struct repository_snapshot *b)
{
    return strcmp(a->host, b->host) == 0 && strcmp(tag(a, "machine-id"), tag(b, "machine-id")) == 0 &&
           strcmp(tag(a, "application"), tag(b, "application")) == 0;
}

static void keep(struct prune_item *item, const char *why)
{
    if (item->why[0] == '\0') {
        snprintf(item->why, sizeof item->why, "%s", why);
    }
}

/* All that the newest run of its installation has made. */
static bool is_of_newest_run(const struct prune_item *items, size_t count, size_t at)
{
    const char *run = tag(items[at].snapshot, "run");
    const char *newest = "";
    for (size_t i = 0; i < count; i++) {
        if (same_installation(items[i].snapshot, items[at].snapshot) && tag(items[i].snapshot, "run")[0] != '\0') {
            newest = tag(items[i].snapshot, "run");
        }
    }
    return run[0] != '\0' && strcmp(run, newest) == 0;
}

/* One and those newer than it, of its series. */
struct after {
    uint64_t whole; /* how many are whole */
    int64_t newest_sec;
};

static struct after after(const struct prune_item *items, size_t count, size_t at)
{
    struct after found = {.newest_sec = items[at].began_sec};
    for (size_t i = at; i < count; i++) {
        if (prune_same_series(&items[i], &items[at])) {
            found.whole += items[i].whole ? 1 : 0;
            found.newest_sec = items[i].began_sec > found.newest_sec ? items[i].began_sec : found.newest_sec;
        }
    }
    return found;
}

void prune_decide(struct prune_item *items, size_t count, uint64_t keep_last, uint64_t keep_days)
{
    for (size_t i = 0; i < count; i++) {
        struct prune_item *item = &items[i];
        struct after newer = after(items, count, i);
        uint64_t age_sec = (uint64_t)(newer.newest_sec - item->began_sec);
        char why[PRUNE_WHY_SIZE];
        item->why[0] = '\0';
        if (is_of_newest_run(items, count, i)) {
            keep(item, "a rollback may need it");
        }
        if (item->whole && newer.whole == 1) {
            keep(item, "it is the newest that is whole");
        }
        if (keep_last > 0 && newer.whole <= keep_last) { /* one that is not whole takes nobody's place */
            snprintf(why, sizeof why, "it is one of the newest %" PRIu64, keep_last);
            keep(item, why);
        }
        if (keep_days > 0 && age_sec / DAY_SEC < keep_days) {
            snprintf(why, sizeof why, "it is not %" PRIu64 " days older than the newest", keep_days);
            keep(item, why);
        }
    }
}
