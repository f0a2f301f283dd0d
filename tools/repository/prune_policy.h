/*
 * prune_policy.h - which snapshots stay. For prune.c; touches no disk.
 */
#ifndef CAISSON_REPOSITORY_PRUNE_POLICY_H
#define CAISSON_REPOSITORY_PRUNE_POLICY_H

#include "repository/repository.h"

#define PRUNE_WHY_SIZE 96

struct prune_item {
    const struct repository_snapshot *snapshot;
    int64_t began_sec;
    bool whole;               /* all its chunks are there, and it is not what was saved of a damaged one */
    char why[PRUNE_WHY_SIZE]; /* it stays; "": it goes */
};

/* Of one machine, the same folders, and of a database server the same cluster: they replace one another. */
bool prune_same_series(const struct prune_item *a, const struct prune_item *b);

/* Fills why in. The items are in the order of time, the oldest first. */
void prune_decide(struct prune_item *items, size_t count, uint64_t keep_last, uint64_t keep_days);

#endif
