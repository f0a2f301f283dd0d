/*
 * traffic.h - how many bytes this program and the programs it has waited for read and wrote.
 *
 * Counted where they are asked for (/proc/self/io: rchar, wchar): files, pipes and sockets alike, whether the disk was
 * touched or the kernel had it in memory. That says what was done and is the same the next time; what the disks did
 * depends on what was in memory before. Not counted: programs' code and other mapped files, blocks that two files come to
 * share, and what a program did that did not end when asked to and was killed with its room (target/view.h).
 */
#ifndef CAISSON_LIB_TRAFFIC_H
#define CAISSON_LIB_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

struct traffic {
    bool known; /* false: this kernel does not count; then both are 0 */
    uint64_t read_bytes;
    uint64_t written_bytes;
};

/* Since this program began. Children count from when they were waited for, with theirs. */
struct traffic traffic_now(void);

/* From then to now. */
struct traffic traffic_since(const struct traffic *then);

#endif
